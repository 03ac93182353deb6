//! Sends to SQS: every message is taken, or the call fails.

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

/// The most messages in a batch (SQS).
const BATCH_MESSAGES_MAX: usize = 10;
/// The most bytes in a message, and in a whole batch: 1 MiB (SQS), less some for attributes.
const BATCH_BYTES_MAX: usize = 1024 * 1024 - 16 * 1024;
/// How many batches are in flight at once. A stream batch may hold votes for thousands of polls.
pub const BATCHES_AT_ONCE: usize = 16;
/// The most characters in a reason.
const REASON_CHARS_MAX: usize = 256;
/// How often entries that SQS did not take are sent.
const SENDS_MAX: u32 = 4;
/// The pause before the n-th further try is drawn at random below this times 2ⁿ.
pub const PAUSE_MS: u64 = 40;

/// A message on its way to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The message's text.
    pub body: String,
    /// The FIFO group. `None` for a standard queue.
    pub group: Option<String>,
    /// Why it is sent, as the message attribute `reason`. Only for dead letters.
    pub reason: Option<String>,
}

impl Outgoing {
    /// A tally message. Its lane is its group.
    pub fn tally(message: &Message) -> Self {
        Self { body: message.encode(), group: Some(message.lane.to_string()), reason: None }
    }

    /// A message that can't be processed, forwarded whole. A long reason is cut.
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

/// Not every message was taken. It is unknown which ones were.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SendError(pub String);

/// Sends batches: to SQS, or to the simulation's model.
pub trait SendBatch {
    /// Sends entries once. The response says which were taken. After an error that is unknown.
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

/// The visibility of some messages was not changed. It is unknown of which; the queue's own timeout applies to those.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct VisibilityError(pub String);

/// Changes when messages return: in SQS, or in the simulation's model.
pub trait ChangeVisibility {
    /// Changes message visibility once. The response says which were changed. After an error that is unknown.
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

/// A queue that messages are sent to, or returned to.
pub struct Queue<S = Sqs, C = SystemClock> {
    sender: S,
    url: String,
    clock: C,
}

impl Queue {
    /// The queue whose URL is in this variable.
    pub fn from_env(aws: &SdkConfig, variable: &'static str) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text(variable)?))
    }

    /// A queue by its URL.
    pub fn new(aws: &SdkConfig, url: String) -> Self {
        Self::over(Sqs::new(aws), url, SystemClock)
    }
}

impl<S: SendBatch, C: Clock> Queue<S, C> {
    /// A queue by its URL, with its own sender.
    pub fn over(sender: S, url: String, clock: C) -> Self {
        Self { sender, url, clock }
    }

    /// Sends all messages, in batches as large as SQS takes and in any order. Entries that SQS refuses are sent again a
    /// bounded number of times.
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
            // Goes by what was taken, so that an entry missing in the response is sent again.
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
    /// Lets messages of one delivery return after `pause`. They are named by receipt handle: at most ten, the most that
    /// a FIFO queue delivers at once.
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

/// Splits messages into runs that each fit a batch, by body size.
pub fn batches<M>(messages: &[M], bytes_of: impl Fn(&M) -> usize) -> impl Iterator<Item = &[M]> {
    let mut rest = messages;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest.iter().take(BATCH_MESSAGES_MAX).take_while(|message| {
            bytes += bytes_of(message);
            bytes <= BATCH_BYTES_MAX
        });
        // At least one: a message that is too long must fail at SQS, rather than loop here.
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

    /// Sends five messages to a queue that takes, at each call, the ids that `takes` accepts.
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
