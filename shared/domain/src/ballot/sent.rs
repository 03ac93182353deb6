//! A vote as it is sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};

/// A vote's content as sent: the types are right, nothing else is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentBallot {
    /// What the voter says.
    pub content: SentContent,
    /// By the names of dimensions, which values the voter has.
    pub segments: BTreeMap<String, String>,
}

/// What a voter says, as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentContent {
    /// Ids of the options chosen, in any order, and one that the voter wrote.
    Choices(Vec<u64>, Option<String>),
    /// Ids of options, best first.
    Ranking(Vec<u64>),
    /// Options' values.
    Ratings(Vec<SentRating>),
    /// An answer.
    Text(String),
    /// Several of these at once, or segments alone: no poll takes that.
    Mixed,
}

/// An option's value, as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentRating {
    /// Which option.
    pub option: u64,
    /// Its value.
    pub value: i64,
}

impl From<SentContent> for SentBallot {
    fn from(content: SentContent) -> Self {
        Self { content, segments: BTreeMap::new() }
    }
}

impl<'de> Deserialize<'de> for SentBallot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default, rename = "struct SentBallot")]
        struct Sent {
            #[serde(deserialize_with = "given")]
            choices: Option<Vec<u64>>,
            #[serde(deserialize_with = "given")]
            other: Option<String>,
            #[serde(deserialize_with = "given")]
            ranking: Option<Vec<u64>>,
            #[serde(deserialize_with = "given")]
            ratings: Option<Vec<SentRating>>,
            #[serde(deserialize_with = "given")]
            text: Option<String>,
            #[serde(deserialize_with = "given")]
            segments: Option<BTreeMap<String, String>>,
        }
        let Sent { choices, other, ranking, ratings, text, segments } = Sent::deserialize(deserializer)?;
        let content = match (choices, other, ranking, ratings, text) {
            (Some(ids), other, None, None, None) => SentContent::Choices(ids, other),
            (None, Some(other), None, None, None) => SentContent::Choices(Vec::new(), Some(other)),
            (None, None, Some(ids), None, None) => SentContent::Ranking(ids),
            (None, None, None, Some(ratings), None) => SentContent::Ratings(ratings),
            (None, None, None, None, Some(text)) => SentContent::Text(text),
            (None, None, None, None, None) if segments.is_none() => return Err(de::Error::missing_field("choices")),
            _ => SentContent::Mixed,
        };
        Ok(Self { content, segments: segments.unwrap_or_default() })
    }
}

/// A field that may be absent, but not null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
