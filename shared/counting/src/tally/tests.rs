use landslide_aws::{
    clock,
    testing::{Answer, Call, Calls, stub},
};
use landslide_domain::{
    ballot::{self, Ballot, Content},
    change::VoteId,
    ids::{PollId, VoterKey},
    time::{DAY_MS, Timestamp},
};
use serde_json::{Value, json};

use super::*;

fn change(voter: u8, cast_at: Timestamp) -> Change {
    let id = VoteId::new(&VoterKey::from_bytes([voter; 16]), 1);
    Change { id, cast_at, from: None, to: Ballot::of_options(&[1]) }
}

fn body(lane: u8, changes: Vec<Change>) -> String {
    Message { lane: LaneKey { poll: PollId::parse("poll").unwrap(), lane }, changes }.encode()
}

fn vote(lane: u8, voter: u8) -> String {
    body(lane, vec![change(voter, clock::now())])
}

fn message(id: &str, lane: u8, body: String) -> Value {
    message_received(1, id, lane, body)
}

fn message_received(receives: u32, id: &str, lane: u8, body: String) -> Value {
    let attributes = json!({
        "MessageGroupId": format!("poll#{lane}"), "ApproximateReceiveCount": receives.to_string(), "SequenceNumber": "1",
    });
    json!({"messageId": id, "receiptHandle": format!("handle of {id}"), "body": body, "attributes": attributes})
}

/// A counter whose store and dead-letter queue answer as told.
fn app_over(answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static) -> (Tally, Calls) {
    app_with(TallyLimits::remembering(SEEN_CACHE_BYTES_MAX), answer)
}

fn app_with(limits: TallyLimits, answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static) -> (Tally, Calls) {
    let (aws, calls) = stub(answer);
    let store = TallyStore::new(&aws, "tallies".to_owned());
    let heat_watch = HeatWatch::new(PollStore::new(&aws, "polls".to_owned()), HEAT_LIMITS);
    let queue = |name: &str| Queue::new(&aws, format!("http://{name}"));
    let queues = Queues { tally_queue: queue("tally"), tally_dlq: queue("dlq") };
    (Tally::new(store, heat_watch, queues, limits, SystemClock), calls)
}

/// Counts these messages.
fn run(counter: &Tally, messages: Value) -> Tallied {
    let event = serde_json::from_value(json!({"Records": messages})).unwrap();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(counter.count(event))
}

/// The ids of the messages that return to the queue.
fn failed(tallied: &Tallied) -> Vec<Value> {
    let report = serde_json::to_value(tallied.report()).unwrap();
    report["batchItemFailures"].as_array().unwrap().iter().map(|failed| failed["itemIdentifier"].clone()).collect()
}

/// Counts messages with a store and a dead-letter queue that answer as told. Returns the ids of failed ones.
fn tally_over(messages: Value, answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static) -> (Value, Calls) {
    let (app, calls) = app_over(answer);
    (failed(&run(&app, messages)).into(), calls)
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

/// A body with `number` votes cast at one time, by voters that no other body has.
fn votes(number: u32, cast_at: Timestamp) -> String {
    votes_of(number, cast_at, |_| Ballot::of_options(&[1]).unwrap())
}

fn votes_of(number: u32, cast_at: Timestamp, ballot: impl Fn(u32) -> Ballot) -> String {
    let voter = |n: u32| VoterKey::from_bytes((u128::from(cast_at.as_millis()) << 32 | u128::from(n)).to_be_bytes());
    let change = |n| Change { id: VoteId::new(&voter(n), 1), cast_at, from: None, to: Some(ballot(n)) };
    body(0, (0..number).map(change).collect())
}

/// One process counts one batch per list of bodies. Returns the updates of RULES, and the ids of failed messages.
fn count_batches(
    batches: Vec<Vec<String>>,
    answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static,
) -> (Vec<Value>, Vec<Value>) {
    let heads = std::sync::Mutex::new(json!({}));
    let (app, calls) = app_over(move |call, before| {
        let item = &call.body["Item"];
        match call.operation.as_str() {
            "GetItem" => Answer::Ok(heads.lock().unwrap().clone()),
            "PutItem" if item["item"]["S"] == "HEAD" => {
                *heads.lock().unwrap() = json!({"Item": item});
                Answer::Ok(json!({}))
            }
            "UpdateItem" => answer(call, before),
            _ => well(call),
        }
    });
    let mut again = Vec::new();
    for batch in batches {
        let messages = batch.into_iter().enumerate().map(|(n, body)| message(&n.to_string(), 0, body));
        again.extend(failed(&run(&app, messages.collect())));
    }
    let updates = calls.all().into_iter().filter(|call| call.operation == "UpdateItem").map(|call| call.body);
    (updates.collect(), again)
}

/// Batches of one of these bodies each, for two seconds four of them a second.
fn quarters(body: impl Fn(Timestamp) -> String, start: Timestamp) -> Vec<Vec<String>> {
    (0..=8).map(|n| vec![body(start.plus_millis(n * 250))]).collect()
}

/// The updates of RULES after these.
fn updates_of(body: impl Fn(Timestamp) -> String, start: Timestamp) -> Vec<Value> {
    let (updates, failed) = count_batches(quarters(body, start), |_, _| Answer::Ok(json!({})));
    assert_eq!(failed.len(), 0);
    updates
}

#[test]
fn a_lane_that_gets_too_many_votes_gives_its_poll_more_lanes() {
    let start = clock::now();
    let updates = updates_of(|cast_at| votes(2_900, cast_at), start);
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0]["Key"], json!({"poll_id": {"S": "poll"}, "item": {"S": "RULES"}}));
    let propagated = start.as_millis() - 6_000;
    assert_eq!(updates[0]["ExpressionAttributeValues"][":propagated"]["N"], propagated.to_string());
    assert_eq!(updates[0]["ExpressionAttributeValues"][":most"]["N"], "32");
    assert_eq!(updates_of(|cast_at| votes(2_500, cast_at), start), [] as [Value; 0]);
}

#[test]
fn a_lane_gets_too_many_texts_long_before_it_would_get_too_many_plain_votes() {
    let start = clock::now();
    let text = |n: u32| Ballot::of(Content::Text(ballot::Answer::stored(&format!("{n:x<140}")).unwrap()));
    assert_eq!(updates_of(|cast_at| votes_of(320, cast_at, text), start).len(), 1);
    assert_eq!(updates_of(|cast_at| votes_of(240, cast_at, text), start).len(), 0);
}

#[test]
fn a_lane_that_gets_too_many_messages_gives_its_poll_more_lanes() {
    let start = clock::now();
    let full = |batch: u64| (0..10).map(|n| votes(1, start.plus_millis(batch * 10 + n))).collect::<Vec<_>>();
    let (updates, _) = count_batches((0..8).map(full).collect(), |_, _| Answer::Ok(json!({})));
    assert_eq!(updates.len(), 1);
    let nearly = |batch| full(batch)[1..].to_vec();
    assert_eq!(count_batches((0..8).map(nearly).collect(), |_, _| Answer::Ok(json!({}))).0.len(), 0);
}

#[test]
fn a_hint_that_fails_is_no_reason_to_count_anything_again() {
    let start = clock::now();
    let batches = || quarters(|cast_at| votes(2_900, cast_at), start);
    for answer in [Answer::condition_failed(json!({})), Answer::Refused("AccessDeniedException", json!({}))] {
        let (updates, failed) = count_batches(batches(), move |_, _| answer.clone());
        assert_eq!((updates.len(), failed.len()), (1, 0));
    }
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
    // Layout version 3 in base64.
    let later = format!("Aw{}", &vote(0, 9)[2..]);
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
fn the_metrics_say_what_became_of_a_batch() {
    let (app, _) = app_over(|call, _| match call.body["Item"]["poll_lane"]["S"].as_str() {
        Some("poll#2") => Answer::Refused("AccessDeniedException", json!({})),
        _ => well(call),
    });
    let now = clock::now();
    let cast = |lane, voter, ms_ago: u64| {
        let cast_at = Timestamp::from_millis(now.as_millis() - ms_ago).unwrap();
        body(lane, vec![change(voter, cast_at), change(voter + 1, now)])
    };
    let messages = json!([
        message("a", 0, cast(0, 1, 1_000)),
        message("b", 0, cast(0, 2, 500)),
        message("c", 0, "garbage!".to_owned()),
        message("d", 1, cast(1, 1, 2_000)),
        message("e", 2, cast(2, 1, 9_000)),
    ]);
    let tallied = run(&app, messages);
    let counts = [("Messages", 5), ("Lanes", 3), ("Votes", 5), ("Repeats", 1), ("DeadLetters", 1), ("Failed", 1)];
    let counts = counts.into_iter().map(|(name, count)| Metric::count(name, count));
    let all: Vec<Metric> = counts.chain([Metric::millis("VoteAge", 2_000)]).collect();
    assert_eq!(tallied.metrics(now), all);
    let nothing = run(&app, json!([message("c", 0, "garbage!".to_owned())])).metrics(now);
    assert_eq!(nothing.last(), Some(&Metric::count("Failed", 0)));
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
    assert_eq!(failed, json!(["a", "b"]));
}

/// The handles and seconds in calls that tell the queue when messages return.
fn come_again(calls: &Calls) -> Vec<Vec<(String, i64)>> {
    let of_queue = |call: &Call| call.operation == "ChangeMessageVisibilityBatch";
    let entry = |entry: &Value| {
        (entry["ReceiptHandle"].as_str().unwrap().to_owned(), entry["VisibilityTimeout"].as_i64().unwrap())
    };
    let entries = |call: Call| {
        assert_eq!(call.body["QueueUrl"], "http://tally");
        call.body["Entries"].as_array().unwrap().iter().map(entry).collect()
    };
    calls.all().into_iter().filter(of_queue).map(entries).collect()
}

#[test]
fn what_failed_comes_again_by_how_often_the_first_of_its_group_was_received() {
    let messages = json!([
        message_received(4, "a", 0, vote(0, 1)),
        message_received(2, "b", 1, vote(1, 2)),
        message_received(3, "c", 0, vote(0, 3)),
        message_received(9, "d", 2, vote(2, 4)),
    ]);
    let (failed, calls) = tally_over(messages, |call, _| match call.body["Item"]["poll_lane"]["S"].as_str() {
        Some("poll#1") | None => well(call),
        Some(_) => Answer::Refused("AccessDeniedException", json!({})),
    });
    assert_eq!(failed, json!(["a", "c", "d"]));
    let handle = |id: &str, seconds| (format!("handle of {id}"), seconds);
    assert_eq!(come_again(&calls), [vec![handle("a", 8), handle("c", 8)], vec![handle("d", 60)]]);
}

#[test]
fn messages_are_reported_also_if_it_can_not_be_said_when_they_come_again() {
    for answer in [
        Answer::Refused("AccessDenied", json!({})),
        Answer::Ok(json!({"Successful": [], "Failed": [
        {"Id": "0", "Code": "InternalError", "SenderFault": false}]})),
    ] {
        let (failed, calls) = tally_over(json!([message("a", 0, vote(0, 1))]), move |call, _| match &*call.operation {
            "PutItem" => Answer::Refused("AccessDeniedException", json!({})),
            "ChangeMessageVisibilityBatch" => answer.clone(),
            _ => well(call),
        });
        assert_eq!((failed, come_again(&calls).len()), (json!(["a"]), 1));
    }
}

/// Messages of a lane whose minutes are counted in pairs. The minute from `minutes_ago` can't be written. Returns what
/// fails.
fn fail_at(minutes_ago: u64) -> (Value, Calls) {
    let at = |minutes_ago: u64| Timestamp::from_millis(clock::now().as_millis() - minutes_ago * 60_000).unwrap();
    let cast = |voter, all: &[u64]| {
        body(0, (voter..).zip(all).map(|(voter, minutes_ago)| change(voter, at(*minutes_ago))).collect())
    };
    let messages = json!([
        message_received(1, "newest", 0, cast(1, &[0])),
        message_received(5, "over all", 0, cast(2, &[0, 1, 2, 3])),
        message_received(3, "oldest", 0, cast(6, &[3])),
        message_received(6, "garbage", 0, "garbage!".to_owned()),
    ]);
    let fails = at(minutes_ago).minute().as_millis().to_string();
    let (app, calls) =
        app_with(TallyLimits { portion_ids_max: 0, ..TallyLimits::remembering(0) }, move |call, _| {
            match (call.operation.as_str(), call.body["Item"]["item"]["S"].as_str()) {
                ("GetItem", _) => Answer::Ok(json!({"Item": {"version": {"N": "5"}}})),
                ("PutItem", Some("HEAD")) if call.body["Item"]["recent"]["M"].get(&fails).is_some() => {
                    Answer::Refused("AccessDeniedException", json!({}))
                }
                _ => well(call),
            }
        });
    (failed(&run(&app, messages)).into(), calls)
}

#[test]
fn when_a_lane_fails_half_way_only_messages_with_uncounted_changes_return() {
    assert_eq!(fail_at(9).0, json!([]));
    for minutes_ago in [3, 2] {
        assert_eq!(fail_at(minutes_ago).0, json!(["newest", "over all", "oldest"]), "{minutes_ago}");
    }
    for minutes_ago in [0, 1] {
        let (failed, calls) = fail_at(minutes_ago);
        assert_eq!(failed, json!(["newest", "over all"]), "{minutes_ago}");
        let handles = ["newest", "over all"].map(|id| (format!("handle of {id}"), 1));
        assert_eq!(come_again(&calls), [handles.to_vec()]);
    }
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
