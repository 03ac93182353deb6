//! C4: results say how fresh they are, `as_of` never goes down, and voters see their own vote at once.

use crate::{
    events::Event,
    facts::{Expected, as_of},
    item::{Item, text},
    ledger::Ledger,
};

/// `as_of` only grows and is in the end the newest vote's time; a voter is shown no older vote than the one they were told of.
pub fn check(ledger: &Ledger, event: &Event<'_>, found: &mut dyn FnMut(String)) {
    match event {
        // A lane whose HEAD was deleted begins again, and may pass the version that its readers have seen.
        Event::CountWritten { former: Some(former), count }
            if as_of(former) > as_of(count) && !ledger.is_headless(text(count, "poll_lane")) =>
        {
            found(format!("as_of of {} went down", text(count, "poll_lane")));
        }
        Event::OwnVoteShown { voter, told, shown }
            if shown.as_ref().is_none_or(|shown| shown.revision < told.vote.revision) =>
        {
            found(format!("{voter:?} was told {told:?}, and saw {shown:?} then"));
        }
        Event::Drained(drained) => {
            let nothing = Expected::default();
            for (head, count) in &drained.lanes {
                let expected = drained.expected.get(text(head, "poll_lane")).unwrap_or(&nothing);
                for item in [Some(*head), *count].into_iter().flatten() {
                    check_as_of(ledger, expected, item, found);
                }
            }
        }
        _ => {}
    }
}

fn check_as_of(ledger: &Ledger, expected: &Expected, item: &Item, found: &mut dyn FnMut(String)) {
    let (kind, lane) = (text(item, "item"), text(item, "poll_lane"));
    // A rebuild knows of former revisions only what HEAD says.
    let oldest = if ledger.is_sealed(lane) { expected.newest_standing } else { expected.newest };
    let stored = as_of(item);
    if !(oldest..=expected.newest).contains(&stored) {
        found(format!("{kind} of {lane} is as of {stored}, its newest vote {}", expected.newest));
    }
}
