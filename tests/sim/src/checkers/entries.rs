//! C9: a lane's entries belong to its counters at each version that anybody sees, and in the end are a recount of the votes; a
//! lane that has none says so, and has a reason.

use landslide_counting::tallies::reading::ReadError;
use landslide_domain::runs::Dropped;

use crate::{
    entries::{LaneEntries, RunRow, counters_of},
    events::{Drained, Event, Shown},
    facts::{Expected, counters_in, poll_of},
    item::{Item, text},
    ledger::{LaneRuns, Ledger},
};

/// Rankings add up to the ballots and first choices beside them, in HEAD and COUNT and for a reader; no row that one of these
/// names is missing; entries are dropped only for a reason, and a rebuild brings them back; in the end they are a recount's,
/// and no row is left that nothing names.
pub fn check(ledger: &Ledger, event: &Event<'_>, found: &mut dyn FnMut(String)) {
    match event {
        Event::HeadWritten { former, head } => {
            check_item(ledger, head, found);
            check_dropping(ledger, *former, head, found);
        }
        Event::CountWritten { count, .. } => check_item(ledger, count, found),
        Event::RunRowDeleted { lane, row } => check_deletion(ledger, lane, *row, found),
        Event::EntriesShown { lane, shown } if !ledger.is_tampered(lane) => check_shown(ledger, lane, *shown, found),
        Event::Drained(drained) => check_end(ledger, drained, found),
        _ => {}
    }
}

fn check_item(ledger: &Ledger, item: &Item, found: &mut dyn FnMut(String)) {
    let (kind, lane) = (text(item, "item"), text(item, "poll_lane"));
    let Some(poll) = ledger.find_poll(poll_of(lane)) else { return };
    if !poll.is_ranked {
        if item.contains_key("entries") {
            found(format!("{kind} of {lane} has entries, and its votes are no rankings"));
        }
        return;
    }
    let entries = LaneEntries::of(item);
    if entries.has_too_many_last_runs() {
        found(format!("{kind} of {lane} names several runs of the last level"));
    }
    if entries.dropped.is_some() {
        if !entries.runs.is_empty() || !entries.near.is_empty() {
            found(format!("{kind} of {lane} has dropped its entries, and has some: {entries:?}"));
        }
    } else if !ledger.is_tampered(lane) {
        check_sums(ledger, item, &entries, found);
    }
}

fn check_sums(ledger: &Ledger, item: &Item, entries: &LaneEntries, found: &mut dyn FnMut(String)) {
    let (kind, lane) = (text(item, "item"), text(item, "poll_lane"));
    let none = LaneRuns::default();
    let runs = ledger.runs_of(lane).unwrap_or(&none);
    for row in runs.missing(entries) {
        found(format!("{kind} of {lane} names a row that is gone: {row:?}"));
    }
    let Some(sum) = runs.sum(entries) else { return };
    let (sums, counters) = (counters_of(sum.iter().map(|(key, count)| (&key[1..], *count))), counters_in(item));
    if sums != counters {
        found(format!("{kind} of {lane} says {counters:?}, and its entries {sums:?}"));
    }
}

/// Entries are dropped if a run was lost, or if some process has a limit that was reached; and come back by a rebuild alone.
fn check_dropping(ledger: &Ledger, former: Option<&Item>, head: &Item, found: &mut dyn FnMut(String)) {
    let lane = text(head, "poll_lane");
    let (before, now) = (former.map(LaneEntries::of).unwrap_or_default(), LaneEntries::of(head));
    match (before.dropped.as_deref(), now.dropped.as_deref()) {
        (None, Some(reason)) => {
            let is_lost = ledger.runs_of(lane).is_some_and(|runs| runs.has_lost_one_of(&before.runs));
            let has_all_runs = before.runs.len() >= ledger.least_limit(|limits| limits.runs_max);
            let bytes: u64 = before.runs.iter().map(|run| u64::from(run.bytes)).sum();
            let are_many = bytes > ledger.least_limit(|limits| limits.merged_bytes_max) as u64;
            let has_reason = match reason {
                "lost" => is_lost || has_all_runs,
                _ => are_many,
            };
            if !has_reason {
                found(format!("{lane} drops its entries as {reason} for no reason: {before:?}"));
            }
        }
        (Some(_), None) if !former.is_some_and(|former| former.contains_key("sealed")) => {
            found(format!("{lane} has entries again, though nobody rebuilds it"));
        }
        _ => {}
    }
}

fn check_deletion(ledger: &Ledger, lane: &str, row: RunRow, found: &mut dyn FnMut(String)) {
    let namers = ledger.runs_of(lane).map(|runs| runs.namers(row)).unwrap_or_default();
    if !namers.is_empty() && !ledger.is_tampered(lane) {
        found(format!("{row:?} of {lane} is deleted, and {namers:?} names it"));
    }
}

fn check_shown(ledger: &Ledger, lane: &str, shown: Result<Shown<'_>, &ReadError>, found: &mut dyn FnMut(String)) {
    match shown {
        Ok((count, Ok(entries))) => {
            let sums = counters_of(entries.rankings());
            let counters = count.counters.iter().filter(|(_, count)| *count != 0);
            let counters = counters.map(|(name, count)| (name.to_owned(), count)).collect();
            if sums != counters {
                found(format!("a reader of {lane} sees {counters:?}, and entries of {sums:?}"));
            }
        }
        Ok((count, Err(Dropped::Lost))) if count.entries.kept.ballots.dropped.is_none() => {
            if !ledger.runs_of(lane).is_some_and(LaneRuns::has_lost_any) {
                found(format!("a reader of {lane} takes a run for lost, and none is"));
            }
        }
        Ok((_, Err(_))) => {}
        Err(error) => found(format!("a reader sees no entries of {lane}: {error}")),
    }
}

fn check_end(ledger: &Ledger, drained: &Drained<'_>, found: &mut dyn FnMut(String)) {
    let nothing = Expected::default();
    for (head, count) in &drained.lanes {
        let lane = text(head, "poll_lane");
        if !ledger.find_poll(poll_of(lane)).is_some_and(|poll| poll.is_ranked) {
            continue;
        }
        let expected = drained.expected.get(lane).unwrap_or(&nothing);
        for item in [Some(*head), *count].into_iter().flatten() {
            check_end_of_lane(ledger, lane, expected, item, found);
        }
    }
    for (lane, runs) in ledger.runs() {
        for row in runs.unnamed() {
            found(format!("{row:?} of {lane} is left, and nothing names it"));
        }
    }
}

fn check_end_of_lane(ledger: &Ledger, lane: &str, expected: &Expected, item: &Item, found: &mut dyn FnMut(String)) {
    let kind = text(item, "item");
    let entries = LaneEntries::of(item);
    let none = LaneRuns::default();
    let runs = ledger.runs_of(lane).unwrap_or(&none);
    let sum = if entries.dropped.is_none() { runs.sum(&entries) } else { None };
    match sum {
        Some(sum) if sum != expected.entries => {
            found(format!("{kind} of {lane} has the entries {sum:?}, a recount {:?}", expected.entries));
        }
        // Whether they were dropped for a reason was seen then.
        None if ledger.is_rebuilt(poll_of(lane)) => {
            found(format!("{kind} of {lane} has no entries after a rebuild: {entries:?}"));
        }
        _ => {}
    }
}
