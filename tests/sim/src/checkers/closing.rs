//! C6: no vote is accepted at or after `closes_at`, closing early is as strict, and a closed poll stays closed.

use landslide_domain::lease::CONFIG_LEASE_MS;

use crate::{
    events::{Event, VoterTold},
    facts::Times,
    faults::SKEW_MS,
    ledger::{Ledger, PollLedger},
};

/// How long before its closing, in true time, a change must have landed to be known everywhere: the lease of one whose
/// clock is ahead and who read the poll just before. In milliseconds.
const PROPAGATION_MS: u64 = CONFIG_LEASE_MS + SKEW_MS;

/// A closing lands in time and is final; no vote is outside the poll's times, nor comes in once the results after the closing
/// are out; an owner is told of no closing that the poll never had.
pub fn check(ledger: &Ledger, event: &Event<'_>, found: &mut dyn FnMut(String)) {
    match event {
        Event::RulesWritten { poll, times, .. } => {
            if let Some(before) = ledger.find_poll(poll).and_then(|poll| poll.times.last()) {
                check_change(poll, before, times, found);
            }
        }
        Event::VoterTold(VoterTold { voter, time: (began, _), answer: Ok(told), .. }) if told.is_new => {
            let published_at = ledger.poll(&voter.poll).published_at;
            if published_at.is_some_and(|published_at| published_at < *began) {
                found(format!("{voter:?} voted at {began}, when the results after closing were out"));
            }
        }
        Event::Drained(_) => {
            for (poll, of_poll) in ledger.polls() {
                check_votes(poll, of_poll, found);
                for told in
                    of_poll.told.iter().filter(|told| of_poll.times.iter().all(|times| times.closes_at != **told))
                {
                    found(format!("the owner of {poll} was told that it closes at {told:?}, which it never did"));
                }
            }
        }
        _ => {}
    }
}

fn check_change(poll: &str, before: &Times, times: &Times, found: &mut dyn FnMut(String)) {
    let (at, now) = (times.from, times.closes_at);
    if let Some(was) = before.closes_at
        && was <= at + SKEW_MS
        && now.is_none_or(|closes_at| closes_at > was)
    {
        found(format!("{poll} closed at {was}, and at {at} that became {now:?}: it opened again"));
    }
    if let Some(closes_at) = now
        && before.closes_at.is_none_or(|before| closes_at < before)
        && closes_at < at + PROPAGATION_MS
        // A process that remembers a poll which is not open yet reads it again at its opening.
        && before.opens_at.is_none_or(|opens_at| opens_at <= at + SKEW_MS)
    {
        found(format!("{poll} closes at {closes_at}, which landed at {at}, too late to be known everywhere"));
    }
}

fn check_votes(poll: &str, of_poll: &PollLedger, found: &mut dyn FnMut(String)) {
    let Times { opens_at, closes_at, .. } = of_poll.times_now();
    for (voter, revision) in of_poll.revisions() {
        if closes_at.is_some_and(|closes_at| revision.cast_at >= closes_at) {
            found(format!("{poll} {voter:032x} {revision:?} came after the closing at {closes_at:?}"));
        }
        if opens_at.is_some_and(|opens_at| revision.cast_at < opens_at) {
            found(format!("{poll} {voter:032x} {revision:?} came before the opening at {opens_at:?}"));
        }
    }
}
