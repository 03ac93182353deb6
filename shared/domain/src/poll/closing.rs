//! Closing a poll, and why it is strict.
//!
//! Processes remember a poll for a lease. A change is known everywhere only after that lease, the clocks' skew and the
//! time until its write lands: 9 s together. So a poll closes 9 s ahead at the earliest. From 9 s before it opens, only
//! its closing and its peak may change. A closing that is seconds away can't move: a poll that was once shown as closed
//! never opens again.

use super::{Poll, Settings};
use crate::{
    lease::{CLOSING_FIXED_MS, PROPAGATION_MS},
    time::Timestamp,
};

/// Whether the poll is closed, or so close to it that a changed closing might land too late.
pub(super) fn is_fixed(current: &Settings, now: Timestamp) -> bool {
    current.spec.closes_at.is_some_and(|closes_at| closes_at <= now.plus_millis(CLOSING_FIXED_MS))
}

/// Closes the poll as early as possible: 9 s from now. If it already closes before that, returns the very poll. `again`
/// is explained at `edit::EditPoll::apply`.
pub fn close(poll: &Poll, now: Timestamp, again: bool) -> Poll {
    let earliest = now.plus_millis(PROPAGATION_MS);
    let mut closed = poll.clone();
    let settings = &mut closed.rules.settings;
    let closes_before = settings.spec.closes_at.is_some_and(|closes_at| closes_at <= earliest);
    let keeps = if again { is_fixed(settings, now) } else { closes_before };
    if !keeps {
        settings.spec.closes_at = Some(earliest);
        settings.revision += 1;
    }
    closed
}

/// The very poll under its next revision. Once it is stored, no write over the previous revision can land.
pub fn fence(poll: &Poll) -> Poll {
    let mut fenced = poll.clone();
    fenced.rules.settings.revision += 1;
    fenced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, poll_asked_for};
    use serde_json::json;

    fn poll(opens: Option<u64>, closes: Option<u64>) -> Poll {
        let body = json!({"question": "Q", "options": ["a", "b"], "kind": "multiple",
            "opens_at": opens.map(at), "closes_at": closes.map(at)});
        poll_asked_for(body, at(0)).unwrap()
    }

    #[test]
    fn a_fence_changes_the_revision_alone() {
        let fenced = fence(&poll(None, Some(200)));
        assert_eq!((fenced.rules.settings.revision, fenced.rules.options_revision), (2, 1));
        let mut before = fenced.clone();
        before.rules.settings.revision = 1;
        assert_eq!(before, poll(None, Some(200)));
    }

    #[test]
    fn closing_is_as_early_as_can_be_and_once() {
        let closed = close(&poll(None, None), at(100), false);
        assert_eq!((closed.rules.settings.spec.closes_at, closed.rules.settings.revision), (Some(at(109)), 2));
        assert_eq!(close(&closed, at(105), false), closed);
        assert_eq!(close(&poll(None, Some(105)), at(100), false), poll(None, Some(105)));
        assert_eq!(close(&poll(None, Some(200)), at(100), false).rules.settings.spec.closes_at, Some(at(109)));
        let late = close(&closed, at(104), true);
        assert_eq!((late.rules.settings.spec.closes_at, late.rules.settings.revision), (Some(at(113)), 3));
        for now in [105, 109, 200] {
            assert_eq!(close(&closed, at(now), true), closed, "what somebody may be told is closed stays so");
        }
    }
}
