//! The pipeline by hand: stream records given to relay-votes.

use landslide_domain::{ids::VoterKey, lane::Partitions};
use serde_json::{Value, json};

use super::{
    app::App,
    aws::StoredVote,
    time::{eventually, now_ms},
};

/// The most records of a replayed batch.
const REPLAY_BATCH_MAX: usize = 9;

/// The stream record of a vote item, as Lambda hands it over.
fn record(item: &Value) -> Value {
    json!({
        "eventID": format!("{:x}", fastrand::u64(..)), "eventName": "INSERT", "eventSource": "aws:dynamodb",
        "dynamodb": {
            "Keys": {"poll_partition": item["poll_partition"], "voter": item["voter"]},
            "NewImage": item, "SequenceNumber": "1", "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    })
}

/// The event of first votes, as the stream hands it to the relay.
pub fn stream_event(votes: &[StoredVote]) -> Value {
    json!({"Records": votes.iter().map(|vote| record(&vote.item)).collect::<Vec<_>>()})
}

/// The stream record of a made-up first vote in lane 0, which never went through the stream.
pub fn new_record(poll: &str, option: u64) -> Value {
    let voter = VoterKey::from_bytes(fastrand::u128(..).to_be_bytes());
    record(&json!({
        "poll_partition": {"S": format!("{poll}#{}", Partitions::Few.of(&voter))}, "voter": {"S": voter.to_string()},
        "revision": {"N": "1"}, "cast_at": {"N": now_ms().to_string()}, "lane": {"N": "0"},
        "choices": {"L": [{"N": option.to_string()}]},
    }))
}

/// Gives the relay records, which it must take.
pub async fn relay(app: &App, records: &[Value]) {
    let outcome = app.aws.invoke(&app.stack.function("relay-votes"), &json!({"Records": records})).await;
    outcome.unwrap_or_else(|error| panic!("relay-votes: {error:?}"));
}

/// Gives the relay all votes of a poll again, as often as said: shuffled, in batches of other sizes, some of them
/// twice in a batch.
pub async fn replay(app: &App, poll: &str, times: usize) {
    let votes = app.aws.votes_of(poll).await;
    for _ in 0..times {
        let mut records: Vec<Value> = votes.iter().map(|vote| record(&vote.item)).collect();
        records.extend(votes.iter().filter(|_| fastrand::bool()).map(|vote| record(&vote.item)));
        fastrand::shuffle(&mut records);
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(fastrand::usize(1..=REPLAY_BATCH_MAX)));
            relay(app, &records).await;
            records = rest;
        }
    }
}

/// Waits until no message waits in the tally queue or is on its way.
pub async fn tally_queue_is_empty(app: &App) {
    eventually("empty tally queue", async || match app.aws.messages_in(app.stack.output("TallyQueueUrl")).await {
        0 => Ok(()),
        some => Err(format!("{some} messages")),
    })
    .await;
}
