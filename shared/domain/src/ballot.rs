//! What a voter says in one vote. Each kind of ballot has its own file, which decides what may be sent and names what
//! is wrong. Where kinds differ elsewhere (counters, messages, attributes, views), a `match` over [`Ballot`] decides.

mod choices;
mod ranking;

use serde::Deserialize;

pub use self::choices::{BallotError, Choices, OPTIONS_MAX};
pub use self::ranking::{RANKS_MAX, Ranking};

/// A vote's content as sent: the types are right, nothing else is checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentBallot {
    /// Ids of the options chosen, in any order.
    pub choices: Vec<u64>,
}

/// A vote's content, checked against its poll's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ballot {
    /// Some of the poll's options.
    Choices(Choices),
}

impl Ballot {
    /// Checks a ballot for a poll with `options` options, where a voter may name at most `max`.
    pub(crate) fn parse(sent: &SentBallot, options: u8, max: u8) -> Result<Self, BallotError> {
        Choices::parse(&sent.choices, options, max).map(Self::Choices)
    }

    /// A ballot from stored option ids: each below 100, at least one, none twice.
    pub fn of_options(ids: &[u64]) -> Option<Self> {
        Choices::of_ids(ids).map(Self::Choices)
    }

    /// A ballot from option bits. Returns `None` if no bit is set, or one past the last option.
    pub fn of_bits(bits: u128) -> Option<Self> {
        Choices::from_bits(bits).map(Self::Choices)
    }
}
