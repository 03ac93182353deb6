//! SQS: messages, and dead letters that other tests look at too.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::client::Aws;
use crate::support::time::eventually;

/// The most messages that a queue gives at once (SQS).
const RECEIVE_MAX: u32 = 10;
/// For how long a dead letter that a test looked at is hidden from other tests, in seconds.
const LOOK_SECONDS: u32 = 1;
/// The pause between two looks, in which letters that were looked at become visible again.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// How many times a dead-letter queue is looked through for what must not be there.
const LOOKS_MAX: u32 = 30;
/// How long it takes until a letter that another look hid is visible again, with a margin.
const HIDDEN_MAX: Duration = Duration::from_millis(LOOK_SECONDS as u64 * 1_000 + 500);
/// For how long a letter is looked for that should not be there, at most.
const LOOKING_MAX: Duration = Duration::from_secs(6);

/// A message of a dead-letter queue.
#[derive(Debug)]
pub struct Letter {
    /// Its text.
    pub body: String,
    /// Why it lies there.
    pub reason: String,
    /// Its FIFO group; empty in a standard queue.
    pub group: String,
    id: String,
    handle: String,
}

impl Aws {
    /// Sends a text to a FIFO queue, under a deduplication id of its own.
    pub async fn send(&self, queue: &str, group: &str, body: &str) {
        let id = format!("{:032x}", fastrand::u128(..));
        let message =
            json!({"QueueUrl": queue, "MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": id});
        self.sqs("SendMessage", &message).await;
    }

    /// Sends a text to a queue without groups.
    pub async fn send_alone(&self, queue: &str, body: &str) {
        self.sqs("SendMessage", &json!({"QueueUrl": queue, "MessageBody": body})).await;
    }

    /// Takes the dead letter that fits out of its queue, once it is there.
    pub async fn take_letter(&self, queue: &str, fits: impl Fn(&Letter) -> bool) -> Letter {
        let letter = eventually("dead letter", async || {
            let letters = self.look_at(queue).await;
            let seen = format!("{letters:?}");
            letters.into_iter().find(|letter| fits(letter)).ok_or(seen)
        })
        .await;
        self.sqs("DeleteMessage", &json!({"QueueUrl": queue, "ReceiptHandle": letter.handle})).await;
        letter
    }

    /// Fails if a dead-letter queue holds a letter that fits. An empty look proves nothing: another test's look hides letters
    /// for a second, and SQS may miss some. So it goes on for longer than that, and until it has seen as many as there are.
    pub async fn assert_no_letter(&self, queue: &str, fits: impl Fn(&Letter) -> bool) {
        let started = Instant::now();
        let mut seen = HashSet::new();
        while started.elapsed() < LOOKING_MAX {
            let letters = self.look_at(queue).await;
            if let Some(letter) = letters.iter().find(|letter| fits(letter)) {
                panic!("dead letter: {letter:?}");
            }
            seen.extend(letters.into_iter().map(|letter| letter.id));
            match self.messages_in(queue).await {
                0 => return,
                there if started.elapsed() > HIDDEN_MAX && seen.len() as u64 >= there => return,
                _ => tokio::time::sleep(LOOK_PAUSE).await,
            }
        }
    }

    /// Takes all dead letters that fit out of their queue.
    pub async fn take_letters(&self, queue: &str, fits: impl Fn(&Letter) -> bool) -> Vec<Letter> {
        let mut taken = Vec::new();
        let mut looks = 0;
        while looks < LOOKS_MAX && self.messages_in(queue).await > 0 {
            looks += 1;
            for letter in self.look_at(queue).await {
                if fits(&letter) {
                    self.sqs("DeleteMessage", &json!({"QueueUrl": queue, "ReceiptHandle": letter.handle})).await;
                    taken.push(letter);
                    looks = 0;
                }
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        taken
    }

    async fn look_at(&self, queue: &str) -> Vec<Letter> {
        let receive = json!({
            "QueueUrl": queue, "MaxNumberOfMessages": RECEIVE_MAX, "VisibilityTimeout": LOOK_SECONDS,
            "MessageAttributeNames": ["All"], "AttributeNames": ["MessageGroupId"],
        });
        let answer = self.sqs("ReceiveMessage", &receive).await;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let letter = |message: &Value| Letter {
            body: text(&message["Body"]),
            reason: text(&message["MessageAttributes"]["reason"]["StringValue"]),
            group: text(&message["Attributes"]["MessageGroupId"]),
            id: text(&message["MessageId"]),
            handle: text(&message["ReceiptHandle"]),
        };
        messages.iter().map(letter).collect()
    }

    /// A queue's ARN.
    pub async fn queue_arn(&self, queue: &str) -> String {
        self.queue_attribute(queue, "QueueArn").await
    }

    /// One of a queue's attributes.
    pub async fn queue_attribute(&self, queue: &str, name: &str) -> String {
        let read = json!({"QueueUrl": queue, "AttributeNames": [name]});
        self.sqs("GetQueueAttributes", &read).await["Attributes"][name].as_str().unwrap().to_owned()
    }

    /// How many messages a queue holds, hidden ones too.
    pub async fn messages_in(&self, queue: &str) -> u64 {
        let counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let read = json!({"QueueUrl": queue, "AttributeNames": counts});
        let answer = self.sqs("GetQueueAttributes", &read).await;
        counts.iter().map(|name| answer["Attributes"][name].as_str().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Sets attributes of a queue.
    pub async fn set_queue_attributes(&self, queue: &str, attributes: &Value) {
        self.sqs("SetQueueAttributes", &json!({"QueueUrl": queue, "Attributes": attributes})).await;
    }

    async fn sqs(&self, operation: &str, body: &Value) -> Value {
        self.json("sqs", &format!("AmazonSQS.{operation}"), body).await
    }
}
