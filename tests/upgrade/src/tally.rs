//! The last release's tally over new messages and new HEADs.

use landslide_domain::runs::{RUN_LIMITS, RunLimits};
use last_aws::{
    queue::{Queue, Sqs, batch::QueueEvent},
    store::{PollStore, TallyStore},
    testing::{Answer, VirtualClock, stub},
};
use last_counting::{
    heat_watch::HeatWatch,
    tallies::TallyLimits,
    tally::{Queues, Tally},
};
use last_domain::{heat::HEAT_LIMITS, testing::at};
use serde_json::{Value, json};

use crate::{
    ballots::{Ballot, new, plain},
    cloud::{IN_HEAD, Lane, cast, relayed, run},
};

/// How each lane's entries may lie: in HEAD, in a run, and dropped.
const ENTRIES: [RunLimits; 3] = [
    IN_HEAD,
    RunLimits { near_bytes_max: 0, ..RUN_LIMITS },
    RunLimits { near_bytes_max: 0, runs_max: 0, ..RUN_LIMITS },
];

/// Counts messages by the last release. Returns how many wait, and which operations it called.
pub fn count_by_last_release(lane: &Lane, bodies: &[String]) -> (usize, Vec<String>) {
    let lane = lane.clone();
    let (aws, calls) = stub(move |call, _| Answer::Ok(lane.answer(&call.operation, &call.body)));
    let clock = VirtualClock::new(at(20));
    let queue = |name: &str| Queue::over(Sqs::new(&aws), format!("http://{name}"), clock.clone());
    let store = TallyStore::new(&aws, "tallies".to_owned());
    let heat_watch = HeatWatch::new(PollStore::new(&aws, "polls".to_owned()), HEAT_LIMITS);
    let queues = Queues { tally_queue: queue("tally"), tally_dlq: queue("dlq") };
    let tally = Tally::new(store, heat_watch, queues, TallyLimits::remembering(1 << 20), clock.clone());
    let tallied = run(tally.count(batch(bodies)));
    let waiting = serde_json::to_value(tallied.report()).unwrap()["batchItemFailures"].as_array().unwrap().len();
    (waiting, calls.operations())
}

fn batch(bodies: &[String]) -> QueueEvent {
    let message = |(number, body): (usize, &String)| {
        let attributes = json!({"MessageGroupId": "p1#0", "ApproximateReceiveCount": "1", "SequenceNumber": "1"});
        json!({"messageId": number.to_string(), "receiptHandle": "h", "body": body, "attributes": attributes})
    };
    let records: Vec<Value> = bodies.iter().enumerate().map(message).collect();
    serde_json::from_value(json!({"Records": records})).unwrap()
}

/// The message of a voter's vote.
fn message(voter: usize, ballot: &Ballot) -> Vec<String> {
    let (records, _) = cast(voter, &vec![Some(ballot.clone())]);
    relayed(records.iter().map(|record| record.text.as_str()))
}

#[test]
fn a_new_message_waits_and_nothing_is_written() {
    for ballot in new() {
        let (waiting, operations) = count_by_last_release(&Lane::default(), &message(1, &ballot));
        assert_eq!((waiting, operations), (1, vec!["ChangeMessageVisibilityBatch".to_owned()]), "{ballot:?}");
    }
}

#[test]
fn over_a_head_with_entries_each_message_waits_and_nothing_is_overwritten() {
    let plain = plain().swap_remove(0);
    for (ballot, entries) in new().iter().flat_map(|ballot| ENTRIES.map(|entries| (ballot, entries))) {
        let lane = Lane::default();
        lane.count(&message(1, ballot), entries);
        let before = lane.sums();
        let (waiting, operations) = count_by_last_release(&lane, &message(2, &plain));
        assert_eq!(waiting, 1, "{ballot:?} {before}");
        assert_eq!(operations, ["GetItem", "ChangeMessageVisibilityBatch"], "{ballot:?}");
        assert_eq!(lane.sums(), before);
    }
}

#[test]
fn over_a_head_of_plain_votes_a_message_is_counted() {
    let lane = Lane::default();
    for (voter, ballot) in plain().iter().enumerate() {
        lane.count(&message(voter, ballot), IN_HEAD);
    }
    let (waiting, _) = count_by_last_release(&lane, &message(9, &plain().swap_remove(0)));
    let all = plain().len() + 1;
    assert_eq!((waiting, &lane.sums()["ballots"]["N"]), (0, &json!(all.to_string())));
}
