//! What a voter says in one vote. Each kind of ballot has its own file, which decides what may be sent and names what
//! is wrong. Where kinds differ elsewhere (counters, entries, messages, views), a `match` over [`Content`] decides.

mod answer;
mod choices;
mod ranking;
mod ratings;
mod segments;
#[cfg(any(test, feature = "text"))]
mod sent;
mod stored;

pub use self::answer::{ANSWER_BYTES_MAX, ANSWER_CHARS_MAX, Answer, WRITE_IN_CHARS_MAX};
pub use self::choices::{Choices, OPTIONS_MAX};
pub use self::ranking::{RANKS_MAX, Ranking};
pub use self::ratings::{LEVELS_MAX, RATING_MAX, Rating, Ratings, Scale};
pub use self::segments::{DIMENSIONS_MAX, Segments, UNKNOWN, VALUES_MAX};
#[cfg(any(test, feature = "text"))]
pub use self::sent::{SentBallot, SentContent, SentRating};
pub use self::stored::{Field, Fields, RULES_NOW, SEE_BALLOT};
use crate::{field_error::FieldError, series::Slot};

/// A vote's content, checked against its poll's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ballot {
    /// Some of the poll's options, and nothing else: stored, sent and counted in the shortest form.
    Choices(Choices),
    /// All others.
    Full(Box<FullBallot>),
}

/// A ballot that is more than options, or that is counted by more than its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullBallot {
    /// What the voter says.
    pub content: Content,
    /// The voter's segments.
    pub segments: Segments,
    /// The slot of the poll's series that it was cast in. If `None`, the poll has no series.
    pub slot: Option<Slot>,
}

/// What a voter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Some of the poll's options.
    Choices(Choices),
    /// Some of the poll's options or none, and one that the voter wrote.
    WriteIn(Option<Choices>, Answer),
    /// Some of the options of a quiz.
    Quiz(Choices),
    /// Some of the poll's options, best first.
    Ranking(Ranking),
    /// A value for some of the poll's options.
    Ratings(Ratings),
    /// An answer in the voter's words.
    Text(Answer),
}

impl Content {
    /// The options that a counter counts, each once: those that are named, ranked first, or rated.
    pub fn for_each_counted(&self, mut count: impl FnMut(u8)) {
        match self {
            Self::Choices(choices) | Self::Quiz(choices) | Self::WriteIn(Some(choices), _) => {
                choices.iter().for_each(count);
            }
            Self::Ranking(ranking) => count(ranking.first()),
            Self::Ratings(ratings) => ratings.iter().for_each(|rating| count(rating.option)),
            Self::WriteIn(None, _) | Self::Text(_) => {}
        }
    }
}

impl Ballot {
    /// A ballot in the shortest form that holds all of it.
    pub fn new(content: Content, segments: Segments, slot: Option<Slot>) -> Self {
        match content {
            Content::Choices(choices) if segments.is_empty() && slot.is_none() => Self::Choices(choices),
            content => Self::Full(Box::new(FullBallot { content, segments, slot })),
        }
    }

    /// A ballot of this content alone.
    pub fn of(content: Content) -> Self {
        Self::new(content, Segments::default(), None)
    }

    /// A ballot from stored option ids: each below 100, at least one, none twice.
    pub fn of_options(ids: &[u64]) -> Option<Self> {
        Choices::of_ids(ids).map(Self::Choices)
    }

    /// A ballot from option bits. Returns `None` if no bit is set, or one past the last option.
    pub fn of_bits(bits: u128) -> Option<Self> {
        Choices::from_bits(bits).map(Self::Choices)
    }

    /// A ballot from a stored ranking: 1 to 10 ids below 100, none twice.
    pub fn of_ranking(ids: &[u64]) -> Option<Self> {
        Ranking::of_ids(ids).map(Content::Ranking).map(Self::of)
    }

    /// The options that it names, if that is all it says.
    pub fn choices(&self) -> Option<Choices> {
        match self {
            Self::Choices(choices) => Some(*choices),
            Self::Full(_) => None,
        }
    }

    /// Whether a voter says the same by both: all but the slot, and the segments that a token's claims decide.
    /// `is_said` tells of a dimension whether the voter says it.
    pub fn says_the_same(&self, other: &Self, is_said: impl Fn(usize) -> bool) -> bool {
        match (self, other) {
            (Self::Choices(one), Self::Choices(other)) => one == other,
            (Self::Full(one), Self::Full(other)) => {
                one.content == other.content && one.segments.are_the_same_in(&other.segments, is_said)
            }
            _ => false,
        }
    }
}

/// The option's id, if the poll has it.
fn known_option(id: u64, options: u8) -> Option<u8> {
    u8::try_from(id).ok().filter(|known| *known < options && usize::from(*known) < OPTIONS_MAX)
}

fn unknown_option(pointer: String, id: u64) -> FieldError {
    FieldError::new(pointer, format!("names option {id}, which the poll does not have"))
}

fn repeated_option(pointer: String, id: u64) -> FieldError {
    FieldError::new(pointer, format!("names option {id} again"))
}

fn too_many(pointer: &str, named: usize, max: u8) -> FieldError {
    FieldError::new(pointer, format!("names {}, and the poll takes at most {max}", options(named)))
}

/// A number of options, with the noun.
pub(crate) fn options(number: usize) -> String {
    if number == 1 { "1 option".to_owned() } else { format!("{number} options") }
}
