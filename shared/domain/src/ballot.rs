//! What a voter says in one vote. Each kind of ballot has its own file, which decides what may be sent and names what
//! is wrong. Where kinds differ elsewhere (counters, messages, attributes, views), a `match` over [`Ballot`] decides.

mod choices;
mod ranking;

use serde::{Deserialize, Deserializer, de};

pub use self::choices::{BallotError, Choices, OPTIONS_MAX};
pub use self::ranking::{RANKS_MAX, Ranking};

/// A vote's content as sent: the types are right, nothing else is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentBallot {
    /// Ids of the options chosen, in any order.
    Choices(Vec<u64>),
    /// Ids of options, best first.
    Ranking(Vec<u64>),
}

impl<'de> Deserialize<'de> for SentBallot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default, rename = "struct SentBallot")]
        struct Sent {
            #[serde(deserialize_with = "given")]
            choices: Option<Vec<u64>>,
            #[serde(deserialize_with = "given")]
            ranking: Option<Vec<u64>>,
        }
        match Sent::deserialize(deserializer)? {
            Sent { choices: Some(ids), ranking: None } => Ok(Self::Choices(ids)),
            Sent { choices: None, ranking: Some(ids) } => Ok(Self::Ranking(ids)),
            Sent { choices: Some(_), ranking: Some(_) } => Err(de::Error::custom("has both `choices` and `ranking`")),
            Sent { choices: None, ranking: None } => Err(de::Error::missing_field("choices")),
        }
    }
}

/// A field that may be absent, but not null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u64>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

/// A vote's content, checked against its poll's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ballot {
    /// Some of the poll's options.
    Choices(Choices),
    /// Some of the poll's options, best first.
    Ranking(Ranking),
}

impl Ballot {
    /// A ballot from stored option ids: each below 100, at least one, none twice.
    pub fn of_options(ids: &[u64]) -> Option<Self> {
        Choices::of_ids(ids).map(Self::Choices)
    }

    /// A ballot from option bits. Returns `None` if no bit is set, or one past the last option.
    pub fn of_bits(bits: u128) -> Option<Self> {
        Choices::from_bits(bits).map(Self::Choices)
    }

    /// The options that it names, if that is all it says.
    pub fn choices(self) -> Option<Choices> {
        match self {
            Self::Choices(choices) => Some(choices),
            Self::Ranking(_) => None,
        }
    }

    /// A ballot from a stored ranking: 1 to 10 ids below 100, none twice.
    pub fn of_ranking(ids: &[u64]) -> Option<Self> {
        Ranking::of_ids(ids).map(Self::Ranking)
    }
}
