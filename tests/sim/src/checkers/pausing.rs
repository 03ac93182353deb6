//! C8: a paused poll takes no vote from `paused_from` on until it is resumed, and nobody is told of a pause that is not.

use landslide_domain::lease::CONFIG_LEASE_MS;

use crate::{
    events::{Event, OwnerTold},
    facts::Times,
    faults::SKEW_MS,
    item::{Item, text},
    ledger::Ledger,
};

/// How long before it begins, in true time, a pause must have landed to be known everywhere: as a closing.
const PROPAGATION_MS: u64 = CONFIG_LEASE_MS + SKEW_MS;

/// A vote that lands in a paused poll was cast before the pause; a pause lands in time, and only a resume ends it; an owner
/// is told of the pause that there is.
pub fn check(ledger: &Ledger, event: &Event<'_>, found: &mut dyn FnMut(String)) {
    match event {
        Event::VoteWritten { poll, voter, revision } => {
            let paused_from = ledger.find_poll(poll).and_then(|poll| poll.times_now().paused_from);
            if paused_from.is_some_and(|paused_from| revision.cast_at >= paused_from) {
                found(format!("{poll} {voter:032x} {revision:?} came in the pause from {paused_from:?} on"));
            }
        }
        Event::RulesWritten { poll, rules, times, .. } => {
            if let Some(before) = ledger.find_poll(poll).and_then(|poll| poll.times.last()) {
                check_change(poll, before, times, rules, found);
            }
        }
        Event::OwnerTold(told) => check_told(ledger, told, found),
        _ => {}
    }
}

fn check_change(poll: &str, before: &Times, times: &Times, rules: &Item, found: &mut dyn FnMut(String)) {
    let (was, now) = (before.paused_from, times.paused_from);
    if was == now {
        return;
    }
    match now {
        Some(paused_from) if paused_from < times.from + PROPAGATION_MS => {
            found(format!("{poll} is paused from {paused_from} on, which landed at {}, too late", times.from));
        }
        None if !text(rules, "stamp").contains("poll.resumed") => {
            found(format!("the pause of {poll} from {was:?} on ended at {} without a resume", times.from));
        }
        _ => {}
    }
}

fn check_told(ledger: &Ledger, told: &OwnerTold<'_>, found: &mut dyn FnMut(String)) {
    let OwnerTold { poll, began, paused_from, asked_for_pause, .. } = told;
    if ledger.poll(poll).times_since(*began).iter().all(|times| times.paused_from != *paused_from) {
        found(format!("the owner of {poll} was told that it is paused from {paused_from:?} on, which it was not"));
    }
    if asked_for_pause.is_some_and(|asked| asked != paused_from.is_some()) {
        found(format!("the owner of {poll} asked for a pause ({asked_for_pause:?}) and got {paused_from:?}"));
    }
}
