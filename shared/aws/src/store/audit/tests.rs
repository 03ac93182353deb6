//! Attacks on the log: no row may be lost, none there twice, none wrong.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use aws_sdk_dynamodb::types::Put;
use landslide_domain::{
    audit::{Difference, Object},
    ids::PollId,
    member::Action,
    testing::{at, owner},
};
use serde_json::json;

use super::*;
use crate::testing::{Answer, AuditTable, Call, VirtualClock, stub};

fn entry(poll: &str, revision: u64) -> Entry {
    Entry {
        event: format!("{poll}#{revision}"),
        stamp: Some(owner().stamp(Action::PollEdited, at(revision))),
        object: Object::Poll { poll_id: PollId::parse(poll).unwrap(), revision },
        changes: BTreeMap::new(),
    }
}

fn entries(poll: &str, revisions: impl IntoIterator<Item = u64>) -> Vec<Entry> {
    revisions.into_iter().map(|revision| entry(poll, revision)).collect()
}

fn names(poll: &str, revisions: impl IntoIterator<Item = u64>) -> Vec<String> {
    revisions.into_iter().map(|revision| format!("{poll}#{revision}")).collect()
}

fn tenant() -> TenantKey {
    owner().tenant.key()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A process's store over this table, whose calls get other answers where `instead` has one.
fn store(table: &AuditTable, instead: impl Fn(&Call, usize) -> Option<Answer> + Send + Sync + 'static) -> AuditStore {
    let table = table.clone();
    let (aws, _) = stub(move |call, before| instead(call, before).unwrap_or_else(|| table.answer(call)));
    AuditStore::new(&aws, "audit".to_owned())
}

fn healthy(table: &AuditTable) -> AuditStore {
    store(table, |_, _| None)
}

fn append(store: &AuditStore, entries: &[Entry]) -> Result<(), StoreError> {
    run(store.append(&tenant(), entries, &VirtualClock::new(at(0)), at(0)))
}

#[test]
fn entries_are_kept_in_their_order_across_transactions() {
    let table = AuditTable::default();
    append(&healthy(&table), &entries("p1", 1..=60)).unwrap();
    append(&healthy(&table), &entries("p2", 1..=1)).unwrap();
    assert_eq!(table.events(&tenant()).unwrap(), [names("p1", 1..=60), names("p2", 1..=1)].concat());
}

#[test]
fn a_transaction_has_at_most_25_entries_and_a_megabyte() {
    let sizes = |entries: &[Entry]| {
        let entries: Vec<&Entry> = entries.iter().collect();
        portions(&entries).iter().map(|portion| portion.len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&entries("p1", 1..=60)), [25, 25, 10]);
    let mut long = entries("p1", 1..=8);
    for entry in &mut long {
        let labels = Difference { from: json!(null), to: json!("x".repeat(APPENDED_BYTES_MAX * 2 / 5)) };
        entry.changes = BTreeMap::from([("options".to_owned(), labels)]);
    }
    assert_eq!(sizes(&long), [2, 2, 2, 2]);
}

#[test]
fn replayed_whole_or_in_other_batches_nothing_is_there_twice() {
    let table = AuditTable::default();
    let all = entries("p1", 1..=30);
    for batch in [&all[..], &all[..], &all[3..9], &all[20..], &all[..1]] {
        append(&healthy(&table), batch).unwrap();
    }
    assert_eq!(table.events(&tenant()).unwrap(), names("p1", 1..=30));
}

#[test]
fn an_event_that_is_twice_in_a_batch_is_there_once() {
    let table = AuditTable::default();
    append(&healthy(&table), &[entry("p1", 1), entry("p1", 2), entry("p1", 1)]).unwrap();
    assert_eq!(table.events(&tenant()).unwrap(), ["p1#1", "p1#2"]);
}

#[test]
fn killed_after_a_part_of_its_batch_and_redelivered_nothing_is_lost() {
    let table = AuditTable::default();
    let all = entries("p1", 1..=60);
    // The second transaction never gets through: calls 0 and 1 are the first portion's.
    let died = append(&store(&table, |_, before| (before > 1).then_some(Answer::Lost)), &all);
    assert!(matches!(died, Err(StoreError::Unavailable(_))), "{died:?}");
    assert_eq!(table.events(&tenant()).unwrap().len(), APPENDED_MAX);
    append(&healthy(&table), &all).unwrap();
    assert_eq!(table.events(&tenant()).unwrap(), names("p1", 1..=60));
}

#[test]
fn an_answer_lost_after_the_transaction_landed_writes_no_second_row() {
    let table = AuditTable::default();
    let landing = table.clone();
    let lost = store(&table, move |call, _| {
        (call.operation == "TransactWriteItems").then(|| {
            landing.answer(call);
            Answer::Lost
        })
    });
    assert!(append(&lost, &entries("p1", 1..=3)).is_err());
    append(&healthy(&table), &entries("p1", 1..=4)).unwrap();
    assert_eq!(table.events(&tenant()).unwrap(), names("p1", 1..=4));
}

#[test]
fn a_late_transaction_of_a_dead_process_writes_nothing_over_what_came_since() {
    let table = AuditTable::default();
    let late = std::sync::Arc::new(std::sync::Mutex::new(None));
    let sent = late.clone();
    let dies = store(&table, move |call, _| {
        (call.operation == "TransactWriteItems").then(|| {
            *sent.lock().unwrap() = Some(call.clone());
            Answer::Lost
        })
    });
    assert!(append(&dies, &entries("p1", 1..=2)).is_err());
    append(&healthy(&table), &[entry("p2", 1), entry("p1", 1), entry("p1", 2)]).unwrap();
    let answer = table.answer(&late.lock().unwrap().take().unwrap());
    assert!(matches!(answer, Answer::Refused("TransactionCanceledException", _)), "{answer:?}");
    assert_eq!(table.events(&tenant()).unwrap(), ["p2#1", "p1#1", "p1#2"]);
}

#[test]
fn processes_that_write_to_one_log_at_once_lose_nothing_and_keep_their_order() {
    const PROCESSES: usize = 6;
    const REVISIONS: u64 = 40;
    let table = AuditTable::default();
    std::thread::scope(|scope| {
        for process in 0..PROCESSES {
            let table = &table;
            scope.spawn(move || {
                // Every third call is lost, before it is done or after.
                let calls = AtomicUsize::new(process);
                let landing = table.clone();
                let store = store(table, move |call, _| match calls.fetch_add(1, Ordering::Relaxed) % 7 {
                    3 => Some(Answer::Lost),
                    5 => {
                        landing.answer(call);
                        Some(Answer::Lost)
                    }
                    _ => None,
                });
                for revision in 1..=REVISIONS {
                    // Redelivered until it is through, with a record of the batch before.
                    let batch = entries(&format!("p{process}"), revision.saturating_sub(1).max(1)..=revision);
                    while append(&store, &batch).is_err() {}
                }
            });
        }
    });
    let events = table.events(&tenant()).unwrap();
    assert_eq!(events.len(), PROCESSES * 40, "each once");
    for process in 0..PROCESSES {
        let poll = format!("p{process}");
        let of_poll: Vec<String> =
            events.iter().filter(|event| event.starts_with(&format!("{poll}#"))).cloned().collect();
        assert_eq!(of_poll, names(&poll, 1..=REVISIONS));
    }
}

#[test]
fn a_throttled_table_is_passing_trouble_and_a_refused_form_is_none() {
    let cancelled = |code: &'static str| {
        let table = AuditTable::default();
        let store = store(&table, move |call, _| {
            let reasons = json!([{"Code": code}, {"Code": "None"}]);
            (call.operation == "TransactWriteItems")
                .then(|| Answer::Refused("TransactionCanceledException", json!({"CancellationReasons": reasons})))
        });
        append(&store, &entries("p1", 1..=1))
    };
    for code in ["ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"] {
        assert!(matches!(cancelled(code), Err(StoreError::Unavailable(_))), "{code}");
    }
    assert!(matches!(cancelled("ValidationError"), Err(StoreError::Broken(_))));
}

#[test]
fn what_goes_with_an_entry_is_written_with_it_or_not_at_all() {
    let key = Put::builder().table_name("t").item(keys::TENANT, string("k")).item(keys::ITEM, string("KEY"));
    let key = key.condition_expression("attribute_not_exists(#item)").build().unwrap();
    let other = TransactWriteItem::builder().put(key).build();
    let table = AuditTable::default();
    let store = healthy(&table);
    let append_with = |entry: &Entry| {
        run(store.append_with(&tenant(), entry, std::slice::from_ref(&other), &VirtualClock::new(at(0)), at(0)))
    };
    assert_eq!(append_with(&entry("k1", 1)).unwrap(), Appended::Done);
    assert_eq!(append_with(&entry("k1", 1)).unwrap(), Appended::Done, "its own earlier try");
    assert_eq!(append_with(&entry("k2", 1)).unwrap(), Appended::Refused);
    assert_eq!(table.events(&tenant()).unwrap(), ["k1#1"]);
}

#[test]
fn pages_lead_through_the_log_from_its_newest_row() {
    let table = AuditTable::default();
    append(&healthy(&table), &entries("p1", 1..=5)).unwrap();
    let page = |before| {
        let page = run(healthy(&table).page(&tenant(), before, 2)).unwrap();
        (page.rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), page.has_more)
    };
    assert_eq!(page(None), (vec![5, 4], true));
    assert_eq!(page(Some(4)), (vec![3, 2], true));
    assert_eq!(page(Some(2)), (vec![1], false));
    assert_eq!(page(Some(3)), (vec![2, 1], false), "no page is empty");
    assert_eq!(page(Some(1)), (vec![], false));
}

#[test]
fn a_row_knows_when_those_before_it_have_expired() {
    let table = AuditTable::default();
    append(&healthy(&table), &entries("p1", 1..=1)).unwrap();
    let later = at(1_000_000);
    run(healthy(&table).append(&tenant(), &entries("p1", 2..=2), &VirtualClock::new(later), later)).unwrap();
    let rows = run(healthy(&table).rows_after(&tenant(), 0)).unwrap();
    let is_oldest = |now| rows.iter().map(|row| row.may_be_the_oldest(now)).collect::<Vec<_>>();
    let (before, gone) = (at(0).plus_millis(ROW_LIFE_MS - 2_000), at(0).plus_millis(ROW_LIFE_MS));
    assert_eq!(is_oldest(gone), [false, true]);
    assert_eq!(is_oldest(before), [false, false]);
    assert_eq!(run(healthy(&table).rows_after(&tenant(), 2)).unwrap(), []);
}
