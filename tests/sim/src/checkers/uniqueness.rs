//! C1: a voter has one counted vote in a poll, however many requests race.

use crate::{
    events::{Event, VoterTold},
    ledger::Ledger,
};

/// Revisions of a vote follow each other, a vote that can't change has one, and no two requests are told that they wrote the
/// same one.
pub fn check(ledger: &Ledger, event: &Event<'_>, found: &mut dyn FnMut(String)) {
    match event {
        Event::VoteWritten { poll, voter, revision } => {
            let before = ledger.poll(poll).revisions_of(*voter);
            if revision.number != before + 1 {
                found(format!("{poll} {voter:032x} has revision {} after {before}", revision.number));
            }
            if before > 0 && ledger.poll(poll).is_fixed {
                found(format!("{poll} {voter:032x} has a second vote, and votes do not change there"));
            }
        }
        Event::VoterTold(VoterTold { voter, answer: Ok(told), .. }) if told.is_new => {
            let number = u64::from(told.vote.revision);
            if ledger.find_poll(&voter.poll).is_none_or(|poll| poll.is_claimed((voter.key, number))) {
                found(format!("{voter:?}: two requests were told that they wrote revision {number}"));
            }
        }
        _ => {}
    }
}
