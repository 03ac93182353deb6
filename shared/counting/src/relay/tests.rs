use landslide_aws::testing::{Answer, Call, Calls, stub};
use landslide_domain::message::Message;
use serde_json::{Value, json};

use super::*;

fn record(voter: u8, lane: u8) -> Value {
    json!({"eventID": voter.to_string(), "eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "NewImage": {
        "poll_partition": {"S": "poll#000"}, "voter": {"S": format!("{voter:032x}")}, "revision": {"N": "1"},
        "cast_at": {"N": "1790000000000"}, "lane": {"N": lane.to_string()}, "choices": {"L": [{"N": "1"}]}}}})
}

/// Relays records between queues that answer as told.
fn relay_over(
    records: Value,
    answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static,
) -> (Result<Relayed, SendError>, Calls) {
    let (aws, calls) = stub(answer);
    let of_queues = Relay::new(Queue::new(&aws, "http://tally".to_owned()), Queue::new(&aws, "http://dlq".to_owned()));
    let event = StreamEvent::read(json!({"Records": records}).to_string().as_bytes()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    (runtime.block_on(of_queues.relay(event)), calls)
}

fn taken(call: &Call) -> Answer {
    let entries = call.body["Entries"].as_array().unwrap();
    let successful: Vec<Value> =
        entries.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"})).collect();
    Answer::Ok(json!({"Successful": successful, "Failed": []}))
}

#[test]
fn a_batch_is_one_message_a_lane() {
    let (outcome, calls) = relay_over(json!([record(1, 0), record(2, 1), record(3, 0)]), |call, _| taken(call));
    assert!(outcome.is_ok());
    assert_eq!(calls.all().len(), 1);
    let entries = calls.all()[0].body["Entries"].clone();
    let groups: Vec<&str> =
        entries.as_array().unwrap().iter().map(|entry| entry["MessageGroupId"].as_str().unwrap()).collect();
    assert_eq!(groups, ["poll#0", "poll#1"]);
    let first = Message::decode(entries[0]["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!(first.changes.len(), 2);
}

#[test]
fn what_can_not_be_read_goes_whole_to_the_dead_letters_and_blocks_nothing() {
    let broken = json!({"eventName": "INSERT", "dynamodb": {"NewImage": {"voter": {"S": "me"}}}});
    let (outcome, calls) = relay_over(json!([broken, record(1, 0)]), |call, _| taken(call));
    assert!(outcome.is_ok());
    let calls = calls.all();
    assert_eq!(calls[0].body["QueueUrl"], "http://tally");
    assert_eq!(calls[1].body["QueueUrl"], "http://dlq");
    let body: Value = serde_json::from_str(calls[1].body["Entries"][0]["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!(body, broken);
}

#[test]
fn a_batch_whose_votes_are_not_taken_leaves_no_letter_however_often_it_is_tried() {
    let (aws, calls) = stub(|call, _| match call.body["QueueUrl"] == "http://tally" {
        true => Answer::Refused("AccessDenied", json!({})),
        false => taken(call),
    });
    let of_queues = Relay::new(Queue::new(&aws, "http://tally".to_owned()), Queue::new(&aws, "http://dlq".to_owned()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for _ in 0..3 {
        let event = json!({"Records": [{"odd": true}, record(1, 0)]});
        let event = StreamEvent::read(event.to_string().as_bytes()).unwrap();
        assert!(runtime.block_on(of_queues.relay(event)).is_err());
    }
    assert_eq!(calls.all().iter().filter(|call| call.body["QueueUrl"] == "http://dlq").count(), 0);
}

#[test]
fn a_record_too_long_for_a_queue_is_outlined() {
    let long = json!({"eventName": "INSERT", "dynamodb": {"Keys": {"voter": {"S": "v"}}, "SequenceNumber": "7", "NewImage": {"x": {"S": "x".repeat(1 << 20)}}}});
    let (outcome, calls) = relay_over(json!([long]), |call, _| taken(call));
    assert!(outcome.is_ok());
    let body: Value = serde_json::from_str(calls.all()[0].body["Entries"][0]["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!((&body["keys"]["voter"]["S"], &body["sequence_number"]), (&json!("v"), &json!("7")));
}

#[test]
fn a_batch_fails_whole_if_a_queue_does_not_take_everything() {
    for refusing in ["http://tally", "http://dlq"] {
        let (outcome, _) = relay_over(json!([record(1, 0), {"odd": true}]), move |call, _| {
            if call.body["QueueUrl"] == refusing { Answer::Refused("AccessDenied", json!({})) } else { taken(call) }
        });
        assert!(outcome.is_err(), "{refusing}");
    }
}

#[test]
fn the_metrics_say_what_became_of_a_batch() {
    let records = json!([record(1, 0), {"odd": true}, record(2, 1), record(3, 0), {"eventName": "REMOVE"}]);
    let (outcome, _) = relay_over(records, |call, _| taken(call));
    let now = Timestamp::from_millis(1_790_000_000_750).unwrap();
    let counts = |counts: [usize; 5]| {
        let names = ["Records", "Votes", "Messages", "DeadLetters", "Failed"];
        names.into_iter().zip(counts).map(|(name, count)| Metric::count(name, count)).collect::<Vec<_>>()
    };
    let relayed = [counts([5, 3, 2, 1, 0]), vec![Metric::millis("VoteAge", 750)]].concat();
    assert_eq!(metrics_of(5, outcome.ok(), now), relayed);
    assert_eq!(metrics_of(5, None, now), counts([5, 0, 0, 0, 5]));
}

#[test]
fn records_that_are_no_votes_send_nothing() {
    let removal = json!({"eventName": "REMOVE", "userIdentity": {"type": "Service"}, "dynamodb": {}});
    let (outcome, calls) = relay_over(json!([removal]), |call, _| taken(call));
    assert!(outcome.is_ok());
    assert!(calls.all().is_empty());
}
