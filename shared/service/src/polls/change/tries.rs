//! The writes of one change whose outcome is unknown, or that were slow.

use landslide_domain::{error::Error, lease::CONFIG_WRITE_MS, poll::Poll, time::Timestamp};

/// What one request has tried to write over a poll, and what is known of that.
#[derive(Default)]
pub struct Tries {
    tries: Vec<Try>,
    /// When the try that stands was decided, by the last look.
    stands_since: Option<Timestamp>,
    /// Whether one may still land: over the revision that stood at the last look.
    may_still_land: bool,
    /// Whether one may have landed and been replaced by somebody else's change before it was seen.
    is_lost_sight_of: bool,
}

struct Try {
    poll: Poll,
    decided_at: Timestamp,
}

impl Tries {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        !self.tries.is_empty()
    }

    /// Notes a try that may land at any time, or landed late.
    pub fn note(&mut self, poll: Poll, decided_at: Timestamp) {
        self.tries.push(Try { poll, decided_at });
    }

    /// Holds the poll that stands against the tries; whether it is one of them. One of a revision that stands is settled:
    /// it landed, or never will.
    pub fn look_at(&mut self, current: &Poll) -> bool {
        let revision = current.rules.settings.revision;
        let standing = self.tries.iter().find(|tried| tried.poll.is_but_for_lanes(current));
        self.stands_since = standing.map(|tried| tried.decided_at);
        let passed = |tried: &&Try| tried.poll.rules.settings.revision < revision;
        self.is_lost_sight_of |= standing.is_none() && self.tries.iter().any(|tried| passed(&tried));
        self.may_still_land = self.tries.iter().any(|tried| tried.poll.rules.settings.revision > revision);
        standing.is_some()
    }

    /// Whether the try that stands landed by a time, soon enough after it was decided to hold as it says.
    pub fn landed_by(&self, now: Timestamp) -> bool {
        self.stands_since.is_some_and(|decided_at| now.millis_since(decided_at) <= CONFIG_WRITE_MS)
    }

    /// Whether a try may still land.
    pub fn may_still_land(&self) -> bool {
        self.may_still_land
    }

    /// What the caller is told. A refusal says that nothing was changed; where that is not known, the change is unavailable.
    pub fn told(&self, settled: Result<Poll, Error>) -> Result<Poll, Error> {
        match settled {
            Err(_) if self.is_lost_sight_of || self.stands_since.is_some() => {
                Err(Error::Unavailable("a poll's change may have landed before somebody else's".to_owned()))
            }
            settled => settled,
        }
    }
}
