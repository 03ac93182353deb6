//! C9: a lane's entries belong to its counters at each version that anybody sees, and in the end are a recount of the votes; a
//! lane that has none says so, and has a reason.

use std::collections::BTreeMap;

use landslide_counting::tallies::reading::ReadError;
use landslide_domain::{
    entries::{PerSet, Set},
    runs::Dropped,
};

use crate::{
    entries::{Kept, LaneEntries, Multiset, NamedRun, Part, RunRow, Sums, add_sums, folded},
    events::{Drained, Event, Shown},
    facts::{Expected, Shape, counters_in, poll_of},
    item::{Item, text},
    ledger::{LaneRuns, Ledger, Unreadable},
};

/// Rankings, answers, rows and levels add up to the counters beside them, in HEAD and COUNT and for a reader; no row that one
/// of these names is missing; a merge loses nothing, and says what it folds; entries are dropped only for a reason of their
/// own multiset, and a rebuild brings them back; in the end they are a recount's, and no row is left that nothing names.
pub fn check(ledger: &Ledger, event: &Event<'_>, found: &mut dyn FnMut(String)) {
    match event {
        Event::HeadWritten { former, head } => {
            check_item(ledger, head, found);
            check_changes(ledger, *former, head, found);
        }
        Event::CountWritten { count, .. } => check_item(ledger, count, found),
        Event::VoteWritten { poll, revision, .. } => {
            let Some(shape) = ledger.find_poll(poll).map(|poll| &poll.shape) else { return };
            let slot = revision.slot();
            if revision.ballot.is_some() && slot != shape.slot_of(revision.cast_at) {
                found(format!("a vote of {poll}, cast at {}, has slot {slot:?}: {shape:?}", revision.cast_at));
            }
        }
        Event::RunRowDeleted { lane, row } => check_deletion(ledger, lane, *row, found),
        Event::EntriesShown { lane, shown } if !ledger.is_tampered(lane) => check_shown(ledger, lane, *shown, found),
        Event::Drained(drained) => check_end(ledger, drained, found),
        _ => {}
    }
}

fn check_item(ledger: &Ledger, item: &Item, found: &mut dyn FnMut(String)) {
    let (kind, lane) = (text(item, "item"), text(item, "poll_lane"));
    let Some(poll) = ledger.find_poll(poll_of(lane)) else { return };
    let parts = poll.shape.parts();
    if parts.is_empty() {
        if LaneEntries::are_in(item) {
            found(format!("{kind} of {lane} has entries, and its votes are plain: {:?}", poll.shape));
        }
        return;
    }
    let entries = LaneEntries::of(item);
    let counters = counters_in(item);
    for set in Set::ALL {
        let kept = entries.kept.of(set);
        if kept.has_too_many_last_runs() {
            found(format!("{kind} of {lane} names several runs of the last level in {set:?}"));
        }
        if kept.dropped.is_some() {
            if !kept.is_empty() {
                found(format!("{kind} of {lane} has dropped its {set:?}, and has some: {kept:?}"));
            }
        } else if !ledger.is_tampered(lane) {
            let what = format!("{kind} of {lane}");
            check_sums(ledger, (lane, &what), (&poll.shape, &counters), (set, kept), found);
        }
    }
}

/// Counters by name.
type Counters = BTreeMap<String, i64>;

fn check_sums(
    ledger: &Ledger,
    (lane, what): (&str, &str),
    (shape, counters): (&Shape, &Counters),
    (set, kept): (Set, &Kept),
    found: &mut dyn FnMut(String),
) {
    let none = LaneRuns::default();
    let runs = ledger.runs_of(lane).unwrap_or(&none);
    for row in runs.missing(&kept.runs) {
        found(format!("{what} names a row of {set:?} that is gone: {row:?}"));
    }
    match runs.sums(kept) {
        Some(Ok(sums)) => compare(shape, set, &sums, counters, &mut |how| found(format!("{what}: {how}"))),
        Some(Err(Unreadable)) if !runs.has_lost_any() => found(format!("{what} has {set:?} that can't be read")),
        _ => {}
    }
}

/// Whether a part is kept in a multiset.
fn is_in(part: Part, set: Set) -> bool {
    let is_of_ballots = matches!(part, Part::Rankings | Part::Quiz | Part::Texts | Part::WriteIns);
    is_of_ballots == (set == Set::Ballots)
}

/// Each part's ballots are all ballots, and its options those of the counters.
fn compare(shape: &Shape, set: Set, sums: &Sums, counters: &Counters, found: &mut dyn FnMut(String)) {
    let parts: Vec<(Part, bool)> = shape.parts().into_iter().filter(|(part, _)| is_in(*part, set)).collect();
    let ballots = counters.get("ballots").copied().unwrap_or_default();
    let by_option = |id: u8| counters.get(&format!("o{id}")).copied().unwrap_or_default();
    for ((part, option), sum) in sums {
        if *sum != 0 && !parts.iter().any(|(known, _)| known == part) {
            found(format!("{set:?} have {sum} of {part:?}, {option:?}, which its votes do not have"));
        }
    }
    for (part, is_all) in parts {
        let sum = |option: Option<u8>| sums.get(&(part, option)).copied().unwrap_or_default();
        if is_all && sum(None) != ballots {
            found(format!("{part:?} add up to {}, and there are {ballots} ballots", sum(None)));
        }
        if part == Part::WriteIns && shape.has_write_ins_for_options() {
            let listed: i64 = (0..100).map(by_option).sum();
            if sum(None) + listed != ballots {
                found(format!("{} write-ins and {listed} options, and there are {ballots} ballots", sum(None)));
            }
        }
        if matches!(part, Part::Texts | Part::WriteIns) {
            continue;
        }
        for id in 0..100 {
            if sum(Some(id)) != by_option(id) {
                found(format!("{part:?} of option {id} add up to {}, and o{id} is {}", sum(Some(id)), by_option(id)));
            }
        }
    }
}

fn check_changes(ledger: &Ledger, former: Option<&Item>, head: &Item, found: &mut dyn FnMut(String)) {
    let lane = text(head, "poll_lane");
    if !LaneEntries::are_in(head) && !former.is_some_and(LaneEntries::are_in) {
        return;
    }
    let (before, now) = (former.map(LaneEntries::of).unwrap_or_default(), LaneEntries::of(head));
    for set in Set::ALL {
        let (before, now) = (before.kept.of(set), now.kept.of(set));
        check_dropping(ledger, (lane, set), (before, now), head, found);
        if let Some(merged) = now.merged_since(before)
            && !head.contains_key("sealed")
            && !ledger.is_tampered(lane)
        {
            let gone: Vec<NamedRun> = before.runs.iter().filter(|run| !now.runs.contains(run)).copied().collect();
            check_merge(ledger, (lane, set), (&gone, merged), found);
        }
    }
}

/// Entries are dropped if a run was lost, or if some process has a limit that was reached; and come back by a rebuild alone.
/// Texts are never too many.
fn check_dropping(
    ledger: &Ledger,
    (lane, set): (&str, Set),
    (before, now): (&Kept, &Kept),
    head: &Item,
    found: &mut dyn FnMut(String),
) {
    match (before.dropped.as_deref(), now.dropped.as_deref()) {
        (None, Some(reason)) => {
            let is_lost = ledger.runs_of(lane).is_some_and(|runs| runs.has_lost_one_of(&before.runs));
            let has_all_runs = before.runs.len() >= ledger.least_limit(|limits| limits.runs_max);
            let bytes: u64 = before.runs.iter().map(|run| u64::from(run.bytes)).sum();
            let are_many = bytes > ledger.least_limit(|limits| limits.merged_bytes_max) as u64;
            let parts = ledger.find_poll(poll_of(lane)).map(|poll| poll.shape.parts()).unwrap_or_default();
            let are_texts = parts.iter().any(|(part, _)| matches!(part, Part::Texts | Part::WriteIns));
            let has_reason = match reason {
                "lost" => is_lost || has_all_runs,
                _ => are_many && !(are_texts && set == Set::Ballots),
            };
            if !has_reason {
                found(format!("{lane} drops its {set:?} as {reason} for no reason: {before:?}"));
            }
        }
        (Some(_), None) if !head.contains_key("sealed") => {
            found(format!("{lane} has {set:?} again, though nobody rebuilds it"));
        }
        _ => {}
    }
}

/// A merged run is the sum of those in whose place it is. If it is too long, only the most frequent texts are kept, all others
/// are counted as one, and by how much a count may be wrong is said.
fn check_merge(
    ledger: &Ledger,
    (lane, set): (&str, Set),
    (gone, merged): (&[NamedRun], &NamedRun),
    found: &mut dyn FnMut(String),
) {
    let Some(runs) = ledger.runs_of(lane).filter(|runs| !runs.has_lost_any()) else { return };
    let (Some(Ok(sum)), Some(Ok(written))) = (runs.sum_of(gone), runs.sum_of([merged])) else {
        return found(format!("{lane} merges {gone:?} of {set:?}, which can't be read, or {merged:?} can't"));
    };
    let missed_before: u64 = gone.iter().map(|run| run.missed).sum();
    if sum == written {
        if merged.missed != missed_before {
            found(format!("{lane} merges runs that have missed {missed_before}, and says {}", merged.missed));
        }
        return;
    }
    let is_left_out = |key: &[u8]| folded(key).is_some() && !written.contains_key(key);
    let (left_out, mut rest): (Multiset, Multiset) = sum.into_iter().partition(|(key, _)| is_left_out(key));
    let least_kept = rest.iter().filter(|(key, _)| folded(key).is_some()).map(|(_, count)| *count).min();
    let greatest = left_out.values().max().copied();
    for (key, count) in &left_out {
        *rest.entry(folded(key).expect("a text")).or_default() += count;
    }
    rest.retain(|_, count| *count != 0);
    let missed = missed_before + left_out.values().map(|count| count.unsigned_abs()).max().unwrap_or_default();
    if rest != written || merged.missed != missed {
        let said = merged.missed;
        found(format!("{lane} folds {set:?} to {written:?}, missing {said}; it is {rest:?}, missing {missed}"));
    }
    if least_kept.zip(greatest).is_some_and(|(kept, left_out)| kept < left_out) {
        found(format!("{lane} folds a text that {greatest:?} said, and keeps one that {least_kept:?} said"));
    }
}

fn check_deletion(ledger: &Ledger, lane: &str, row: RunRow, found: &mut dyn FnMut(String)) {
    let namers = ledger.runs_of(lane).map(|runs| runs.namers(row)).unwrap_or_default();
    if !namers.is_empty() && !ledger.is_tampered(lane) {
        found(format!("{row:?} of {lane} is deleted, and {namers:?} names it"));
    }
}

fn check_shown(ledger: &Ledger, lane: &str, shown: Result<Shown<'_>, &ReadError>, found: &mut dyn FnMut(String)) {
    let (count, entries) = match shown {
        Ok(shown) => shown,
        Err(error) => return found(format!("a reader sees no entries of {lane}: {error}")),
    };
    let shape = &ledger.poll(poll_of(lane)).shape;
    let counters = count.counters.iter().map(|(name, count)| (name.to_owned(), count)).collect();
    entries.map(|set, entries| match entries {
        Ok(entries) => {
            let mut sums = Sums::new();
            let mut wrong = |how| found(format!("a reader of {lane} sees {how}"));
            match add_sums(&mut sums, entries.iter()) {
                Some(()) => compare(shape, set, &sums, &counters, &mut wrong),
                None => wrong(format!("{set:?} that are no ballot's")),
            }
        }
        Err(Dropped::Lost) if count.entries.kept.of(set).dropped.is_none() => {
            if !ledger.runs_of(lane).is_some_and(LaneRuns::has_lost_any) {
                found(format!("a reader of {lane} takes a run for lost, and none is"));
            }
        }
        Err(_) => {}
    });
}

fn check_end(ledger: &Ledger, drained: &Drained<'_>, found: &mut dyn FnMut(String)) {
    let nothing = Expected::default();
    for (head, count) in &drained.lanes {
        let lane = text(head, "poll_lane");
        if ledger.find_poll(poll_of(lane)).is_none_or(|poll| poll.shape.parts().is_empty()) {
            continue;
        }
        let expected = drained.expected.get(lane).unwrap_or(&nothing);
        for item in [Some(*head), *count].into_iter().flatten() {
            check_end_of_lane(ledger, lane, &expected.entries, item, found);
        }
    }
    for (lane, runs) in ledger.runs() {
        for row in runs.unnamed() {
            found(format!("{row:?} of {lane} is left, and nothing names it"));
        }
    }
}

fn check_end_of_lane(
    ledger: &Ledger,
    lane: &str,
    expected: &PerSet<Multiset>,
    item: &Item,
    found: &mut dyn FnMut(String),
) {
    let kind = text(item, "item");
    let none = LaneRuns::default();
    let runs = ledger.runs_of(lane).unwrap_or(&none);
    LaneEntries::of(item).kept.map(|set, kept| {
        let sum = if kept.dropped.is_none() { runs.sum(&kept) } else { None };
        match sum {
            Some(Ok(sum)) if !is_recount(&sum, expected.of(set), kept.missed()) => {
                let (expected, missed) = (expected.of(set), kept.missed());
                found(format!("{kind} of {lane} has the {set:?} {sum:?}, missing {missed}, a recount {expected:?}"));
            }
            Some(Err(Unreadable)) => found(format!("{kind} of {lane} has {set:?} that can't be read")),
            // Whether they were dropped for a reason was seen then.
            None if ledger.is_rebuilt(poll_of(lane)) => {
                found(format!("{kind} of {lane} has no {set:?} after a rebuild: {kept:?}"));
            }
            _ => {}
        }
    });
}

/// Whether entries are a recount's: all that are no texts; and each text to within `missed`, with the same total.
fn is_recount(sum: &Multiset, recount: &Multiset, missed: u64) -> bool {
    if missed == 0 {
        return sum == recount;
    }
    let count = |entries: &Multiset, key: &[u8]| entries.get(key).copied().unwrap_or_default();
    let total = |entries: &Multiset, kind: u8| -> i64 {
        entries.iter().filter(|(key, _)| key[0] == kind).map(|(_, count)| *count).sum()
    };
    let mut keys = sum.keys().chain(recount.keys());
    let is_near = |key: &Vec<u8>| {
        let difference = count(sum, key).abs_diff(count(recount, key));
        match key[0] {
            b't' | b'w' => key.len() == 1 || difference <= missed,
            _ => difference == 0,
        }
    };
    keys.all(is_near) && [b't', b'w'].iter().all(|kind| total(sum, *kind) == total(recount, *kind))
}
