//! A vote as it is sent, and what a poll makes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};

use super::{
    ANSWER_CHARS_MAX, Answer, Ballot, Choices, Content, Ranking, Ratings, Segments, UNKNOWN, WRITE_IN_CHARS_MAX,
};
use crate::{
    caller::Caller,
    field_error::FieldError,
    poll::{Dimension, Kind, PollSpec, Rules, Source},
    time::Timestamp,
};

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
            segments: BTreeMap<String, String>,
        }
        let Sent { choices, other, ranking, ratings, text, segments } = Sent::deserialize(deserializer)?;
        let content = match (choices, other, ranking, ratings, text) {
            (Some(ids), other, None, None, None) => SentContent::Choices(ids, other),
            (None, Some(other), None, None, None) => SentContent::Choices(Vec::new(), Some(other)),
            (None, None, Some(ids), None, None) => SentContent::Ranking(ids),
            (None, None, None, Some(ratings), None) => SentContent::Ratings(ratings),
            (None, None, None, None, Some(text)) => SentContent::Text(text),
            (None, None, None, None, None) => return Err(de::Error::missing_field("choices")),
            _ => return Err(de::Error::custom("is more than one of `choices`, `ranking`, `ratings` and `text`")),
        };
        Ok(Self { content, segments })
    }
}

/// A field that may be absent, but not null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Rules {
    /// Checks the ballot that a voter sent against this poll, and adds what it is counted by besides.
    pub fn ballot(&self, sent: &SentBallot, caller: &Caller, cast_at: Timestamp) -> Result<Ballot, FieldError> {
        let content = self.content(&sent.content)?;
        let segments = self.settings.spec.segments_of(&sent.segments, caller)?;
        Ok(Ballot::new(content, segments, self.settings.slot_of(cast_at)))
    }

    fn content(&self, sent: &SentContent) -> Result<Content, FieldError> {
        let spec = &self.settings.spec;
        let (options, max) = (self.options, spec.max_choices);
        match (spec.kind, sent) {
            (Kind::Single | Kind::Multiple, SentContent::Choices(ids, other)) => self.choices(ids, other.as_deref()),
            (Kind::Ranked, SentContent::Ranking(ids)) => Ranking::parse(ids, options, max).map(Content::Ranking),
            (Kind::Rating, SentContent::Ratings(sent)) => {
                let pairs: Vec<_> = sent.iter().map(|rating| (rating.option, rating.value)).collect();
                let scale = spec.scale.ok_or_else(|| FieldError::new("/ratings", "belong to a poll with a scale"))?;
                Ratings::parse(&pairs, options, scale).map(Content::Ratings)
            }
            (Kind::Text, SentContent::Text(text)) => written(text, ANSWER_CHARS_MAX, "/text").map(Content::Text),
            (kind, _) => {
                Err(FieldError::new("", format!("is no vote of this poll: its votes have `{}`", field_of(kind))))
            }
        }
    }

    fn choices(&self, ids: &[u64], other: Option<&str>) -> Result<Content, FieldError> {
        let spec = &self.settings.spec;
        let Some(other) = other else {
            let choices = Choices::parse(ids, self.options, spec.max_choices)?;
            enough(ids.len(), spec)?;
            return Ok(if spec.correct.is_some() { Content::Quiz(choices) } else { Content::Choices(choices) });
        };
        if !spec.write_in {
            return Err(FieldError::new("/other", "is there, and the poll takes no other options than its own"));
        }
        let other = written(other, WRITE_IN_CHARS_MAX, "/other")?;
        let listed_max = spec.max_choices - 1;
        if ids.len() > usize::from(listed_max) {
            let detail = format!(
                "names {} options besides the one in `other`, and the poll takes at most {} in all",
                ids.len(),
                spec.max_choices
            );
            return Err(FieldError::new("/choices", detail));
        }
        let choices = if ids.is_empty() { None } else { Some(Choices::parse(ids, self.options, listed_max)?) };
        enough(ids.len() + 1, spec)?;
        Ok(Content::WriteIn(choices, other))
    }
}

/// Fails if a vote names fewer options than it must.
fn enough(named: usize, spec: &PollSpec) -> Result<(), FieldError> {
    let min = spec.min_choices;
    if named >= usize::from(min) {
        return Ok(());
    }
    Err(FieldError::new("/choices", format!("names {named} options, and the poll takes at least {min}")))
}

/// The field that a vote in a poll of this kind has.
fn field_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Single | Kind::Multiple => "choices",
        Kind::Ranked => "ranking",
        Kind::Rating => "ratings",
        Kind::Text => "text",
    }
}

fn written(raw: &str, chars_max: usize, pointer: &str) -> Result<Answer, FieldError> {
    Answer::parse(raw, chars_max).map_err(|error| FieldError::new(pointer, error))
}

impl PollSpec {
    /// The voter's values: those that were sent, and those of the token's claims. One that is none of the dimension's is
    /// unknown.
    fn segments_of(&self, sent: &BTreeMap<String, String>, caller: &Caller) -> Result<Segments, FieldError> {
        let is_said = |dimension: &Dimension, name: &str| dimension.from == Source::Vote && dimension.name == name;
        if let Some(name) = sent.keys().find(|name| !self.segments.iter().any(|dimension| is_said(dimension, name))) {
            return Err(FieldError::new(format!("/segments/{name}"), "is no segment that a vote of this poll says"));
        }
        let place = |dimension: &Dimension| {
            let value = match &dimension.from {
                Source::Vote => sent.get(&dimension.name).map(String::as_str),
                Source::Claim(claim) => caller.claim(claim),
            };
            value.map_or(UNKNOWN, |value| dimension.place_of(&landslide_text::nfc(value)))
        };
        let places: Vec<u8> = self.segments.iter().map(place).collect();
        Ok(Segments::of_places(&places).unwrap_or_default())
    }
}
