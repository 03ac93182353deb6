//! C7: bad input is refused with its reason, and changes nothing.

use landslide_domain::error::Error;

use crate::{events::Event, ledger::Ledger};

/// An owner is refused for what an owner can do wrong, and has changed nothing then; what nobody can read is put aside.
pub fn check(ledger: &Ledger, event: &Event<'_>, found: &mut dyn FnMut(String)) {
    match event {
        // A closing before the opening is not valid.
        Event::OwnerRefused {
            refusal:
                Error::NotEditable(_)
                | Error::PollNotOpen
                | Error::PollClosed
                | Error::RevisionMismatch
                | Error::InvalidFields(_),
            ..
        } => {}
        Event::OwnerRefused { refusal, .. } => found(format!("an owner was refused: {refusal:?}")),
        Event::Drained(drained) => {
            for (poll, of_poll) in ledger.polls() {
                for by in of_poll.refused_by.intersection(&of_poll.changed_by) {
                    found(format!("the owner of {poll} was refused by invocation {by}, which changed the poll"));
                }
            }
            for text in ledger.garbage().filter(|text| !(drained.is_put_aside)(text)) {
                found(format!("{text:?} can't be read and was not put aside"));
            }
        }
        _ => {}
    }
}
