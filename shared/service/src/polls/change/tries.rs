//! One change's writes that were slow, or whose outcome is unknown.

use landslide_domain::{error::Error, lease::CONFIG_WRITE_MS, poll::Poll, time::Timestamp};

/// What one request has tried to write over a poll, and what is known about it.
#[derive(Default)]
pub struct Tries {
    tries: Vec<Try>,
    /// When the try that now stands was decided, as of the last read.
    stands_since: Option<Timestamp>,
    /// Whether a try may still land, over the revision of the last read.
    may_still_land: bool,
    /// Whether a try may have landed and been replaced by someone else's change, unseen.
    is_lost_sight_of: bool,
}

struct Try {
    poll: Poll,
    decided_at: Timestamp,
}

impl Tries {
    /// Whether there is any try.
    pub fn any(&self) -> bool {
        !self.tries.is_empty()
    }

    /// Records a try that may land at any time, or that landed late.
    pub fn note(&mut self, poll: Poll, decided_at: Timestamp) {
        self.tries.push(Try { poll, decided_at });
    }

    /// Compares the current poll with the tries. Returns whether it is one of them. A try with a revision that now
    /// stands is settled: it landed, or never will.
    pub fn look_at(&mut self, current: &Poll) -> bool {
        let revision = current.rules.settings.revision;
        let standing = self.tries.iter().find(|tried| tried.poll.is_but_for_counting(current));
        self.stands_since = standing.map(|tried| tried.decided_at);
        let passed = |tried: &&Try| tried.poll.rules.settings.revision < revision;
        self.is_lost_sight_of |= standing.is_none() && self.tries.iter().any(|tried| passed(&tried));
        self.may_still_land = self.tries.iter().any(|tried| tried.poll.rules.settings.revision > revision);
        standing.is_some()
    }

    /// Whether the current try landed by `now`, soon enough after its decision to hold.
    pub fn landed_by(&self, now: Timestamp) -> bool {
        self.stands_since.is_some_and(|decided_at| now.millis_since(decided_at) <= CONFIG_WRITE_MS)
    }

    /// Whether a try may still land.
    pub fn may_still_land(&self) -> bool {
        self.may_still_land
    }

    /// What the caller is told. A refusal means that nothing changed; if that is not certain, the change is
    /// unavailable.
    pub fn told(&self, settled: Result<Poll, Error>) -> Result<Poll, Error> {
        match settled {
            Err(_) if self.is_lost_sight_of || self.stands_since.is_some() => {
                Err(Error::Unavailable("a change to the poll may have landed before someone else's".to_owned()))
            }
            settled => settled,
        }
    }
}
