//! Relays the votes' stream to the tally queue: folds a batch of records into one message per poll and lane.
//!
//! Running it twice on the same records is safe: every change carries its vote id, and tally-votes applies each id
//! once. A batch fails whole or not at all: if the queue does not take every message, the stream delivers it again.

use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    metrics::{self, Metric},
    queue::{Outgoing, Queue, SendBatch, SendError, Sqs},
    sdk,
};
use landslide_domain::{fold::fold, time::Timestamp};
pub use landslide_stream::StreamEvent;
use landslide_stream::{UnreadableRecord, outline};
use serde_json::value::RawValue;

/// The relay, and the two queues it sends to.
pub struct Relay<S = Sqs, C = SystemClock> {
    tally_queue: Queue<S, C>,
    relay_dlq: Queue<S, C>,
}

impl Relay {
    /// The relay that the environment configures.
    pub fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let tally_queue = Queue::from_env(&aws, "TALLY_QUEUE_URL")?;
        Ok(Self::new(tally_queue, Queue::from_env(&aws, "RELAY_DLQ_URL")?))
    }
}

impl<S: SendBatch, C: Clock> Relay<S, C> {
    /// A relay that sends to these queues.
    pub fn new(tally_queue: Queue<S, C>, relay_dlq: Queue<S, C>) -> Self {
        Self { tally_queue, relay_dlq }
    }

    /// Sends all votes to the tally queue, and unreadable records to the dead-letter queue, so that they block nobody.
    /// Votes go first: a repeated vote is dropped by the queue or recognised by counting, but a repeated dead letter is
    /// one more for an operator to look at.
    pub async fn relay(&self, event: StreamEvent) -> Result<Relayed, SendError> {
        let folded = Folded::of(event);
        self.tally_queue.send_all(&folded.messages).await?;
        self.relay_dlq.send_all(&folded.unreadable).await?;
        let Folded { votes, oldest, messages, unreadable } = folded;
        Ok(Relayed { votes, oldest, messages: messages.len(), dead_letters: unreadable.len() })
    }
}

/// A folded stream batch, ready to be sent.
pub struct Folded {
    /// How many votes there are.
    pub votes: usize,
    /// When the oldest vote was cast.
    pub oldest: Option<Timestamp>,
    /// The votes' messages, for the tally queue.
    pub messages: Vec<Outgoing>,
    /// Unreadable records, for the dead-letter queue.
    pub unreadable: Vec<Outgoing>,
}

impl Folded {
    /// Folds a batch's votes into as few messages as possible, and sets unreadable records apart.
    pub fn of(event: StreamEvent) -> Self {
        let letter = |(record, error): &(Box<RawValue>, UnreadableRecord)| {
            tracing::error!(%error, "stream record can't be read and goes to the dead-letter queue: {error}");
            let whole = Outgoing::dead_letter(record.get().to_owned(), None, &error.to_string());
            if whole.fits() { whole } else { Outgoing { body: outline(record), ..whole } }
        };
        Self {
            votes: event.votes.len(),
            oldest: event.votes.iter().map(|(_, change)| change.cast_at).min(),
            messages: fold(event.votes).iter().map(Outgoing::tally).collect(),
            unreadable: event.unreadable.iter().map(letter).collect(),
        }
    }
}

/// The outcome of a relayed batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    votes: usize,
    oldest: Option<Timestamp>,
    messages: usize,
    dead_letters: usize,
}

/// The metrics for a batch of `records` records. If `relayed` is `None`, the batch failed, and the stream delivers it
/// again.
pub fn metrics_of(records: usize, relayed: Option<Relayed>, now: Timestamp) -> Vec<Metric> {
    let failed = if relayed.is_some() { 0 } else { records };
    let Relayed { votes, oldest, messages, dead_letters } = relayed.unwrap_or_default();
    let counts = [
        Metric::count("Records", records),
        Metric::count("Votes", votes),
        Metric::count("Messages", messages),
        Metric::count("DeadLetters", dead_letters),
        Metric::count("Failed", failed),
    ];
    metrics::with_vote_age(counts, oldest, now)
}

#[cfg(test)]
mod tests;
