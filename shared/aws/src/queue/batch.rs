//! Batches of queue messages, reported one by one. Later messages of a FIFO group may succeed while an earlier one
//! returns: counting is a set union, so their order does not matter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest pause before a failed message returns, in seconds: the queue's own `VisibilityTimeout`.
const PAUSE_MAX_S: u64 = 60;

/// The pause before a failed message returns, by its receive count: 1, 2, 4 … seconds, at most 60. A short failure
/// holds the group up for a moment, and a long one is retried once a minute.
pub fn pause_before_next_receive(receives: u32) -> Duration {
    let doublings = receives.saturating_sub(1).min(PAUSE_MAX_S.ilog2() + 1);
    Duration::from_secs((1 << doublings).min(PAUSE_MAX_S))
}

/// An SQS event.
#[derive(Debug, Deserialize)]
pub struct QueueEvent {
    /// The messages. Each group's are in the order in which they were sent.
    #[serde(rename = "Records")]
    pub records: Vec<QueueMessage>,
}

/// One message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueMessage {
    message_id: String,
    receipt_handle: String,
    body: String,
    attributes: MessageAttributes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MessageAttributes {
    message_group_id: Option<String>,
    approximate_receive_count: String,
}

/// How the queue identifies a message that it delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message's id.
    pub message_id: String,
    /// The receipt handle for this delivery.
    pub handle: String,
    /// How often the message was received, including this time.
    pub receives: u32,
}

impl QueueMessage {
    /// The message's receipt and its text.
    pub fn into_parts(self) -> (Receipt, String) {
        let Self { message_id, receipt_handle: handle, body, attributes } = self;
        // A count that can't be read must not fail the message. The first pause is the shortest.
        let receives = attributes.approximate_receive_count.parse().unwrap_or(1);
        (Receipt { message_id, handle, receives }, body)
    }
}

/// One FIFO group's messages.
#[derive(Debug)]
pub struct Group {
    /// The group's id.
    pub id: String,
    /// Its messages, in order.
    pub messages: Vec<QueueMessage>,
}

impl QueueEvent {
    /// Groups the messages. Groups are in the order of their first messages.
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

/// The messages that failed. The queue deletes all others.
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
    /// A report with the ids of failed messages.
    pub fn of(failed: impl IntoIterator<Item = String>) -> Self {
        let failures = failed.into_iter().map(|item_identifier| FailedMessage { item_identifier });
        Self { batch_item_failures: failures.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `TallyMaxReceives` in the template: its default and its minimum.
    const RECEIVES: [u32; 2] = [100, 10];

    /// The time from a message's first receive until the queue gives it up, if it fails at once each time.
    fn tried_for(receives_max: u32) -> Duration {
        (1..=receives_max).map(pause_before_next_receive).sum()
    }

    #[test]
    fn a_message_waits_twice_as_long_after_each_failure_up_to_a_minute() {
        let pauses: Vec<u64> = (1..=9).map(|receives| pause_before_next_receive(receives).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!([0, u32::MAX].map(|receives| pause_before_next_receive(receives).as_secs()), [1, 60]);
    }

    #[test]
    fn a_message_is_tried_for_90_minutes_and_at_any_setting_for_five() {
        let template = include_str!("../../../../template.yaml");
        let parameter = template.split("  TallyMaxReceives:").nth(1).unwrap();
        let set = |name: &str| parameter.split(name).nth(1).unwrap().split_whitespace().next().unwrap();
        assert_eq!([set("Default:"), set("MinValue:")], RECEIVES.map(|receives| receives.to_string()));
        // SQS drops a repeated message for five minutes.
        assert_eq!(RECEIVES.map(|receives| tried_for(receives).as_secs()), [95 * 60 + 3, 5 * 60 + 3]);
    }
}
