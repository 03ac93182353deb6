use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use landslide_aws::{
    store::{MarkStore, PollStore, Replaced},
    testing::{Answer, AuditTable, Call, VirtualClock, items_written, stub},
};
use landslide_domain::{
    ballot::Answer as Written,
    member::Action,
    method::LotSeed,
    poll::Poll,
    poll::hidden::hide,
    testing::{at, owner, poll_asked_for},
};
use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};

use super::*;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn poll(id: &str) -> Poll {
    let body = json!({"question": "Q", "options": ["a", "b"], "closes_at": at(90)});
    let mut poll = poll_asked_for(body, at(0)).unwrap();
    poll.rules.settings.poll_id = landslide_domain::ids::PollId::parse(id).unwrap();
    poll.rules.stamp = Some(owner().stamp(Action::PollCreated, at(1)));
    poll
}

/// The poll's next revision.
fn next(poll: &Poll, change: impl FnOnce(&mut Poll)) -> Poll {
    let mut next = poll.clone();
    next.rules.settings.revision += 1;
    next.rules.stamp = Some(owner().stamp(Action::PollEdited, at(next.rules.settings.revision)));
    change(&mut next);
    next
}

/// The items that a store writes for a poll over these: RULES, and OPTIONS if this revision wrote them.
fn items(poll: &Poll, stored: &[Value]) -> Vec<Value> {
    let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
    let outcome = run(PollStore::new(&aws, "polls".to_owned()).replace(poll));
    assert_eq!(outcome.unwrap(), Replaced::Done);
    items_written(&calls.all()[0], stored)
}

fn record(old: Option<&Value>, new: &Value) -> Value {
    let keys = json!({"poll_id": new["poll_id"], "item": new["item"]});
    let mut images = json!({"Keys": keys, "NewImage": new, "SequenceNumber": "1"});
    if let Some(old) = old {
        images["OldImage"] = old.clone();
    }
    json!({"eventName": if old.is_some() { "MODIFY" } else { "INSERT" }, "dynamodb": images})
}

/// The stream's records of a poll's revisions, the first of them created.
fn records(revisions: &[Poll]) -> Vec<Value> {
    let mut stored: Vec<Value> = Vec::new();
    let mut records = Vec::new();
    for poll in revisions {
        for item in items(poll, &stored) {
            let former = stored.iter().position(|former| former["item"] == item["item"]);
            records.push(record(former.map(|place| &stored[place]), &item));
            former.map(|place| stored.remove(place));
            stored.push(item);
        }
    }
    records
}

/// A poll's first revisions, each with another question.
fn revisions(id: &str, number: usize) -> Vec<Poll> {
    let mut all = vec![poll(id)];
    while all.len() < number {
        let question = format!("Q{}", all.len() + 1);
        all.push(next(all.last().unwrap(), |poll| poll.rules.settings.spec.question = question));
    }
    all
}

fn event(records: &[Value]) -> ChangeEvent {
    ChangeEvent::read(json!({"Records": records}).to_string().as_bytes()).unwrap()
}

/// A function's process: relays over this table, and puts letters here. Other answers come first.
fn process(
    table: &AuditTable,
    letters: &Arc<Mutex<Vec<Value>>>,
    instead: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static,
) -> ChangeRelay<DynamoDbClient, Sqs, VirtualClock> {
    let (table, letters) = (table.clone(), letters.clone());
    let (aws, _) = stub(move |call, _| match instead(call) {
        Some(answer) => answer,
        None if call.operation == "SendMessageBatch" => {
            let entries = call.body["Entries"].as_array().unwrap().clone();
            let taken = |entry: &Value| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"});
            let taken: Vec<Value> = entries.iter().map(taken).collect();
            letters.lock().unwrap().extend(entries);
            Answer::Ok(json!({"Successful": taken, "Failed": []}))
        }
        None => table.answer(call),
    });
    let clock = VirtualClock::new(at(0));
    let queue = Queue::over(Sqs::new(&aws), "http://dlq".to_owned(), clock.clone());
    ChangeRelay::new(AuditStore::new(&aws, "audit".to_owned()), queue, clock)
}

/// Relays batches one after the other with a process that nothing happens to; the log's events.
fn log_of(batches: &[&[Value]]) -> Vec<String> {
    let table = AuditTable::default();
    let relay = process(&table, &Arc::default(), |_| None);
    for batch in batches {
        run(relay.relay(event(batch))).unwrap();
    }
    table.events(&owner().tenant.key()).unwrap()
}

fn names(id: &str, number: usize) -> Vec<String> {
    (1..=number).map(|revision| format!("{id}#{revision}")).collect()
}

#[test]
fn each_revision_is_a_row_with_what_changed_and_who_did_it() {
    let table = AuditTable::default();
    let created = poll("p1");
    let edited = next(&created, |poll| {
        poll.options = vec!["a".to_owned(), "c".to_owned()];
        poll.rules.options_revision = 2;
    });
    run(process(&table, &Arc::default(), |_| None).relay(event(&records(&[created, edited])))).unwrap();
    assert_eq!(table.events(&owner().tenant.key()).unwrap(), names("p1", 2));
    let row = table.rows(&owner().tenant.key()).remove(1);
    assert_eq!(
        serde_json::from_str::<Value>(&row.entry).unwrap(),
        json!({"event": "p1#2", "action": "poll.edited", "at": at(2), "request_id": "r1",
            "author": {"kind": "account", "issuer": "https://id.example.org", "subject": "owner"},
            "poll_id": "p1", "revision": 2, "changes": {"options": {"from": ["a", "b"], "to": ["a", "c"]}}})
    );
}

#[test]
fn labels_in_another_batch_are_named_without_their_values() {
    let records = records(&[poll("p1")]);
    let change = event(&records[..1]);
    let entry = change.changes().next().unwrap().entry();
    assert_eq!(
        (entry.changes["options"].from.clone(), entry.changes["options"].to.clone()),
        (json!(null), json!(null))
    );
    assert_eq!(event(&records[1..]).changes().count(), 0);
}

#[test]
fn a_doubling_of_lanes_a_removal_and_other_items_are_no_change() {
    let item = items(&poll("p1"), &[]).remove(0);
    let mut doubled = item.clone();
    doubled["lanes"] = json!({"N": "2"});
    let mut removal = record(Some(&item), &item);
    removal["eventName"] = json!("REMOVE");
    let other = json!({"poll_id": {"S": "p1"}, "item": {"S": "OFFER"}});
    let event = event(&[record(Some(&item), &doubled), removal, record(None, &other)]);
    assert_eq!((event.changes().count(), event.unreadable.len()), (0, 0));
}

#[test]
fn a_poll_from_before_there_were_stamps_is_logged_without_its_author() {
    let mut poll = poll("p1");
    poll.rules.stamp = None;
    let event = event(&records(&[poll]));
    assert_eq!(event.changes().next().unwrap().entry().stamp, None);
}

#[test]
fn no_row_and_no_letter_shows_a_salt_or_a_seed() {
    let mut created = poll("p1");
    created.rules.salt = [7; 32];
    created.rules.lot_seed = Some(LotSeed::from_bytes([5; 32]));
    let mut records = records(&[created]);
    let secret = |name: &str| records[0]["dynamodb"]["NewImage"][name]["B"].as_str().unwrap().to_owned();
    let (salt, seed) = (secret("salt"), secret("lot_seed"));
    let (table, letters) = (AuditTable::default(), Arc::default());
    let relay = process(&table, &letters, |_| None);
    run(relay.relay(event(&records))).unwrap();
    records[0]["dynamodb"]["NewImage"]["lanes"] = json!({"S": "many"});
    assert_eq!(run(relay.relay(event(&records))).unwrap(), Relayed { changes: 0, dead_letters: 1 });
    let told = format!("{:?} {:?}", table.rows(&owner().tenant.key()), letters.lock().unwrap());
    assert!(told.contains("many"), "{told}");
    assert!(!told.contains(&salt) && !told.contains(&seed) && !told.contains("request_hash\":{\"B\":\"AQ"), "{told}");
}

#[test]
fn hiding_answers_has_one_row_which_does_not_repeat_them() {
    let text = poll_asked_for(json!({"question": "Q", "kind": "text"}), at(0)).unwrap();
    let answers = [Written::stored("a slur").unwrap()];
    let mut hidden = hide(&text, &answers, at(5)).unwrap();
    hidden.rules.stamp = Some(owner().stamp(Action::PollEdited, at(5)));
    let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
    run(PollStore::new(&aws, "polls".to_owned()).replace_hidden(&hidden, &answers)).unwrap();
    let before = items(&text, &[]);
    let after = items_written(&calls.all()[0], &before);
    let records = [record(before.iter().find(|item| item["item"]["S"] == "RULES"), &after[0]), record(None, &after[1])];
    let (table, letters) = (AuditTable::default(), Arc::default());
    let relayed = run(process(&table, &letters, |_| None).relay(event(&records))).unwrap();
    assert_eq!(relayed, Relayed { changes: 1, dead_letters: 0 });
    let rows = format!("{:?}", table.rows(&owner().tenant.key()));
    assert!(rows.contains("hidden_answers") && !rows.contains("slur"), "{rows}");
}

#[test]
fn each_poll_of_a_batch_is_marked_once_whatever_changed_in_it() {
    let created = records(&revisions("p1", 2));
    let item = items(&poll("p2"), &[]).remove(0);
    let mut made_final = item.clone();
    made_final["final"] = json!({"S": "{}"});
    let mut removal = record(Some(&items(&poll("p3"), &[])[0]), &items(&poll("p3"), &[])[0]);
    removal["eventName"] = json!("REMOVE");
    let mut unreadable = record(None, &items(&poll("p4"), &[])[0]);
    unreadable["dynamodb"]["NewImage"]["stamp"] = json!({"S": "{}"});
    let batch = [created, vec![record(Some(&item), &made_final), removal, unreadable]].concat();
    let (table, letters, marks) = (AuditTable::default(), Arc::default(), Arc::new(Mutex::new(Vec::new())));
    let noted = marks.clone();
    let (aws, _) = stub(move |call, _| {
        assert_eq!((&*call.operation, &call.body["TableName"]), ("PutItem", &json!("jobs")));
        noted.lock().unwrap().push(call.body["Item"]["item"]["S"].as_str().unwrap().to_owned());
        Answer::Ok(json!({}))
    });
    let relay = process(&table, &letters, |_| None).marking(MarkStore::new(&aws, "jobs".to_owned()));
    for _ in 0..2 {
        run(relay.relay(event(&batch))).unwrap();
    }
    let mut marks = marks.lock().unwrap().clone();
    marks.sort();
    let minute = at(0).as_millis() / 60_000;
    assert_eq!(marks, ["p1", "p2", "p3", "p4"].map(|id| format!("{minute:010}#{id}")));
}

#[test]
fn a_batch_whose_polls_can_not_be_marked_fails_once_its_log_is_written() {
    let all = records(&revisions("p1", 2));
    let table = AuditTable::default();
    let (aws, _) = stub(|_, _| Answer::throttled());
    let relay = process(&table, &Arc::default(), |_| None).marking(MarkStore::new(&aws, "jobs".to_owned()));
    assert!(matches!(run(relay.relay(event(&all))), Err(RelayError::Log(_))));
    assert_eq!(table.events(&owner().tenant.key()).unwrap(), names("p1", 2));
}

#[test]
fn a_record_that_can_not_be_read_blocks_nothing_and_its_letter_can_be_read_later() {
    let mut records = records(&revisions("p1", 2));
    let stamp = records[0]["dynamodb"]["NewImage"]["stamp"].take();
    records[0]["dynamodb"]["NewImage"]["stamp"] = json!({"S": "{\"action\":\"poll.of_later\"}"});
    let (table, letters) = (AuditTable::default(), Arc::default());
    let relayed = run(process(&table, &letters, |_| None).relay(event(&records))).unwrap();
    assert_eq!(relayed, Relayed { changes: 1, dead_letters: 1 });
    // A later version can read it.
    let letter = letters.lock().unwrap()[0]["MessageBody"].as_str().unwrap().to_owned();
    let mut letter: Value = serde_json::from_str(&letter).unwrap();
    letter["dynamodb"]["NewImage"]["stamp"] = stamp;
    run(process(&table, &letters, |_| None).relay(event(&[letter]))).unwrap();
    assert_eq!(table.events(&owner().tenant.key()).unwrap(), ["p1#2", "p1#1"]);
}

#[test]
fn a_record_too_long_for_a_queue_is_named_by_its_key() {
    let mut record = record(None, &items(&poll("p1"), &[])[0]);
    record["dynamodb"]["NewImage"]["lanes"] = json!({"S": "x".repeat(1_100_000)});
    let event = event(&[record]);
    let letter: Value = serde_json::from_str(&event.unreadable[0].0).unwrap();
    assert_eq!(letter["keys"]["poll_id"]["S"], "p1");
}

#[test]
fn a_record_of_votes_is_none_of_polls() {
    for (keys, is_of_polls_table) in [("poll_id", true), ("poll_partition", false)] {
        let record = json!({"eventName": "INSERT", "dynamodb": {"Keys": {keys: {"S": "p"}}}}).to_string();
        assert_eq!(is_of_polls(&RawValue::from_string(record).unwrap()), is_of_polls_table);
    }
}

#[test]
fn a_transferred_poll_is_in_both_tenants_logs() {
    let other = TenantKey::stored("https://id.example.org other");
    let created = poll("p1");
    let transferred = next(&created, |poll| poll.rules.tenant = other.clone());
    let edited = next(&transferred, |poll| poll.rules.settings.spec.question = "R".to_owned());
    let table = AuditTable::default();
    let relay = process(&table, &Arc::default(), |_| None);
    run(relay.relay(event(&records(&[created, transferred, edited])))).unwrap();
    assert_eq!(table.events(&owner().tenant.key()).unwrap(), names("p1", 2));
    assert_eq!(table.events(&other).unwrap(), ["p1#2", "p1#3"]);
}

#[test]
fn replayed_whole_or_in_other_batches_each_revision_is_there_once() {
    let all = records(&revisions("p1", 12));
    assert_eq!(log_of(&[&all, &all, &all[3..7], &all[9..]]), names("p1", 12));
}

#[test]
fn a_silent_or_throttled_log_fails_the_batch_and_leaves_no_letter() {
    let mut all = records(&revisions("p1", 2));
    all.push(json!({"eventName": "INSERT"}));
    for answer in [Answer::Lost, Answer::throttled()] {
        let (table, letters) = (AuditTable::default(), Arc::default());
        let refused = answer.clone();
        let sick = process(&table, &letters, move |call| (call.operation == "Query").then(|| refused.clone()));
        assert!(matches!(run(sick.relay(event(&all))), Err(RelayError::Log(_))));
        assert!(letters.lock().unwrap().is_empty());
        run(process(&table, &letters, |_| None).relay(event(&all))).unwrap();
        assert_eq!(table.events(&owner().tenant.key()).unwrap(), names("p1", 2));
        assert_eq!(letters.lock().unwrap().len(), 1);
    }
}

#[test]
fn one_tenants_log_that_can_not_be_written_does_not_hold_up_anothers() {
    let other = TenantKey::stored("https://id.example.org other");
    let mut of_other = poll("p2");
    of_other.rules.tenant = other.clone();
    let all = [records(&[poll("p1")]), records(&[of_other])].concat();
    let table = AuditTable::default();
    let owners = owner().tenant.key();
    let refused = owners.clone();
    let relay = process(&table, &Arc::default(), move |call| {
        call.body.to_string().contains(&format!("\"{}\"", refused.as_str())).then_some(Answer::throttled())
    });
    assert!(run(relay.relay(event(&all))).is_err());
    assert_eq!((table.events(&owners).unwrap(), table.events(&other).unwrap()), (vec![], names("p2", 1)));
}

/// Two functions' processes, one a shard. Each reads its polls' records in batches of all sizes, dies in the middle of
/// some, is invoked again with the same batch while its late calls still land, and gets batches twice.
#[test]
fn two_shards_with_batches_interleaved_killed_and_redelivered_lose_nothing_and_keep_each_polls_order() {
    const REVISIONS: usize = 30;
    let table = AuditTable::default();
    std::thread::scope(|scope| {
        for shard in 0..2usize {
            let table = &table;
            scope.spawn(move || {
                let all: Vec<Value> = [format!("p{shard}a"), format!("p{shard}b")]
                    .iter()
                    .flat_map(|id| records(&revisions(id, REVISIONS)))
                    .collect();
                let (calls, landing) = (AtomicUsize::new(shard), table.clone());
                let relay =
                    process(table, &Arc::default(), move |call| match calls.fetch_add(1, Ordering::Relaxed) % 9 {
                        2 => Some(Answer::throttled()),
                        4 | 5 => Some(Answer::Lost),
                        7 => {
                            landing.answer(call);
                            Some(Answer::Lost)
                        }
                        _ => None,
                    });
                for (number, batch) in all.chunks(7 + shard).enumerate() {
                    while run(relay.relay(event(batch))).is_err() {}
                    if number % 3 == 0 {
                        drop(run(relay.relay(event(batch))));
                    }
                }
            });
        }
    });
    let events = table.events(&owner().tenant.key()).unwrap();
    assert_eq!(events.len(), 4 * REVISIONS, "each once");
    for id in ["p0a", "p0b", "p1a", "p1b"] {
        let of_poll: Vec<String> = events.iter().filter(|event| event.starts_with(id)).cloned().collect();
        assert_eq!(of_poll, names(id, REVISIONS));
    }
}

#[test]
fn what_is_no_event_of_a_stream_is_an_error() {
    for text in ["", "null", "{}", "[]", r#"{"Records":{}}"#, r#"{"Records":[]}]"#, r#"{"Records":[{}"#] {
        assert!(ChangeEvent::read(text.as_bytes()).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_into_batches_and_repeated_the_log_is_the_same(
        cuts in proptest::collection::vec(0usize..14, 0..5), again in any::<bool>(),
    ) {
        let all = records(&revisions("p1", 12));
        let mut cuts = cuts;
        cuts.extend([0, all.len()]);
        cuts.sort_unstable();
        let mut batches: Vec<&[Value]> = cuts.windows(2).map(|cut| &all[cut[0].min(all.len())..cut[1].min(all.len())]).collect();
        if again {
            let repeated = batches.clone();
            batches.extend(repeated);
        }
        prop_assert_eq!(log_of(&batches), names("p1", 12));
    }

    #[test]
    fn no_record_makes_the_reader_panic(text in "\\PC{0,80}", name in "[A-Za-z_]{1,12}", number in "[-+0-9.eE]{0,30}") {
        if let Ok(record) = RawValue::from_string(text) {
            drop((is_of_polls(&record), [&*record].into_iter().collect::<ChangeEvent>()));
        }
        let mut odd = items(&poll("p1"), &[]).remove(0);
        odd[name] = json!({"N": number});
        drop(event(&[record(None, &odd)]));
    }
}
