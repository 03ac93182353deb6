//! Batches of queue messages, reported message by message. Within a FIFO group the first failure stops the rest,
//! as a later message must not overtake; other groups are spared.

use serde::{Deserialize, Serialize};

/// An event of a queue.
#[derive(Debug, Deserialize)]
pub struct QueueEvent {
    /// Its messages, in each group in the order in which they were sent.
    #[serde(rename = "Records")]
    pub records: Vec<QueueMessage>,
}

/// One message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueMessage {
    /// The queue's id of it.
    pub message_id: String,
    /// Its text.
    pub body: String,
    attributes: MessageAttributes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MessageAttributes {
    message_group_id: Option<String>,
}

/// The messages of one FIFO group.
#[derive(Debug)]
pub struct Group {
    /// The group's id.
    pub id: String,
    /// Its messages, in order.
    pub messages: Vec<QueueMessage>,
}

impl QueueEvent {
    /// The event's messages by group, groups in the order of their first messages.
    pub fn into_groups(self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for message in self.records {
            let id = message.attributes.message_group_id.clone().unwrap_or_default();
            match groups.iter_mut().find(|group| group.id == id) {
                Some(group) => group.messages.push(message),
                None => groups.push(Group { id, messages: vec![message] }),
            }
        }
        groups
    }
}

/// Which messages of a batch failed; the queue forgets all others.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchReport {
    batch_item_failures: Vec<FailedMessage>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedMessage {
    item_identifier: String,
}

impl BatchReport {
    /// A report of the ids of the messages that failed.
    pub fn of(failed: impl IntoIterator<Item = String>) -> Self {
        let failures = failed.into_iter().map(|item_identifier| FailedMessage { item_identifier });
        Self { batch_item_failures: failures.collect() }
    }
}
