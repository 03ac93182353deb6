use landslide_shared::{
    clock,
    domain::{
        change::VoteId,
        choices::Choices,
        ids::{PollId, VoterKey},
        time::{DAY_MS, Timestamp},
    },
    testing::{Answer, Call, Calls, stub},
};
use serde_json::{Value, json};

use super::*;

fn change(voter: u8, cast_at: Timestamp) -> Change {
    let id = VoteId::new(&VoterKey::from_bytes([voter; 16]), 1);
    Change { id, cast_at, from: None, to: Choices::of_ids(&[1]) }
}

fn body(lane: u8, changes: Vec<Change>) -> String {
    Message { lane: LaneKey { poll: PollId::parse("poll").unwrap(), lane }, changes }.encode()
}

fn vote(lane: u8, voter: u8) -> String {
    body(lane, vec![change(voter, clock::now())])
}

fn message(id: &str, lane: u8, body: String) -> Value {
    json!({"messageId": id, "body": body, "attributes": {"MessageGroupId": format!("poll#{lane}"), "SequenceNumber": "1"}})
}

/// Counts messages over a store and a dead-letter queue that answer as told; the ids of those that failed.
fn tally_over(messages: Value, answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static) -> (Value, Calls) {
    let (aws, calls) = stub(answer);
    let store = TallyStore::new(&aws, "tallies".to_owned());
    let app = App::new(store, Queue::new(&aws, "http://dlq".to_owned()), SEEN_CACHE_BYTES_MAX, SystemClock);
    let event = serde_json::from_value(json!({"Records": messages})).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = serde_json::to_value(runtime.block_on(tally(&app, event))).unwrap();
    let failed = report["batchItemFailures"].as_array().unwrap().iter().map(|failed| failed["itemIdentifier"].clone());
    (failed.collect(), calls)
}

fn well(call: &Call) -> Answer {
    let Some(entries) = call.body["Entries"].as_array() else { return Answer::Ok(json!({})) };
    let successful: Vec<Value> =
        entries.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"})).collect();
    Answer::Ok(json!({"Successful": successful, "Failed": []}))
}

fn dead_letters(calls: &Calls) -> Vec<(String, String)> {
    let of_queue = |call: &&Call| call.operation == "SendMessageBatch";
    let entries = calls
        .all()
        .iter()
        .filter(of_queue)
        .flat_map(|call| call.body["Entries"].as_array().unwrap().clone())
        .collect::<Vec<_>>();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    entries
        .iter()
        .map(|entry| (text(&entry["MessageBody"]), text(&entry["MessageAttributes"]["reason"]["StringValue"])))
        .collect()
}

#[test]
fn a_lanes_messages_are_counted_by_one_write_of_head() {
    let (failed, calls) =
        tally_over(json!([message("a", 0, vote(0, 1)), message("b", 0, vote(0, 2))]), |call, _| well(call));
    assert_eq!(failed, json!([]));
    assert_eq!(calls.operations(), ["GetItem", "PutItem", "PutItem"]);
    let head = &calls.all()[1].body["Item"];
    assert_eq!(
        (&head["item"]["S"], &head["ballots"]["N"], &head["o1"]["N"]),
        (&json!("HEAD"), &json!("2"), &json!("2"))
    );
    assert_eq!(calls.all()[2].body["Item"]["item"]["S"], "COUNT");
}

#[test]
fn a_lane_that_can_not_be_counted_fails_whole_and_spares_the_others() {
    let messages = json!([message("a", 0, vote(0, 1)), message("b", 1, vote(1, 2)), message("c", 0, vote(0, 3))]);
    let (failed, _) = tally_over(messages, |call, _| match call.body["Item"]["poll_lane"]["S"].as_str() {
        Some("poll#0") => Answer::Refused("AccessDeniedException", json!({})),
        _ => well(call),
    });
    assert_eq!(failed, json!(["a", "c"]));
}

#[test]
fn a_malformed_message_goes_to_the_dead_letters_and_its_lane_goes_on() {
    let other_lane = vote(1, 2);
    let messages = json!([
        message("a", 0, "garbage!".to_owned()),
        message("b", 0, other_lane.clone()),
        message("c", 0, vote(0, 1))
    ]);
    let (failed, calls) = tally_over(messages, |call, _| well(call));
    assert_eq!(failed, json!([]));
    let letters = dead_letters(&calls);
    assert_eq!(letters[0], ("garbage!".to_owned(), "malformed message: not base64".to_owned()));
    assert_eq!(letters[1], (other_lane, "malformed message: of another lane than its group".to_owned()));
    assert!(calls.operations().contains(&"PutItem".to_owned()));
}

#[test]
fn an_unknown_layout_stops_its_group_there_and_waits() {
    // Version 2 in base64.
    let later = format!("Ag{}", &vote(0, 9)[2..]);
    let messages = json!([
        message("a", 0, vote(0, 1)),
        message("b", 0, later),
        message("c", 0, vote(0, 2)),
        message("d", 1, vote(1, 3))
    ]);
    let (failed, calls) = tally_over(messages, |call, _| well(call));
    assert_eq!(failed, json!(["b", "c"]));
    assert!(dead_letters(&calls).is_empty());
}

#[test]
fn a_vote_past_the_horizon_is_not_counted_but_kept() {
    let old = Timestamp::from_millis(clock::now().as_millis() - 29 * DAY_MS - 1_000).unwrap();
    let messages = json!([message("a", 0, body(0, vec![change(1, old), change(2, clock::now())]))]);
    let (failed, calls) = tally_over(messages, |call, _| well(call));
    assert_eq!(failed, json!([]));
    assert_eq!(dead_letters(&calls), [(body(0, vec![change(1, old)]), "too_old".to_owned())]);
    let head = calls.all().into_iter().find(|call| call.operation == "PutItem").unwrap();
    assert_eq!(head.body["Item"]["ballots"]["N"], "1");
}

#[test]
fn nothing_is_forgotten_if_the_dead_letters_are_not_taken() {
    let messages = json!([message("a", 0, "garbage!".to_owned()), message("b", 0, vote(0, 1))]);
    let (failed, _) = tally_over(messages, |call, _| match call.operation.as_str() {
        "SendMessageBatch" => Answer::Refused("AccessDenied", json!({})),
        _ => well(call),
    });
    assert_eq!(failed, json!(["b", "a"]));
}

#[test]
fn a_message_that_was_put_aside_does_not_come_again_with_its_lane() {
    let messages = json!([message("a", 0, "garbage!".to_owned()), message("b", 0, vote(0, 1))]);
    let (failed, _) = tally_over(messages, |call, _| match call.operation.as_str() {
        "PutItem" => Answer::Refused("AccessDeniedException", json!({})),
        _ => well(call),
    });
    assert_eq!(failed, json!(["b"]));
}
