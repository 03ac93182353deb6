//! What a voter says in one vote. Each kind of ballot has a file: what may be sent, and what is wrong with it. Where kinds differ
//! otherwise (counters, messages, attributes, views), a `match` over [`Ballot`] says how.

mod choices;

use serde::Deserialize;

pub use self::choices::{BallotError, Choices, OPTIONS_MAX};

/// A vote's content as it is sent: right types, nothing else looked at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentBallot {
    /// Ids of the options chosen, in any order.
    pub choices: Vec<u64>,
}

/// A vote's content, valid by the rules of its poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ballot {
    /// Some of the poll's options.
    Choices(Choices),
}

impl Ballot {
    /// A ballot as it was sent to a poll of `options` options that lets a voter name at most `max`.
    pub(crate) fn parse(sent: &SentBallot, options: u8, max: u8) -> Result<Self, BallotError> {
        Choices::parse(&sent.choices, options, max).map(Self::Choices)
    }

    /// A ballot for stored options: any ids below 100, one at least, none twice.
    pub fn of_options(ids: &[u64]) -> Option<Self> {
        Choices::of_ids(ids).map(Self::Choices)
    }

    /// A ballot for the options whose bits are set. `None` for no bits, or for one past the last option.
    pub fn of_bits(bits: u128) -> Option<Self> {
        Choices::from_bits(bits).map(Self::Choices)
    }
}
