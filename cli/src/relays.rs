//! The relays of both streams, in this process.

use anyhow::{Context, Result};
use clap::Args;
use landslide_aws::{clock::SystemClock, queue::Queue, store::AuditStore};
use landslide_changes::{ChangeEvent, ChangeRelay, is_of_polls};
use landslide_cli::stack::{self, explain};
use landslide_counting::relay::Relay;
use landslide_stream::StreamEvent;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Where the relays write to.
#[derive(Args)]
pub struct Targets {
    /// The stack's output `TallyQueueUrl`.
    #[arg(long, value_name = "URL", env = "TALLY_QUEUE_URL")]
    pub tally_queue_url: String,
    /// The stack's output `RelayDlqUrl`.
    #[arg(long, value_name = "URL", env = "RELAY_DLQ_URL")]
    pub relay_dlq_url: String,
    /// The stack's output `AuditTable`.
    #[arg(long, value_name = "TABLE", env = "AUDIT_TABLE")]
    audit_table: String,
}

/// Both relays.
pub struct Relays {
    votes: Relay,
    changes: ChangeRelay,
}

/// A batch of one of the two streams.
pub enum Batch {
    /// Of the Votes table's, for relay-votes.
    Votes(StreamEvent),
    /// Of the Polls table's, for relay-changes.
    Changes(ChangeEvent),
}

impl Targets {
    /// The relays that write there.
    pub fn relays(&self) -> Result<Relays> {
        let aws = stack::aws()?;
        let queue = |url: &str| Queue::new(&aws, url.to_owned());
        let audit = AuditStore::new(&aws, self.audit_table.clone());
        Ok(Relays {
            votes: Relay::new(queue(&self.tally_queue_url), queue(&self.relay_dlq_url)),
            changes: ChangeRelay::new(audit, queue(&self.relay_dlq_url), SystemClock),
        })
    }
}

impl Relays {
    /// Hands a batch to the relay of its stream.
    pub async fn relay(&self, batch: Batch) -> Result<()> {
        match batch {
            Batch::Votes(event) => {
                self.votes.relay(event).await.map_err(|error| explain(error, "a queue of the relay"))?;
            }
            Batch::Changes(event) => {
                self.changes.relay(event).await.map_err(|error| explain(error, "the Audit table or RelayDlq"))?;
            }
        }
        Ok(())
    }
}

impl Batch {
    /// Parses an event of either stream.
    pub fn read(event: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(rename = "Records", borrow)]
            records: Vec<&'a RawValue>,
        }
        let event: Event<'_> = serde_json::from_str(event).context("the event is not one of a stream")?;
        Ok(event.records.into_iter().collect())
    }

    /// How many records it has.
    pub fn records(&self) -> usize {
        match self {
            Batch::Votes(event) => event.records,
            Batch::Changes(event) => event.records,
        }
    }

    /// Why its first unreadable record can't be read, if there is one.
    pub fn unreadable(&self) -> Option<String> {
        match self {
            Batch::Votes(event) => event.unreadable.first().map(|(_, error)| error.to_string()),
            Batch::Changes(event) => event.unreadable.first().map(|(_, error)| error.to_string()),
        }
    }
}

/// Records of one stream. Their keys say of which.
impl<'a> FromIterator<&'a RawValue> for Batch {
    fn from_iter<Records: IntoIterator<Item = &'a RawValue>>(records: Records) -> Self {
        let records: Vec<&RawValue> = records.into_iter().collect();
        if records.first().is_some_and(|record| is_of_polls(record)) {
            Batch::Changes(records.into_iter().collect())
        } else {
            Batch::Votes(records.into_iter().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_batch_goes_to_the_relay_of_its_stream() {
        let batch = |key: &str| {
            let record = json!({"eventName": "REMOVE", "dynamodb": {"Keys": {key: {"S": "p"}}}});
            Batch::read(&json!({"Records": [record, record]}).to_string()).unwrap()
        };
        assert!(matches!(batch("poll_id"), Batch::Changes(event) if event.records == 2));
        assert!(matches!(batch("poll_partition"), Batch::Votes(event) if event.records == 2));
        assert_eq!(Batch::read(r#"{"Records": []}"#).unwrap().records(), 0);
    }
}
