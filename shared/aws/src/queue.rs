//! Sending to SQS so that nothing is lost without a word: every entry taken, or an error.

pub mod batch;

use std::{future::Future, time::Duration};

pub use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::{
    operation::{
        change_message_visibility_batch::ChangeMessageVisibilityBatchOutput, send_message_batch::SendMessageBatchOutput,
    },
    types::{ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue, SendMessageBatchRequestEntry},
};
use aws_types::SdkConfig;
use futures_util::{TryStreamExt, stream};
use landslide_domain::message::Message;
use sha2::{Digest, Sha256};

use crate::{
    clock::{Clock, SystemClock},
    config::{self, ConfigError},
    sdk::describe,
};

/// The most messages of a batch (SQS).
const BATCH_MESSAGES_MAX: usize = 10;
/// The most bytes of a message, and of a batch in total: 1 MiB (SQS), less some for attributes.
const BATCH_BYTES_MAX: usize = 1024 * 1024 - 16 * 1024;
/// How many batches are under way at once: a batch of the stream may be for thousands of polls.
pub const BATCHES_AT_ONCE: usize = 16;
/// The most characters of a reason.
const REASON_CHARS_MAX: usize = 256;
/// How often entries that SQS did not take are sent again.
const SENDS_MAX: u32 = 4;
/// The pause before the n-th further try is drawn at random below this times 2ⁿ.
pub const PAUSE_MS: u64 = 40;

/// A message on its way to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The text.
    pub body: String,
    /// The FIFO group; none for a standard queue.
    pub group: Option<String>,
    /// Why it is sent, as the message attribute `reason`; for dead letters.
    pub reason: Option<String>,
}

impl Outgoing {
    /// A tally message: its group is its lane.
    pub fn tally(message: &Message) -> Self {
        Self { body: message.encode(), group: Some(message.lane.to_string()), reason: None }
    }

    /// A message that can't be worked on, passed on whole. A long reason is cut.
    pub fn dead_letter(body: String, group: Option<String>, reason: &str) -> Self {
        Self { body, group, reason: Some(reason.chars().take(REASON_CHARS_MAX).collect()) }
    }

    /// Whether a queue can take it at all.
    pub fn fits(&self) -> bool {
        self.body.len() <= BATCH_BYTES_MAX
    }

    fn entry(&self, id: usize) -> Result<SendMessageBatchRequestEntry, SendError> {
        let broken = |error: &dyn std::fmt::Display| SendError(format!("send message: {error}"));
        // The body's hash drops most repeats for nothing: the same changes folded again give the same body.
        let deduplication = self.group.as_ref().map(|_| hex(&Sha256::digest(&self.body)));
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id(id.to_string())
            .message_body(&self.body)
            .set_message_group_id(self.group.clone())
            .set_message_deduplication_id(deduplication);
        if let Some(reason) = &self.reason {
            let value = MessageAttributeValue::builder().data_type("String").string_value(reason).build();
            entry = entry.message_attributes("reason", value.map_err(|error| broken(&error))?);
        }
        entry.build().map_err(|error| broken(&error))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Not every message was taken. Which were is unknown.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SendError(pub String);

/// Who takes batches: SQS, or the simulation's model of it.
pub trait SendBatch {
    /// Sends entries once. The answer says which were taken; after an error nobody knows.
    fn send_batch(
        &self,
        queue_url: &str,
        entries: Vec<SendMessageBatchRequestEntry>,
    ) -> impl Future<Output = Result<SendMessageBatchOutput, SendError>>;
}

impl SendBatch for Sqs {
    async fn send_batch(
        &self,
        queue_url: &str,
        entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<SendMessageBatchOutput, SendError> {
        let answer = self.send_message_batch().queue_url(queue_url).set_entries(Some(entries)).send().await;
        answer.map_err(|error| SendError(format!("send messages: {}", describe(&error))))
    }
}

/// When a message comes again was not changed, or not of every message. Which is unknown; the queue's own time applies there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct VisibilityError(pub String);

/// Who hands out messages: SQS, or the simulation's model of it.
pub trait ChangeVisibility {
    /// Asks once that messages come again after other times. The answer says which do; after an error nobody knows.
    fn change_visibility(
        &self,
        queue_url: &str,
        entries: Vec<ChangeMessageVisibilityBatchRequestEntry>,
    ) -> impl Future<Output = Result<ChangeMessageVisibilityBatchOutput, VisibilityError>>;
}

impl ChangeVisibility for Sqs {
    async fn change_visibility(
        &self,
        queue_url: &str,
        entries: Vec<ChangeMessageVisibilityBatchRequestEntry>,
    ) -> Result<ChangeMessageVisibilityBatchOutput, VisibilityError> {
        let call = self.change_message_visibility_batch().queue_url(queue_url).set_entries(Some(entries));
        call.send().await.map_err(|error| VisibilityError(format!("change visibility: {}", describe(&error))))
    }
}

/// A queue to send to, or to hand messages back to.
pub struct Queue<S = Sqs, C = SystemClock> {
    sender: S,
    url: String,
    clock: C,
}

impl Queue {
    /// The queue that a variable names.
    pub fn from_env(aws: &SdkConfig, variable: &'static str) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text(variable)?))
    }

    /// A queue by its URL.
    pub fn new(aws: &SdkConfig, url: String) -> Self {
        Self::over(Sqs::new(aws), url, SystemClock)
    }
}

impl<S: SendBatch, C: Clock> Queue<S, C> {
    /// A queue by its URL, over who takes its batches.
    pub fn over(sender: S, url: String, clock: C) -> Self {
        Self { sender, url, clock }
    }

    /// Sends all messages, in batches as large as SQS takes and in any order. What SQS refuses of a batch is sent
    /// again a bounded number of times.
    pub async fn send_all(&self, messages: &[Outgoing]) -> Result<(), SendError> {
        stream::iter(batches(messages, |message| message.body.len()).map(Ok))
            .try_for_each_concurrent(BATCHES_AT_ONCE, |batch| self.send_until_taken(batch))
            .await
    }

    async fn send_until_taken(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        let mut waiting = (0..).zip(batch).map(|(id, message)| message.entry(id)).collect::<Result<Vec<_>, _>>()?;
        let mut attempt = 0;
        loop {
            let answer = self.sender.send_batch(&self.url, waiting.clone()).await?;
            // Told by what was taken, so that an entry which the answer leaves out is sent again.
            waiting.retain(|entry| !answer.successful().iter().any(|taken| taken.id() == entry.id()));
            if waiting.is_empty() {
                return Ok(());
            }
            attempt += 1;
            if attempt == SENDS_MAX {
                let first = answer.failed().first();
                let cause = first.and_then(|failed| failed.message()).unwrap_or("no cause given");
                return Err(SendError(format!("send messages: {} were not taken: {cause}", waiting.len())));
            }
            self.clock.back_off(PAUSE_MS, attempt).await;
        }
    }
}

impl<S: ChangeVisibility, C> Queue<S, C> {
    /// Has messages of one delivery come again after that time from now, told by their receipt handles: at most ten, as many as a
    /// FIFO queue hands out at once.
    pub async fn come_again_after(&self, pause: Duration, handles: &[&str]) -> Result<(), VisibilityError> {
        let broken = |error: &dyn std::fmt::Display| VisibilityError(format!("change visibility: {error}"));
        let seconds = i32::try_from(pause.as_secs()).map_err(|error| broken(&error))?;
        let entry = |(id, handle): (usize, &&str)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id.to_string()).receipt_handle(*handle);
            entry.visibility_timeout(seconds).build().map_err(|error| broken(&error))
        };
        let entries = (0..).zip(handles).map(entry).collect::<Result<Vec<_>, _>>()?;
        let answer = self.sender.change_visibility(&self.url, entries).await?;
        match answer.failed().first() {
            None => Ok(()),
            Some(first) => {
                let cause = first.message().unwrap_or("no cause given");
                Err(VisibilityError(format!("change visibility: {} were refused: {cause}", answer.failed().len())))
            }
        }
    }
}

/// Runs of messages that a batch takes each, by the bytes of their bodies.
pub fn batches<M>(messages: &[M], bytes_of: impl Fn(&M) -> usize) -> impl Iterator<Item = &[M]> {
    let mut rest = messages;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest.iter().take(BATCH_MESSAGES_MAX).take_while(|message| {
            bytes += bytes_of(message);
            bytes <= BATCH_BYTES_MAX
        });
        // One at least: a message that is too long alone must fail at SQS, not turn in circles here.
        let (batch, after) = rest.split_at_checked(fits.count().max(1))?;
        rest = after;
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Calls, stub};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Sends five messages to a queue that takes, at each call, what `takes` says of the ids.
    fn send_five(takes: fn(usize, &str) -> bool) -> (Result<(), SendError>, Calls) {
        let (aws, calls) = stub(move |call, before| {
            let ids = call.body["Entries"].as_array().unwrap().iter().map(|entry| entry["Id"].as_str().unwrap());
            let (taken, refused): (Vec<&str>, Vec<&str>) = ids.partition(|id| takes(before, id));
            let taken: Vec<Value> =
                taken.iter().map(|id| json!({"Id": id, "MessageId": id, "MD5OfMessageBody": "x"})).collect();
            let refused: Vec<Value> =
                refused.iter().map(|id| json!({"Id": id, "Code": "Throttled", "SenderFault": false})).collect();
            Answer::Ok(json!({"Successful": taken, "Failed": refused}))
        });
        let messages: Vec<Outgoing> =
            (0..5).map(|n| Outgoing { body: format!("m{n}"), group: Some("g".to_owned()), reason: None }).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        (runtime.block_on(Queue::new(&aws, "http://queue".to_owned()).send_all(&messages)), calls)
    }

    #[test]
    fn only_what_was_not_taken_is_sent_again() {
        let (outcome, calls) = send_five(|before, id| before > 0 || id != "3");
        assert!(outcome.is_ok());
        let sent: Vec<usize> = calls.all().iter().map(|call| call.body["Entries"].as_array().unwrap().len()).collect();
        assert_eq!(sent, [5, 1]);
        assert_eq!(calls.all()[1].body["Entries"][0]["MessageBody"], "m3");
    }

    #[test]
    fn what_is_never_taken_is_an_error_after_four_sends() {
        let (outcome, calls) = send_five(|_, id| id != "3");
        assert!(outcome.unwrap_err().to_string().contains("1 were not taken"));
        assert_eq!(calls.all().len(), 4);
    }

    #[test]
    fn a_messages_deduplication_id_is_its_bodys_hash() {
        let (_, calls) = send_five(|_, _| true);
        let entry = &calls.all()[0].body["Entries"][0];
        assert_eq!(entry["MessageGroupId"], "g");
        assert_eq!(entry["MessageDeduplicationId"], hex(&Sha256::digest("m0")));
    }

    proptest! {
        #[test]
        fn batches_keep_to_their_limits_and_lose_nothing(lengths in proptest::collection::vec(1usize..300_000, 0..40)) {
            let messages: Vec<Outgoing> = lengths.iter()
                .map(|length| Outgoing { body: "x".repeat(*length), group: None, reason: None }).collect();
            let batches: Vec<&[Outgoing]> = batches(&messages, |message| message.body.len()).collect();
            prop_assert_eq!(batches.concat().len(), messages.len());
            for batch in batches {
                prop_assert!((1..=10).contains(&batch.len()));
                prop_assert!(batch.iter().map(|message| message.body.len()).sum::<usize>() <= BATCH_BYTES_MAX);
            }
        }
    }
}
