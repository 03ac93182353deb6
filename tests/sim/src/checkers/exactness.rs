//! C3: once drained, counts equal a recount of the votes, whatever came twice, out of order, late or from the dead letters.

use std::collections::BTreeSet;

use crate::{
    events::{Drained, Event},
    facts::{Expected, counters_in},
    item::{Item, text},
    ledger::Ledger,
};

/// A poll's lanes only grow and its votes lie in them; no message is given up too soon; in the end all is drained, each revision
/// counted once, and each lane says what a recount says.
pub fn check(ledger: &Ledger, event: &Event<'_>, found: &mut dyn FnMut(String)) {
    match event {
        Event::RulesWritten { poll, times, .. } => {
            let before = ledger.find_poll(poll).and_then(|poll| poll.times.last());
            if before.is_some_and(|before| before.lanes > times.lanes) {
                let (lanes, from) = (times.lanes, times.from);
                found(format!("{poll} has {lanes} lanes from {from} on, which are fewer than before"));
            }
        }
        Event::VoteWritten { poll, revision, .. } => {
            let lanes = ledger.poll(poll).times_now().lanes;
            if revision.lane >= lanes {
                found(format!("a vote of lane {} in a poll of {lanes} lanes", revision.lane));
            }
        }
        Event::DeadLetter { after_ms, least_ms } if after_ms < least_ms => {
            found(format!("a message is a dead letter after {after_ms} ms already"));
        }
        Event::Stuck(what) => found((*what).to_owned()),
        Event::Drained(drained) => {
            if !drained.is_queue_empty {
                found("the queue is not empty".to_owned());
            }
            counted_twice(ledger, |_, what| found(format!("double: {what}")));
            check_lanes(drained, found);
        }
        _ => {}
    }
}

/// How often revisions were counted beyond the first time, or without being stored.
pub fn double(ledger: &Ledger) -> u64 {
    let mut double = 0;
    counted_twice(ledger, |beyond, _| double += u64::from(beyond));
    double
}

fn counted_twice(ledger: &Ledger, mut found: impl FnMut(u32, String)) {
    for (lane, counted) in ledger.counted() {
        let (poll, number) = lane.split_once('#').expect("a poll and a lane");
        for ((voter, revision), times) in counted {
            let stored = ledger.find_poll(poll).and_then(|poll| poll.revision(*voter, *revision));
            let is_stored = stored.is_some_and(|stored| number.parse() == Ok(stored.lane));
            let beyond = if is_stored { times - 1 } else { *times };
            if beyond > 0 {
                found(beyond, format!("{voter:032x} revision {revision} was counted {times} times in {lane}"));
            }
        }
    }
}

fn check_lanes(drained: &Drained<'_>, found: &mut dyn FnMut(String)) {
    let nothing = Expected::default();
    let mut known = BTreeSet::new();
    for (head, count) in &drained.lanes {
        let lane = text(head, "poll_lane");
        known.insert(lane);
        let expected = drained.expected.get(lane).unwrap_or(&nothing);
        check_lane(lane, expected, head, found);
        match count {
            Some(count) => check_lane(lane, expected, count, found),
            None => found(format!("lane {lane} has no COUNT")),
        }
    }
    for lane in drained.expected.keys().filter(|lane| !known.contains(lane.as_str())) {
        found(format!("lane {lane} has votes and no HEAD"));
    }
}

fn check_lane(lane: &str, expected: &Expected, item: &Item, found: &mut dyn FnMut(String)) {
    let stored = counters_in(item);
    if stored != expected.counters {
        let kind = text(item, "item");
        found(format!("{kind} of {lane} says {stored:?}, a recount {:?}", expected.counters));
    }
}
