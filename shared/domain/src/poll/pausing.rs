//! Pausing a poll, and resuming it.
//!
//! A pause is as strict as a closing: it begins 9 s ahead, when every process knows it. Unlike a closing it is not final,
//! so a resume takes effect within a second: a process that remembers the pause reads the poll again before it refuses a vote.

use super::Poll;
use crate::{
    lease::{CLOSING_FIXED_MS, PROPAGATION_MS},
    time::Timestamp,
};

/// Pauses the poll as early as possible: 9 s from now. If it is paused or will be, returns the very poll. `again` is
/// explained at `edit::EditPoll::apply`.
pub fn pause(poll: &Poll, now: Timestamp, again: bool) -> Poll {
    // What somebody may be told is paused stays so.
    let is_fixed = |paused_from: Timestamp| paused_from <= now.plus_millis(CLOSING_FIXED_MS);
    if poll.rules.settings.paused_from.is_some_and(|paused_from| !again || is_fixed(paused_from)) {
        return poll.clone();
    }
    changed(poll, Some(now.plus_millis(PROPAGATION_MS)))
}

/// Resumes the poll. If it is not paused, returns the very poll.
pub fn resume(poll: &Poll) -> Poll {
    if poll.rules.settings.paused_from.is_some() { changed(poll, None) } else { poll.clone() }
}

fn changed(poll: &Poll, paused_from: Option<Timestamp>) -> Poll {
    let mut changed = poll.clone();
    changed.rules.settings.paused_from = paused_from;
    changed.rules.settings.revision += 1;
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{at, poll_asked_for};

    fn paused_from_and_revision(poll: &Poll) -> (Option<Timestamp>, u64) {
        (poll.rules.settings.paused_from, poll.rules.settings.revision)
    }

    fn poll() -> Poll {
        poll_asked_for(json!({"question": "Q", "options": ["a", "b"]}), at(0)).unwrap()
    }

    #[test]
    fn a_pause_is_as_early_as_can_be_and_once() {
        let paused = pause(&poll(), at(100), false);
        assert_eq!(paused_from_and_revision(&paused), (Some(at(109)), 2));
        assert_eq!(paused.rules.options_revision, 1);
        for now in [100, 105, 109, 200] {
            assert_eq!(pause(&paused, at(now), false), paused, "at {now}");
        }
    }

    #[test]
    fn a_pause_that_landed_late_moves_away_while_nobody_can_be_told_that_it_has_begun() {
        let paused = pause(&poll(), at(100), false);
        assert_eq!(paused_from_and_revision(&pause(&paused, at(104), true)), (Some(at(113)), 3));
        for now in [105, 109, 200] {
            assert_eq!(pause(&paused, at(now), true), paused, "at {now}");
        }
    }

    #[test]
    fn a_resumed_poll_is_as_before_but_for_its_revision() {
        let resumed = resume(&pause(&poll(), at(100), false));
        assert_eq!(paused_from_and_revision(&resumed), (None, 3));
        assert_eq!(resume(&resumed), resumed);
        assert_eq!(paused_from_and_revision(&pause(&resumed, at(200), false)), (Some(at(209)), 4));
    }
}
