//! What no emulator shows: throttling, conflicts, unknown outcomes.

use base64::{Engine, prelude::BASE64_STANDARD};
use landslide_domain::{
    ballot::{Answer as Written, Ballot},
    change::VoteId,
    ids::{PollId, VoterKey},
    lane::{LaneKey, Partitions},
    poll::hidden::{HiddenAnswers, hide},
    poll::{Poll, Rules},
    runs::{Run, RunName},
    tally::{Head, Minute},
    tenant::TenantKey,
    testing::poll_asked_for,
    time::Timestamp,
    vote::Vote,
};
use serde_json::{Value, json};

use super::*;
use crate::testing::{Answer, Call, VirtualClock, items_written, stub};

fn poll_id() -> PollId {
    PollId::parse("p1").unwrap()
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + millis).unwrap()
}

fn poll(closes_at: Option<Timestamp>) -> Poll {
    poll_asked_for(json!({"question": "Q", "options": ["a", "b"], "closes_at": closes_at}), at(0)).unwrap()
}

fn vote(nonce: u32) -> Vote {
    Vote { ballot: Ballot::of_options(&[1]), revision: 1, cast_at: at(5), lane: 0, nonce }
}

fn stored(call: &Call) -> Value {
    call.body["Item"].clone()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    // The SDK's pauses between attempts must not take real time.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_throttled_vote_is_tried_four_times_and_then_unavailable() {
    let (aws, calls) = stub(|_, _| Answer::throttled());
    let store = VoteStore::new(&aws, "votes".to_owned());
    let outcome = run(store.put(&poll(None).rules, &VoterKey::from_bytes([1; 16]), &vote(1)));
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert_eq!(calls.operations(), ["PutItem"; 4]);
}

#[test]
fn a_missing_permission_is_not_tried_again_and_is_no_passing_trouble() {
    let (aws, calls) = stub(|_, _| Answer::Refused("AccessDeniedException", json!({})));
    let store = VoteStore::new(&aws, "votes".to_owned());
    let outcome = run(store.put(&poll(None).rules, &VoterKey::from_bytes([1; 16]), &vote(1)));
    assert!(matches!(outcome, Err(StoreError::Broken(_))), "{outcome:?}");
    assert_eq!(calls.operations(), ["PutItem"]);
}

#[test]
fn a_vote_whose_first_answer_was_lost_knows_its_own_write() {
    let first = std::sync::Mutex::new(None);
    let (aws, calls) = stub(move |call, before| match before {
        0 => {
            *first.lock().unwrap() = Some(stored(call));
            Answer::Lost
        }
        _ => Answer::condition_failed(first.lock().unwrap().clone().unwrap()),
    });
    let store = VoteStore::new(&aws, "votes".to_owned());
    let outcome = run(store.put(&poll(None).rules, &VoterKey::from_bytes([1; 16]), &vote(9))).unwrap();
    assert_eq!(calls.operations(), ["PutItem"; 2]);
    let PutVote::Exists(stored) = outcome else { panic!("it was stored by the first attempt") };
    assert_eq!(stored, vote(9), "to the nonce, by which the request knows its own write");
}

#[test]
fn a_polls_creation_tells_a_poll_that_exists_from_passing_trouble() {
    let cancelled_by = |codes: [&str; 3]| {
        let reasons = codes.map(|code| json!({"Code": code}));
        Answer::Refused("TransactionCanceledException", json!({"CancellationReasons": reasons}))
    };
    let cancelled = |first: &str| cancelled_by([first, "None", "None"]);
    let create = |answer: Answer| {
        let (aws, _) = stub(move |_, _| answer.clone());
        run(PollStore::new(&aws, "polls".to_owned()).create(&poll(None), &[]))
    };
    assert!(matches!(create(Answer::Ok(json!({}))), Ok(Created::New)));
    assert!(matches!(create(cancelled("ConditionalCheckFailed")), Ok(Created::Exists)));
    assert!(matches!(create(cancelled("TransactionConflict")), Ok(Created::Busy)), "another one is under way");
    assert!(matches!(create(cancelled_by(["None", "None", "ConditionalCheckFailed"])), Ok(Created::Refused)));
    assert!(matches!(create(cancelled_by(["None", "None", "TransactionConflict"])), Ok(Created::Busy)));
    let both = ["ConditionalCheckFailed", "ConditionalCheckFailed", "ConditionalCheckFailed"];
    assert!(matches!(create(cancelled_by(both)), Ok(Created::Exists)), "a repeat is never refused");
    let held = ["TransactionConflict", "None", "ConditionalCheckFailed"];
    assert!(matches!(create(cancelled_by(held)), Ok(Created::Busy)), "it may be a repeat");
    assert!(matches!(create(cancelled("ThrottlingError")), Err(StoreError::Unavailable(_))));
    assert!(matches!(create(cancelled("ValidationError")), Err(StoreError::Broken(_))));
}

/// A poll's two items as a store writes them.
fn items_of(poll: &Poll) -> [Value; 2] {
    let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
    run(PollStore::new(&aws, "polls".to_owned()).create(poll, &[])).unwrap();
    let written = calls.all()[0].body["TransactItems"].clone();
    [0, 1].map(|place| written[place]["Put"]["Item"].clone())
}

/// A poll created for this peak, in votes a second.
fn poll_of_peak(peak_votes_per_second: u32) -> Poll {
    let body = json!({"question": "Q", "options": ["a", "b"], "peak_votes_per_second": peak_votes_per_second});
    poll_asked_for(body, at(0)).unwrap()
}

/// The rules read from these items.
fn read_back(items: [Value; 2]) -> Result<Option<Rules>, StoreError> {
    let (aws, _) = stub(move |_, _| Answer::Ok(json!({"Item": items[0]})));
    run(PollStore::new(&aws, "polls".to_owned()).rules(&poll_id()))
}

#[test]
fn the_number_of_partitions_is_stored_where_it_is_not_512() {
    for (peak, stored) in [(60_000, Value::Null), (60_001, json!({"N": "4096"}))] {
        let poll = poll_of_peak(peak);
        assert_eq!(items_of(&poll)[0]["partitions"], stored);
        assert!(read_back(items_of(&poll)).unwrap().unwrap() == poll.rules);
    }
}

#[test]
fn a_poll_with_a_number_of_partitions_that_no_poll_has_is_not_read() {
    for number in ["511", "1024", "4097", "65537"] {
        let mut items = items_of(&poll_of_peak(250_000));
        items[0]["partitions"] = json!({"N": number});
        assert!(matches!(read_back(items), Err(StoreError::Broken(_))), "{number}");
    }
}

#[test]
fn a_vote_lies_in_the_partition_that_its_polls_number_of_them_gives() {
    let voter = VoterKey::from_bytes([0xff; 16]);
    for (peak, key) in [(1_000, "p1#1ff"), (250_000, "p1#fff")] {
        let rules = poll_of_peak(peak).rules;
        let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
        let store = VoteStore::new(&aws, "votes".to_owned());
        run(store.put(&rules, &voter, &vote(1))).unwrap();
        assert_eq!(run(store.vote(&rules, &voter)).unwrap(), None);
        run(store.page(&rules, rules.partitions.of(&voter), None)).unwrap();
        let [put, get, query] = &calls.all()[..] else { panic!("three calls") };
        assert_eq!(put.body["Item"]["poll_partition"]["S"], key);
        assert_eq!(get.body["Key"]["poll_partition"]["S"], key);
        assert_eq!(query.body["ExpressionAttributeValues"][":partition"]["S"], key);
    }
}

#[test]
fn a_vote_in_another_partition_than_its_own_is_no_vote() {
    let voter = VoterKey::from_bytes([0xff; 16]);
    let item = json!({"voter": {"S": voter.to_string()}, "choices": {"L": [{"N": "1"}]}, "revision": {"N": "1"},
        "cast_at": {"N": at(5).as_millis().to_string()}, "lane": {"N": "0"}, "nonce": {"N": "7"}});
    let (aws, _) = stub(move |_, _| Answer::Ok(json!({"Items": [item]})));
    let rules = poll_of_peak(250_000).rules;
    let read = |partition| run(VoteStore::new(&aws, "votes".to_owned()).page(&rules, partition, None)).unwrap().votes;
    assert_eq!(read(Partitions::Many.of(&voter)), [Ok((voter, vote(7)))]);
    assert_eq!(read(Partitions::Few.of(&voter)), [Err(voter.to_string())]);
}

/// A poll with edited labels, the items that a read finds while the edit lands, and those after it.
fn torn() -> (Poll, Vec<Value>, Vec<Value>) {
    let before = poll(None);
    let mut after = before.clone();
    after.options = vec!["c".to_owned(), "d".to_owned()];
    after.rules.settings.revision += 1;
    after.rules.options_revision += 1;
    let [rules, options] = items_of(&after);
    let [_, old_options] = items_of(&before);
    (after, vec![old_options, rules.clone()], vec![options, rules])
}

#[test]
fn a_poll_that_changes_while_it_is_read_is_read_again() {
    let (poll, between, whole) = torn();
    let (aws, calls) = stub(move |_, before| Answer::Ok(json!({"Items": if before < 2 { &between } else { &whole }})));
    let read =
        run(PollStore::new(&aws, "polls".to_owned()).poll(&poll_id(), &VirtualClock::new(at(0)))).unwrap().unwrap();
    assert!(read == poll, "{read:?}");
    assert_eq!(calls.operations(), ["Query"; 3]);
}

#[test]
fn results_never_show_labels_of_another_revision() {
    let (poll, between, whole) = torn();
    let answer =
        move |_: &Call, before| Answer::Ok(json!({"Responses": {"polls": if before < 1 { &between } else { &whole }}}));
    let (aws, calls) = stub(answer);
    let store = ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned());
    assert!(run(store.read(&poll_id(), 1)).unwrap().unwrap().poll == poll);
    assert_eq!(calls.operations(), ["BatchGetItem"; 2]);
}

/// The calls that replace a poll's former revision.
fn replacing(poll: &Poll) -> Vec<Call> {
    let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
    run(PollStore::new(&aws, "polls".to_owned()).replace(poll)).unwrap();
    calls.all()
}

#[test]
fn a_change_of_a_poll_whose_lanes_were_doubled_meanwhile_is_overtaken() {
    let mut edited = poll(None);
    edited.rules.settings.revision = 2;
    edited.rules.lanes = 4;
    edited.rules.lanes_doubled_at = Some(at(7));
    let [update] = replacing(&edited).try_into().unwrap();
    assert_eq!(update.operation, "UpdateItem", "its labels stay");
    assert_eq!(update.body["ConditionExpression"], "#revision = :before AND #lanes <= :lanes");
    let values = &update.body["ExpressionAttributeValues"];
    assert_eq!((&values[":before"], &values[":lanes"]), (&json!({"N": "1"}), &json!({"N": "4"})));
    let [rules] = items_written(&update, &items_of(&poll(None))).try_into().unwrap();
    assert_eq!(rules["lanes_doubled_at"]["N"], at(7).as_millis().to_string(), "an edit keeps it");
}

#[test]
fn a_change_leaves_the_item_that_a_new_poll_like_it_would_have() {
    let mut before = poll(Some(at(60_000)));
    before.rules.settings.paused_from = Some(at(9));
    before.rules.settings.offered_to = Some(TenantKey::stored("another"));
    before.rules.copied_from = Some(PollId::parse("p0").unwrap());
    let mut after = poll(None);
    after.rules.settings.revision = 2;
    for options_revision in [1, 2] {
        after.rules.options_revision = options_revision;
        let [change] = replacing(&after).try_into().unwrap();
        let written = items_written(&change, &items_of(&before));
        assert_eq!(written, items_of(&after)[..written.len()], "what it has no more is gone");
        assert_eq!(written.len() as u64, options_revision, "labels are written if they changed");
    }
}

#[test]
fn a_change_keeps_the_attributes_that_this_code_does_not_know() {
    let mut before = items_of(&poll(None));
    before.iter_mut().for_each(|item| item["of_a_later_release"] = json!({"S": "kept"}));
    let mut edited = poll(Some(at(60_000)));
    (edited.rules.settings.revision, edited.rules.options_revision) = (2, 2);
    let [change] = replacing(&edited).try_into().unwrap();
    for item in items_written(&change, &before) {
        assert_eq!(item["of_a_later_release"]["S"], "kept", "{item}");
    }
}

#[test]
fn a_poll_that_is_never_found_whole_is_unavailable() {
    let (_, between, _) = torn();
    let (aws, calls) = stub(move |_, _| Answer::Ok(json!({"Items": between})));
    let outcome = run(PollStore::new(&aws, "polls".to_owned()).poll(&poll_id(), &VirtualClock::new(at(0))));
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert_eq!(calls.operations(), ["Query"; 12]);
}

/// A stub Polls table with one poll that has these times.
fn holding(times: Value) -> (PollCache, crate::testing::Calls) {
    let items = std::sync::Arc::new(std::sync::Mutex::new(Value::Null));
    let written = items.clone();
    let (aws, _) = stub(move |call, _| {
        *written.lock().unwrap() = call.body["TransactItems"][0]["Put"]["Item"].clone();
        Answer::Ok(json!({}))
    });
    let mut body = json!({"question": "Q", "options": ["a", "b"]});
    body.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
    run(PollStore::new(&aws, "polls".to_owned()).create(&poll_asked_for(body, at(0)).unwrap(), &[])).unwrap();
    let (aws, calls) = stub(move |call, _| match call.body["Key"]["poll_id"]["S"].as_str() {
        Some("p1") => Answer::Ok(json!({"Item": items.lock().unwrap().clone()})),
        _ => Answer::Ok(json!({})),
    });
    (PollCache::new(PollStore::new(&aws, "polls".to_owned())), calls)
}

#[test]
fn a_poll_comes_back_as_it_was_stored() {
    let (cache, _) = holding(json!({"closes_at": at(60_000)}));
    let rules = run(cache.rules(&poll_id(), at(0))).unwrap().unwrap();
    assert!(*rules == poll(Some(at(60_000))).rules);
}

#[test]
fn a_poll_is_read_once_a_lease() {
    let (cache, calls) = holding(json!({}));
    let read_at = |millis| run(cache.rules(&poll_id(), at(millis))).unwrap().is_some();
    assert!([0, 1, 4_999].into_iter().all(read_at));
    assert_eq!(calls.all().len(), 1);
    assert!(read_at(5_000));
    assert_eq!(calls.all().len(), 2);
    // If the clock was set back, the poll counts as old.
    assert!(read_at(4_000));
    assert_eq!(calls.all().len(), 3);
}

#[test]
fn that_there_is_no_poll_is_believed_for_a_second() {
    let (cache, calls) = holding(json!({}));
    let nobody = PollId::parse("nobody").unwrap();
    let read_at = |millis| run(cache.rules(&nobody, at(millis))).unwrap();
    assert!([0, 999, 1_000, 1_999].into_iter().all(|millis| read_at(millis).is_none()));
    assert_eq!(calls.all().len(), 2);
}

#[test]
fn a_refusal_rests_on_a_read_from_after_the_closing_which_is_final() {
    let (cache, calls) = holding(json!({"closes_at": at(1_000)}));
    let reads_after = |millis: u64| {
        run(cache.fresh_rules(&poll_id(), at(millis))).unwrap().unwrap();
        calls.all().len()
    };
    run(cache.rules(&poll_id(), at(0))).unwrap();
    assert_eq!(reads_after(999), 1);
    assert_eq!(reads_after(1_000), 2, "until just now the closing might have been moved away");
    assert_eq!([1_100, 2_500, 60_000].map(reads_after), [2; 3], "a poll that is closed stays closed");
    run(cache.rules(&poll_id(), at(90_000))).unwrap().unwrap();
    assert_eq!(calls.all().len(), 2, "also where nobody is refused");
}

#[test]
fn a_refusal_before_the_opening_rests_on_a_fresh_read() {
    let (cache, calls) = holding(json!({"opens_at": at(9_000)}));
    let reads_after = |millis: u64| {
        run(cache.fresh_rules(&poll_id(), at(millis))).unwrap().unwrap();
        calls.all().len()
    };
    run(cache.rules(&poll_id(), at(0))).unwrap();
    assert_eq!(reads_after(1_500), 2, "what is remembered does not refuse");
    assert_eq!(reads_after(1_600), 2, "at most one read a second");
    assert_eq!(reads_after(8_999), 3);
    assert_eq!(reads_after(9_000), 4, "it has opened since");
}

#[test]
fn a_refusal_in_a_pause_rests_on_a_read_from_after_it_began_and_one_a_second() {
    let mut paused = poll(None);
    paused.rules.settings.paused_from = Some(at(1_000));
    let [rules, _] = items_of(&paused);
    let (aws, calls) = stub(move |_, _| Answer::Ok(json!({"Item": rules})));
    let cache = PollCache::new(PollStore::new(&aws, "polls".to_owned()));
    let reads_after = |millis: u64| {
        let rules = run(cache.fresh_rules(&poll_id(), at(millis))).unwrap().unwrap();
        assert!(*rules == paused.rules);
        calls.all().len()
    };
    assert_eq!(reads_after(999), 1);
    assert_eq!(reads_after(1_000), 2, "until just now it might have been resumed");
    assert_eq!([1_999, 2_000, 60_000].map(reads_after), [2, 3, 4], "a pause ends");
}

#[test]
fn a_closing_is_of_an_older_revision_than_the_labels_and_no_torn_read() {
    let mut closed = poll(None);
    let [_, options] = items_of(&closed);
    closed.rules.settings.revision = 5;
    closed.rules.settings.spec.closes_at = Some(at(9_000));
    let [rules, _] = items_of(&closed);
    let (aws, calls) = stub(move |_, _| Answer::Ok(json!({"Items": [options, rules]})));
    let store = PollStore::new(&aws, "polls".to_owned());
    let read = run(store.poll(&poll_id(), &VirtualClock::new(at(0)))).unwrap().unwrap();
    assert!(read == closed, "{read:?}");
    assert_eq!(calls.operations(), ["Query"]);
}

#[test]
fn a_poll_whose_items_were_always_written_together_is_read_as_before() {
    let mut edited = poll(None);
    (edited.rules.settings.revision, edited.rules.options_revision) = (3, 3);
    let [mut rules, options] = items_of(&edited);
    rules.as_object_mut().unwrap().remove("options_revision").unwrap();
    let (aws, _) = stub(move |_, _| Answer::Ok(json!({"Items": [options, rules]})));
    let store = PollStore::new(&aws, "polls".to_owned());
    assert!(run(store.poll(&poll_id(), &VirtualClock::new(at(0)))).unwrap().unwrap() == edited);
}

#[test]
fn a_change_that_meets_a_transaction_is_overtaken_and_tried_once() {
    let (aws, calls) = stub(|_, _| Answer::Refused("TransactionConflictException", json!({})));
    let mut edited = poll(None);
    edited.rules.settings.revision = 2;
    let outcome = run(PollStore::new(&aws, "polls".to_owned()).replace(&edited)).unwrap();
    assert_eq!((outcome, calls.operations()), (Replaced::Overtaken, vec!["UpdateItem".to_owned()]));
    let (aws, calls) = stub(|_, _| Answer::Lost);
    let outcome = run(PollStore::new(&aws, "polls".to_owned()).replace(&edited));
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert_eq!(calls.operations(), ["UpdateItem"], "what it says holds for a while only");
}

fn lane() -> LaneKey {
    LaneKey { poll: poll_id(), lane: 0 }
}

#[test]
fn an_overtaken_head_is_a_conflict_and_one_of_unknown_outcome_is_unavailable() {
    let put = |answer: fn() -> Answer| {
        let (aws, _) = stub(move |_, _| answer());
        let head = Head { version: 4, ..Head::default() };
        run(TallyStore::new(&aws, "tallies".to_owned()).put_head(&lane(), &head, 3))
    };
    assert!(put(|| Answer::Ok(json!({}))).is_ok());
    assert!(matches!(put(|| Answer::condition_failed(json!({}))), Err(LaneStoreError::Conflict)));
    assert!(matches!(put(Answer::throttled), Err(LaneStoreError::Unavailable(_))));
    assert!(matches!(put(|| Answer::Lost), Err(LaneStoreError::Unavailable(_))));
}

#[test]
fn a_head_replaces_the_version_that_it_is_said_to_replace() {
    let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
    let head = Head { version: 1_001, ..Head::default() };
    run(TallyStore::new(&aws, "tallies".to_owned()).put_head(&lane(), &head, 3)).unwrap();
    let put = &calls.all()[0].body;
    assert_eq!(put["ExpressionAttributeValues"], json!({":version": {"N": "3"}}));
    assert_eq!(put["Item"]["version"], json!({"N": "1001"}));
}

#[test]
fn a_readers_copy_that_is_as_new_is_left_alone() {
    let (aws, _) = stub(|_, _| Answer::condition_failed(json!({})));
    let head = Head { version: 4, ..Head::default() };
    assert!(run(TallyStore::new(&aws, "tallies".to_owned()).put_count(&lane(), &head)).is_ok());
}

#[test]
fn a_run_is_read_or_gone_or_unreadable() {
    let run_of = |bytes| Run { name: RunName { version: 3, attempt: 7 }, level: 0, chunks: 1, bytes, missed: 0 };
    let read = |item: Option<Value>, bytes| {
        let (aws, _) =
            stub(move |_, _| Answer::Ok(json!({"Item": item.as_ref().map(|entries| json!({"entries": entries}))})));
        run(TallyStore::new(&aws, "tallies".to_owned()).read_run(&lane(), &run_of(bytes)))
    };
    let written = json!({"B": BASE64_STANDARD.encode(b"\x02r\x01\x02")});
    assert!(read(Some(written.clone()), 4).unwrap().is_some_and(|entries| !entries.is_empty()));
    assert!(read(None, 4).unwrap().is_none());
    let garbled = json!({"B": BASE64_STANDARD.encode(b"\x09r\x01\x02")});
    for (item, bytes) in [(garbled, 4), (written, 5), (json!({"S": "r"}), 1)] {
        let outcome = read(Some(item), bytes);
        assert!(matches!(outcome, Err(LaneStoreError::UnreadableRun(_))), "{outcome:?}");
    }
}

#[test]
fn a_minute_of_several_pages_is_read_to_its_end() {
    let (aws, calls) = stub(|_, before| {
        let one = BASE64_STANDARD.encode(vote_ids::encode(&[VoteId::new(&VoterKey::from_bytes([1; 16]), 1)]));
        let page = json!({"Items": [{"ids": {"B": one}}], "Count": 1});
        match before {
            0 | 1 => Answer::Ok(
                json!({"Items": page["Items"], "LastEvaluatedKey": {"poll_lane": {"S": "p1#0"}, "item": {"S": format!("SEEN#001789999980000#{:020}", 7 + before)}}}),
            ),
            _ => Answer::Ok(page),
        }
    });
    let store = TallyStore::new(&aws, "tallies".to_owned());
    assert_eq!(run(store.read_all_seen(&lane(), Minute::of(at(0)), 3)).unwrap().len(), 3);
    let first = |call: &Call| call.body["ExpressionAttributeValues"][":first"]["S"].as_str().unwrap().to_owned();
    let firsts: Vec<String> = calls.all().iter().map(first).collect();
    assert_eq!(firsts, [4, 8, 9].map(|version| format!("SEEN#001789999980000#{version:020}")));
    assert_eq!(calls.all()[0].body["ConsistentRead"], true);
}

#[test]
fn keys_that_were_left_unread_are_asked_for_again_and_then_unavailable() {
    let (aws, calls) = stub(|call, _| Answer::Ok(json!({"UnprocessedKeys": call.body["RequestItems"]})));
    let store = ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned());
    assert!(matches!(run(store.read(&poll_id(), 1)), Err(StoreError::Unavailable(_))));
    assert_eq!(calls.operations(), ["BatchGetItem"; 5]);
}

/// A poll with this id, in its tenant's list: as the index has its place, and as the table has its rules.
fn listed(id: &str, owner: &str) -> [Value; 2] {
    let [mut rules, _] = items_of(&poll(None));
    rules["poll_id"] = json!({"S": id});
    rules["owner"] = json!({"S": owner});
    [json!({"poll_id": rules["poll_id"], "created_at": rules["created_at"]}), rules]
}

const OWNER: &str = "https://id.example.org owner";

/// A page of two polls, where the index has three. The batches answer with these rules in turn.
fn page_of(batches: Vec<Vec<Value>>) -> (Result<Page, StoreError>, Vec<Call>) {
    let places: Vec<Value> = ["p3", "p2", "p1"].map(|id| listed(id, OWNER)[0].clone()).to_vec();
    let (aws, calls) = stub(move |call, before| {
        if call.operation == "Query" {
            return Answer::Ok(json!({"Items": places}));
        }
        let (found, is_last) = (&batches[before - 1], before == batches.len());
        let left = if is_last { json!({}) } else { call.body["RequestItems"].clone() };
        Answer::Ok(json!({"Responses": {"polls": found}, "UnprocessedKeys": left}))
    });
    let store = PollStore::new(&aws, "polls".to_owned());
    let page = run(store.page(&TenantKey::stored(OWNER), None, 2));
    (page, calls.all())
}

fn ids(page: &Page) -> Vec<&str> {
    page.polls.iter().map(|settings| settings.poll_id.as_str()).collect()
}

#[test]
fn a_list_has_the_indexs_order_and_the_polls_as_they_are_now_without_salts() {
    let [_, mut second] = listed("p2", OWNER);
    second["paused_from"] = json!({"N": at(9).as_millis().to_string()});
    second["revision"] = json!({"N": "7"});
    let (page, calls) = page_of(vec![vec![second, listed("p3", OWNER)[1].clone()]]);
    let page = page.unwrap();
    assert_eq!(ids(&page), ["p3", "p2"]);
    assert_eq!((page.polls[1].paused_from, page.polls[1].revision), (Some(at(9)), 7));
    assert_eq!(page.next_after.unwrap().poll_id.as_str(), "p2");
    let asked = &calls[1].body["RequestItems"]["polls"];
    assert_eq!(asked["Keys"].as_array().unwrap().len(), 2);
    assert_eq!(asked["ConsistentRead"], true);
    let names = asked["ExpressionAttributeNames"].as_object().unwrap();
    assert_eq!(asked["ProjectionExpression"].as_str().unwrap().split(", ").count(), names.len());
    let names: Vec<&str> = names.values().map(|name| name.as_str().unwrap()).collect();
    assert!(names.contains(&"question") && names.contains(&"paused_from") && !names.contains(&"salt"), "{names:?}");
}

#[test]
fn a_poll_that_went_to_another_tenant_is_left_out_and_the_next_page_begins_where_it_would() {
    let gone = listed("p2", "https://id.example.org other")[1].clone();
    let page = page_of(vec![vec![listed("p3", OWNER)[1].clone(), gone]]).0.unwrap();
    assert_eq!(ids(&page), ["p3"]);
    assert_eq!(page.next_after.unwrap().poll_id.as_str(), "p2");
}

#[test]
fn polls_that_were_left_unread_are_asked_for_again() {
    let [second, third] = ["p2", "p3"].map(|id| vec![listed(id, OWNER)[1].clone()]);
    let (page, calls) = page_of(vec![second, third]);
    assert_eq!((ids(&page.unwrap()), calls.len()), (vec!["p3", "p2"], 3));
}

#[test]
fn a_tenant_without_polls_takes_no_batch() {
    let (aws, calls) = stub(|_, _| Answer::Ok(json!({"Items": []})));
    let page = run(PollStore::new(&aws, "polls".to_owned()).page(&TenantKey::stored(OWNER), None, 2)).unwrap();
    assert!(page.polls.is_empty() && page.next_after.is_none());
    assert_eq!(calls.operations(), ["Query"]);
}

#[test]
fn whom_a_poll_is_offered_to_and_what_it_was_copied_from_come_back_as_they_were_stored() {
    let mut offered = poll(None);
    offered.rules.settings.offered_to = Some(TenantKey::stored("https://id.example.org other"));
    offered.rules.copied_from = PollId::parse("p0");
    offered.rules.settings.paused_from = Some(at(9));
    assert_eq!(read_back(items_of(&offered)).unwrap(), Some(offered.rules));
}

#[test]
fn the_seed_of_a_lot_comes_back_as_it_was_stored_and_lists_read_its_hash_alone() {
    let body = json!({"question": "Q", "options": ["a", "b"], "kind": "ranked"});
    let ranked = poll_asked_for(body, at(0)).unwrap();
    let items = items_of(&ranked);
    let hash = ranked.rules.settings.lot_seed_sha256;
    assert_eq!(read_back(items.clone()).unwrap(), Some(ranked.rules));
    let mut listed = listed("p3", OWNER)[1].clone();
    listed["lot_seed_sha256"] = items[0]["lot_seed_sha256"].clone();
    let (page, calls) = page_of(vec![vec![listed]]);
    assert_eq!(page.unwrap().polls[0].lot_seed_sha256, hash);
    let asked = &calls[1].body["RequestItems"]["polls"]["ExpressionAttributeNames"];
    assert!(!asked.as_object().unwrap().values().any(|name| name == "lot_seed"), "{asked}");
}

/// A poll that hides these answers by its second revision, and its items: RULES and HIDDEN.
fn hiding(answers: &[&str]) -> (Poll, Vec<Value>) {
    let text = poll_asked_for(json!({"question": "Q", "kind": "text"}), at(0)).unwrap();
    let answers: Vec<Written> = answers.iter().map(|text| Written::stored(text).unwrap()).collect();
    let poll = hide(&text, &answers, at(7)).unwrap();
    let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
    let outcome = run(PollStore::new(&aws, "polls".to_owned()).replace_hidden(&poll, &answers));
    assert_eq!((outcome.unwrap(), calls.operations()), (Replaced::Done, vec!["TransactWriteItems".to_owned()]));
    let rules = &calls.all()[0].body["TransactItems"][0]["Update"];
    assert_eq!(rules["ConditionExpression"], "#revision = :before AND #lanes <= :lanes");
    (poll, items_written(&calls.all()[0], &items_of(&text)))
}

#[test]
fn hidden_answers_come_back_as_they_were_stored_once_rules_and_list_belong_together() {
    let (poll, items) = hiding(&["bad", "Worse"]);
    let mut older = items.clone();
    older[1]["revision"] = json!({"N": "1"});
    let (aws, calls) = stub(move |_, number| Answer::Ok(json!({"Items": if number == 0 { &older } else { &items }})));
    let store = PollStore::new(&aws, "polls".to_owned());
    let (rules, hidden) = run(store.hidden_answers(&poll_id(), &VirtualClock::new(at(0)))).unwrap().unwrap();
    assert_eq!(rules, poll.rules);
    let texts: Vec<&str> = hidden.answers.iter().map(Written::as_str).collect();
    assert_eq!((hidden.revision, texts), (2, vec!["bad", "Worse"]));
    assert_eq!(calls.operations(), ["Query", "Query"]);
}

#[test]
fn a_poll_that_never_hid_any_answers_has_no_list() {
    let items = items_of(&poll(None));
    let (aws, _) = stub(move |_, _| Answer::Ok(json!({"Items": items})));
    let store = PollStore::new(&aws, "polls".to_owned());
    let (_, hidden) = run(store.hidden_answers(&poll_id(), &VirtualClock::new(at(0)))).unwrap().unwrap();
    assert_eq!(hidden, HiddenAnswers::default());
}

#[test]
fn a_poll_is_read_without_the_answers_that_it_hides() {
    let items = items_of(&poll(None));
    let (aws, calls) = stub(move |_, _| Answer::Ok(json!({"Items": items})));
    run(PollStore::new(&aws, "polls".to_owned()).poll(&poll_id(), &VirtualClock::new(at(0)))).unwrap();
    let values = &calls.all()[0].body["ExpressionAttributeValues"];
    let bounds = [":options", ":rules"].map(|name| values[name]["S"].as_str().unwrap().to_owned());
    assert!(bounds[0].as_str() > "HIDDEN", "{bounds:?}");
    assert_eq!(bounds, ["OPTIONS", "RULES"]);
}

#[test]
fn rules_hide_their_salt_from_logs() {
    let rules: Rules = poll(None).rules;
    assert!(!format!("{rules:?}").contains("salt"));
}

#[test]
fn a_request_whose_answer_was_lost_is_counted_once() {
    let tenant = TenantKey::stored("https://id.example.org alice");
    let day = |last: &Value, in_minute: u32| {
        let minute = at(0).minute().as_millis().to_string();
        json!({"requests": {"N": "7"}, "minute": {"N": minute}, "in_minute": {"N": in_minute.to_string()}, "last": last})
    };
    for (last_is_ours, counted) in [(true, true), (false, false)] {
        let (aws, calls) = stub(move |call, number| match number {
            0 => Answer::Lost,
            _ if last_is_ours => Answer::condition_failed(day(&call.body["ExpressionAttributeValues"][":this"], 5)),
            _ => Answer::condition_failed(day(&json!({"S": "another"}), 10)),
        });
        let store = LimitStore::new(&aws, "tenants".to_owned());
        let outcome = run(store.count_another(&tenant, at(0), at(0).minute(), 10)).unwrap();
        assert_eq!(matches!(outcome, Counted::Done(day) if day.in_minute == 5), counted, "{outcome:?}");
        let sent: Vec<Value> =
            calls.all().iter().map(|call| call.body["ExpressionAttributeValues"][":this"].clone()).collect();
        assert!(sent.len() == 2 && sent[0] == sent[1], "{sent:?}");
    }
}
