//! What falls due in a poll by itself, and where that is noted, so that who looks minute by minute finds it.

use super::{
    ids::PollId,
    poll::Rules,
    time::{MINUTE_MS, Timestamp},
};

/// How long after closing the last votes may land, with a wide margin: a function's timeout is seconds. In milliseconds.
pub const LANDED_MS: u64 = 5 * MINUTE_MS;
/// Over how many keys a minute's polls are spread.
pub const SHARES: u8 = 16;

/// What is done in a poll by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Its counts are made final.
    Finalise,
}

impl Job {
    /// All of them.
    pub const ALL: [Job; 1] = [Job::Finalise];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Job::Finalise => "finalise",
        }
    }
}

/// A minute since the Unix epoch, and one of the shares of its polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The minute's number.
    pub minute: u64,
    /// Which share, below `SHARES`.
    pub share: u8,
}

impl Slot {
    /// The slot of a poll in which something is due at this time: the first minute that begins no earlier.
    fn of(poll: &PollId, at: Timestamp) -> Self {
        Self { minute: at.as_millis().div_ceil(MINUTE_MS), share: share_of(poll) }
    }

    /// All shares of a minute.
    pub fn all_of(minute: u64) -> impl Iterator<Item = Slot> {
        (0..SHARES).map(move |share| Slot { minute, share })
    }
}

/// Which of the shares a poll is in.
pub fn share_of(poll: &PollId) -> u8 {
    poll.as_str().bytes().fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)) % SHARES
}

/// The minute that has begun.
pub fn minute_of(now: Timestamp) -> u64 {
    now.as_millis() / MINUTE_MS
}

impl Rules {
    /// What is due in the poll next, and when. A poll without an end has nothing.
    pub fn due(&self) -> Option<(Job, Timestamp)> {
        let closes_at = self.settings.spec.closes_at.filter(|_| self.finality.is_none())?;
        Some((Job::Finalise, closes_at.plus_millis(LANDED_MS)))
    }

    /// Where that is noted.
    pub fn due_slot(&self) -> Option<Slot> {
        self.due().map(|(_, at)| Slot::of(&self.settings.poll_id, at))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        poll::Finality,
        testing::{at, poll_asked_for},
    };

    fn rules(closes_at: Option<u64>) -> Rules {
        let body = json!({"question": "Q", "options": ["a", "b"], "closes_at": closes_at.map(at)});
        poll_asked_for(body, at(0)).unwrap().rules
    }

    #[test]
    fn a_poll_is_made_final_once_five_minutes_after_its_closing() {
        let mut closing = rules(Some(30));
        assert_eq!(closing.due(), Some((Job::Finalise, at(330))));
        closing.finality = Some(Finality::default());
        assert_eq!((closing.due(), closing.due_slot()), (None, None));
        assert_eq!(rules(None).due(), None);
    }

    #[test]
    fn nothing_is_found_before_it_is_due() {
        for seconds in 1..200 {
            let rules = rules(Some(seconds));
            let (due, slot) = (rules.due().unwrap().1, rules.due_slot().unwrap());
            let found = Timestamp::EPOCH.plus_millis(slot.minute * MINUTE_MS);
            assert!(due <= found && found.millis_since(due) < MINUTE_MS, "{due} {found}");
            assert_eq!(minute_of(found), slot.minute);
        }
    }

    #[test]
    fn polls_are_spread_over_all_shares() {
        let of = |number: u8| Slot::of(&PollId::from_bytes([number.wrapping_mul(37); 16]), at(0)).share;
        let shares: std::collections::BTreeSet<u8> = (0..=u8::MAX).map(of).collect();
        assert!(shares.len() > 12 && shares.iter().all(|share| *share < SHARES), "{shares:?}");
        assert_eq!(Slot::all_of(7).count(), usize::from(SHARES));
    }
}
