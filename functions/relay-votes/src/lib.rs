//! Relays the votes' stream to the tally queue: a batch of records folded into one message a poll and lane.
//!
//! Running it twice on the same records is safe: every change carries its vote id, and tally-votes applies each id
//! once. A batch fails whole or not at all: if the queue does not take every message, the stream gives it again.

use landslide_shared::{
    aws,
    clock::{Clock, SystemClock},
    domain::fold::fold,
    queue::{Outgoing, Queue, SendBatch, SendError, Sqs},
    stream::{StreamEvent, outline, read_record},
};

/// What the relay needs.
pub struct App<S = Sqs, C = SystemClock> {
    tally_queue: Queue<S, C>,
    relay_dlq: Queue<S, C>,
}

impl App {
    /// The relay as the environment sets it.
    pub fn from_env() -> Result<Self, lambda_runtime::Error> {
        let aws = aws::sdk_config()?;
        let tally_queue = Queue::from_env(&aws, "TALLY_QUEUE_URL")?;
        Ok(Self::new(tally_queue, Queue::from_env(&aws, "RELAY_DLQ_URL")?))
    }
}

impl<S: SendBatch, C: Clock> App<S, C> {
    /// A relay between queues.
    pub fn new(tally_queue: Queue<S, C>, relay_dlq: Queue<S, C>) -> Self {
        Self { tally_queue, relay_dlq }
    }
}

/// Sends on all votes of a batch, and to the dead-letter queue what can't be read, so that it blocks nobody.
pub async fn relay<S: SendBatch, C: Clock>(app: &App<S, C>, event: &StreamEvent) -> Result<(), SendError> {
    let mut votes = Vec::with_capacity(event.records.len());
    let mut unreadable = Vec::new();
    for record in &event.records {
        match read_record(record) {
            Ok(vote) => votes.extend(vote),
            Err(error) => {
                tracing::error!(%error, "stream record can't be read and goes to the dead-letter queue");
                let whole = Outgoing::dead_letter(record.get().to_owned(), None, &error.to_string());
                let sent = if whole.fits() { whole } else { Outgoing { body: outline(record), ..whole } };
                unreadable.push(sent);
            }
        }
    }
    app.relay_dlq.send_all(&unreadable).await?;
    let messages: Vec<Outgoing> = fold(votes).iter().map(Outgoing::tally).collect();
    app.tally_queue.send_all(&messages).await?;
    tracing::debug!(records = event.records.len(), messages = messages.len(), "batch relayed");
    Ok(())
}

#[cfg(test)]
mod tests;
