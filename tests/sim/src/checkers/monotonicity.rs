//! C5: the counts that readers see never go down where votes can't change.

use std::collections::BTreeMap;

use crate::{
    events::Event,
    facts::{counters, poll_of},
    item::text,
    ledger::Ledger,
};

/// No counter of a COUNT is lower than before, unless someone has changed it by hand.
pub fn check(ledger: &Ledger, event: &Event<'_>, found: &mut dyn FnMut(String)) {
    let Event::CountWritten { former: Some(former), count } = event else { return };
    let lane = text(count, "poll_lane");
    if ledger.is_tampered(lane) || ledger.find_poll(poll_of(lane)).is_none_or(|poll| !poll.is_fixed) {
        return;
    }
    let now: BTreeMap<&str, i64> = counters(count).collect();
    for (name, before) in counters(former).filter(|(name, before)| now.get(name).unwrap_or(&0) < before) {
        found(format!("{name} of {lane} went down from {before} to {:?}", now.get(name)));
    }
}
