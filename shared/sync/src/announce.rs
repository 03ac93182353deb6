//! Announces which polls were counted: marks the polls of a batch of the Tallies table's stream as changed.
//!
//! Running it twice on the same records is safe: a mark says no more than that the poll is to be read again.

use std::collections::BTreeSet;

use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    sdk,
    store::{DynamoDb, DynamoDbClient, MarkStore, StoreError},
};
use landslide_domain::{ids::PollId, keys};
use serde::Deserialize;

/// One stream batch: the polls whose counts changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CountEvent {
    /// How many records it has.
    pub records: usize,
    /// The polls of its records of COUNT, each once.
    pub polls: BTreeSet<PollId>,
    /// How many records of COUNT name no poll.
    pub unreadable: usize,
}

impl CountEvent {
    /// Parses an event. Fails only if it is not a stream event.
    pub fn read(event: &[u8]) -> Result<Self, serde_json::Error> {
        let Event { records } = serde_json::from_slice(event)?;
        let mut read = Self { records: records.len(), ..Self::default() };
        // The mapping lets nothing else through on AWS, and everything on a local cloud.
        let counts = records.into_iter().map(|record| record.dynamodb.keys).filter(|key| key.item.s == keys::COUNT);
        for key in counts {
            match keys::poll_of_lane(&key.poll_lane.s) {
                Some(poll) => drop(read.polls.insert(poll)),
                None => {
                    tracing::error!(key = key.poll_lane.s, "the key {:?} is no lane's", key.poll_lane.s);
                    read.unreadable += 1;
                }
            }
        }
        Ok(read)
    }
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    dynamodb: Images,
}

#[derive(Default, Deserialize)]
struct Images {
    #[serde(default, rename = "Keys")]
    keys: Key,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Key {
    poll_lane: Text,
    item: Text,
}

#[derive(Default, Deserialize)]
struct Text {
    #[serde(default, rename = "S")]
    s: String,
}

/// Marks the polls whose counts changed.
pub struct Announcer<D = DynamoDbClient, C = SystemClock> {
    marks: MarkStore<D>,
    clock: C,
}

impl Announcer {
    /// Uses the table in the environment's variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::over(MarkStore::from_env(&sdk::sdk_config()?)?, SystemClock))
    }
}

impl<D: DynamoDb, C: Clock> Announcer<D, C> {
    /// Over this table.
    pub fn over(marks: MarkStore<D>, clock: C) -> Self {
        Self { marks, clock }
    }

    /// Marks all polls of the batch. Returns how many marks were written: none for a poll that this process has marked in
    /// this minute.
    pub async fn announce(&self, event: &CountEvent) -> Result<usize, StoreError> {
        self.marks.mark(&event.polls, self.clock.now()).await
    }
}

#[cfg(test)]
mod tests {
    use landslide_aws::testing::{Answer, VirtualClock, stub};
    use landslide_domain::testing::at;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn record(poll_lane: &str, item: &str) -> Value {
        json!({"eventName": "MODIFY", "dynamodb": {"Keys": {"poll_lane": {"S": poll_lane}, "item": {"S": item}}}})
    }

    fn event(records: &[Value]) -> CountEvent {
        CountEvent::read(json!({"Records": records}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn each_poll_with_a_count_is_named_once_and_nothing_else_is() {
        let seen = "SEEN#000001790000000#00000000000000000001";
        let records = [
            record("p1#0", "COUNT"),
            record("p1#1", "COUNT"),
            record("p2#0", "COUNT"),
            record("p3#0", "HEAD"),
            record("p3#0", seen),
            record("p3#results", "RESULT"),
            record("p3#0#7", "RUN#00000000000000000012-fffffffffffffffe#00003"),
            json!({"eventName": "REMOVE"}),
        ];
        let read = event(&records);
        let polls: Vec<&str> = read.polls.iter().map(PollId::as_str).collect();
        assert_eq!((read.records, polls, read.unreadable), (8, vec!["p1", "p2"], 0));
    }

    #[test]
    fn a_key_that_is_no_lanes_blocks_nothing_and_is_counted() {
        let read = event(&[record("p 1", "COUNT"), record("p1#0", "COUNT")]);
        assert_eq!((read.polls.len(), read.unreadable), (1, 1));
    }

    #[test]
    fn a_batch_that_comes_again_writes_no_second_mark_in_its_minute() {
        let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
        let clock = VirtualClock::new(at(0));
        let announcer = Announcer::over(MarkStore::new(&aws, "jobs".to_owned()), clock.clone());
        let batch = event(&[record("p1#0", "COUNT"), record("p2#3", "COUNT")]);
        assert_eq!([(); 2].map(|()| run(announcer.announce(&batch)).unwrap()), [2, 0]);
        clock.go_on(60_000);
        assert_eq!(run(announcer.announce(&batch)).unwrap(), 2);
        assert_eq!(calls.operations(), ["PutItem"; 4]);
    }

    #[test]
    fn a_batch_fails_while_a_mark_can_not_be_written() {
        let (aws, _) = stub(|call, _| {
            let of_second = call.body["Item"]["item"]["S"].as_str().unwrap().ends_with("p2");
            if of_second { Answer::throttled() } else { Answer::Ok(json!({})) }
        });
        let announcer = Announcer::over(MarkStore::new(&aws, "jobs".to_owned()), VirtualClock::new(at(0)));
        assert!(run(announcer.announce(&event(&[record("p1#0", "COUNT"), record("p2#0", "COUNT")]))).is_err());
        assert_eq!(run(announcer.announce(&event(&[record("p1#0", "COUNT")]))).unwrap(), 0, "p1 is marked");
    }

    #[test]
    fn what_is_no_event_of_a_stream_is_an_error() {
        for text in ["", "null", "{}", "[]", r#"{"Records":{}}"#, r#"{"Records":[{}"#] {
            assert!(CountEvent::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_record_makes_the_reader_panic(lane in "\\PC{0,40}", item in "(COUNT|\\PC{0,10})") {
            drop(event(&[record(&lane, &item)]));
        }
    }
}
