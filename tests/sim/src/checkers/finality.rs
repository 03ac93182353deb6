//! C10: counts that are final are a recount of the votes, and from then on no response differs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    events::Event,
    facts::{counters_in, poll_of},
    item::{Item, text},
    ledger::Ledger,
};

/// The record is written once, says how many votes stand and how far the lanes were off before, and stays. From then on no
/// lane's counts change, and a reader who is shown final counts is shown those that the votes make.
pub fn check(ledger: &Ledger, event: &Event<'_>, found: &mut dyn FnMut(String)) {
    match event {
        Event::RulesWritten { poll, rules, .. } => check_record(ledger, poll, rules, found),
        Event::HeadWritten { former, head } => check_lane(ledger, *former, head, found),
        Event::CountWritten { former, count } => check_lane(ledger, *former, count, found),
        Event::FinalShown { poll, ballots, counts } => {
            let mut shown = BTreeMap::new();
            for (name, count) in counts.iter().flat_map(|count| count.counters.iter()) {
                *shown.entry(name.to_owned()).or_default() += count;
            }
            let votes = recount(ledger, poll);
            if without_zeros(shown.clone()) != votes {
                found(format!("{poll}: shown as final {shown:?}, a recount {votes:?}"));
            }
            if *ballots != votes.get("ballots").copied().unwrap_or_default() {
                found(format!("{poll}: {ballots} ballots are said to be final, a recount {votes:?}"));
            }
        }
        _ => {}
    }
}

fn check_record(ledger: &Ledger, poll: &str, rules: &Item, found: &mut dyn FnMut(String)) {
    let record = |rules: &Item| rules.get("final").and_then(|record| record.as_s().ok().cloned());
    let before = ledger.find_poll(poll).and_then(|poll| poll.final_record.clone());
    match (before, record(rules)) {
        (Some(before), now) if now.as_ref() != Some(&before) => {
            found(format!("{poll} was final by {before}, and is by {now:?}"));
        }
        (None, Some(record)) => {
            if rules.contains_key("due") {
                found(format!("{poll} is final by {record}, and due"));
            }
            check_off(ledger, poll, &record, found);
        }
        _ => {}
    }
}

/// The record says by how much the lanes were off when they were sealed.
fn check_off(ledger: &Ledger, poll: &str, record: &str, found: &mut dyn FnMut(String)) {
    let Some(sealed) = ledger.sealed_with(poll) else { return };
    let record: Value = serde_json::from_str(record).expect("a record");
    let told = ["missing", "surplus"].map(|what| record["off"][what].as_u64());
    let (recount, none) = (ledger.recount(), BTreeMap::new());
    let (mut missing, mut surplus) = (0, 0);
    for (lane, sealed) in sealed {
        let votes = recount.get(lane).map_or(&none, |expected| &expected.counters);
        let names: BTreeSet<&String> = sealed.keys().chain(votes.keys()).collect();
        for name in names {
            let [sealed, votes] = [sealed, votes].map(|counters| counters.get(name).copied().unwrap_or_default());
            missing += votes.saturating_sub(sealed).max(0).unsigned_abs();
            surplus += sealed.saturating_sub(votes).max(0).unsigned_abs();
        }
    }
    if told != [Some(missing), Some(surplus)] {
        found(format!("{poll} is final by {record}, but {missing} were missing and {surplus} too much"));
    }
}

/// A lane of a poll that is final says the same at each further version.
fn check_lane(ledger: &Ledger, former: Option<&Item>, item: &Item, found: &mut dyn FnMut(String)) {
    let lane = text(item, "poll_lane");
    let is_final = ledger.find_poll(poll_of(lane)).is_some_and(|poll| poll.final_record.is_some());
    if !is_final {
        return;
    }
    let before = former.map(counters_in).unwrap_or_default();
    let now = counters_in(item);
    if without_zeros(before.clone()) != without_zeros(now.clone()) {
        let kind = text(item, "item");
        found(format!("{kind} of {lane}, which is final, changes from {before:?} to {now:?}"));
    }
}

/// What the poll's votes sum up to.
fn recount(ledger: &Ledger, poll: &str) -> BTreeMap<String, i64> {
    let mut all = BTreeMap::new();
    for (_, expected) in ledger.recount().iter().filter(|(lane, _)| poll_of(lane) == poll) {
        for (name, count) in &expected.counters {
            *all.entry(name.clone()).or_default() += count;
        }
    }
    without_zeros(all)
}

fn without_zeros(counters: BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    counters.into_iter().filter(|(_, count)| *count != 0).collect()
}
