//! Votes, and what one more request of the same voter does (`decide`).

use serde::{Serialize, Serializer};

use super::{
    ballot::{Answer, Ballot, Choices, Content, Ranking, Ratings, Segments},
    ids::{PollId, VoterKey},
    poll::{Dimension, Rules, Settings, Status, VoteChange},
    time::Timestamp,
};

/// A vote as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// What the voter said. If `None`, the vote is retracted.
    pub ballot: Option<Ballot>,
    /// 1 for the first vote, one more with each change.
    pub revision: u32,
    /// When the vote was checked and let in.
    pub cast_at: Timestamp,
    /// The lane that counts it, fixed by the first vote.
    pub lane: u8,
    /// Random per request, so a retried write can tell that the stored vote is its own.
    pub nonce: u32,
}

/// A vote as the API shows it to its voter.
#[derive(Debug, Serialize)]
pub struct VoteView<'a> {
    poll_id: &'a PollId,
    #[serde(flatten)]
    content: ContentView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<SegmentsView<'a>>,
    revision: u32,
    cast_at: Timestamp,
}

/// What the voter says, in the fields in which it was sent.
#[derive(Debug, Default, Serialize)]
struct ContentView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<Choices>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<&'a Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ranking: Option<Ranking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratings: Option<&'a Ratings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a Answer>,
}

impl<'a> ContentView<'a> {
    fn of(ballot: &'a Ballot) -> Self {
        let none = Self::default();
        match ballot {
            Ballot::Choices(choices) => Self { choices: Some(*choices), ..none },
            Ballot::Full(full) => match &full.content {
                Content::Choices(choices) | Content::Quiz(choices) => Self { choices: Some(*choices), ..none },
                Content::WriteIn(choices, other) => Self { choices: *choices, other: Some(other), ..none },
                Content::Ranking(ranking) => Self { ranking: Some(*ranking), ..none },
                Content::Ratings(ratings) => Self { ratings: Some(ratings), ..none },
                Content::Text(text) => Self { text: Some(text), ..none },
            },
        }
    }
}

/// By the names of the poll's dimensions, the value that the vote counts in. Null if it is unknown.
#[derive(Debug)]
struct SegmentsView<'a> {
    dimensions: &'a [Dimension],
    segments: &'a Segments,
}

impl<'a> SegmentsView<'a> {
    fn of(ballot: &'a Ballot, dimensions: &'a [Dimension]) -> Option<Self> {
        match ballot {
            Ballot::Full(full) if !full.segments.is_empty() => Some(Self { dimensions, segments: &full.segments }),
            _ => None,
        }
    }
}

impl Serialize for SegmentsView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let places = self.segments.as_slice();
        let values =
            self.dimensions.iter().zip(places).map(|(dimension, place)| (&dimension.name, dimension.value_at(*place)));
        serializer.collect_map(values)
    }
}

impl Vote {
    /// The vote in this poll as its voter sees it. `None` if it is retracted.
    pub fn view<'a>(&'a self, poll: &'a Settings) -> Option<VoteView<'a>> {
        let ballot = self.ballot.as_ref()?;
        Some(VoteView {
            poll_id: &poll.poll_id,
            content: ContentView::of(ballot),
            segments: SegmentsView::of(ballot, &poll.spec.segments),
            revision: self.revision,
            cast_at: self.cast_at,
        })
    }
}

/// A voter's request to cast, change or retract.
#[derive(Clone, Debug)]
pub struct VoteRequest {
    /// The voter.
    pub voter: VoterKey,
    /// The ballot that is to stand. If `None`, the vote is to be retracted.
    pub ballot: Option<Ballot>,
    /// The revisions over which it may be written. If `None`, over any.
    pub only_over: Option<Revisions>,
    /// When the poll was checked.
    pub cast_at: Timestamp,
    /// Random per request.
    pub nonce: u32,
}

/// The revisions over which alone a request may write: of its `If-Match`, or of the page that it was sent from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revisions {
    /// Any revision.
    Any,
    /// One of these, as written in the header.
    Of(Vec<String>),
    /// The one that a page showed. If it showed no vote, 0: then there must be none.
    Shown(u32),
}

impl Revisions {
    /// Whether the revision is named.
    pub fn include(&self, revision: u64) -> bool {
        match self {
            Revisions::Any => true,
            Revisions::Of(revisions) => revisions.contains(&revision.to_string()),
            Revisions::Shown(shown) => u64::from(*shown) == revision,
        }
    }

    /// Whether a vote may be written where there is none.
    pub fn include_none(&self) -> bool {
        *self == Revisions::Shown(0)
    }

    /// Whether a poll's revision is named, alone or as its entity tag in any status.
    pub fn include_poll(&self, revision: u64) -> bool {
        match self {
            Revisions::Any => true,
            Revisions::Of(tags) => tags.iter().any(|tag| without_status(tag) == revision.to_string()),
            Revisions::Shown(_) => self.include(revision),
        }
    }
}

/// A poll's entity tag without its status.
fn without_status(tag: &str) -> &str {
    match tag.rsplit_once('-') {
        Some((revision, status)) if Status::ALL.iter().any(|known| known.name() == status) => revision,
        _ => tag,
    }
}

/// What to do with a voter's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write this vote over its previous revision. For the first revision there must be no vote.
    Write(Vote),
    /// This very request wrote the vote before, and its response was lost.
    OwnWrite(Vote),
    /// The vote already stands.
    Repeat(Vote),
    /// Another vote stands, and this poll's votes can't change.
    AlreadyVoted,
    /// It would retract a vote that can't be retracted.
    ChangeNotAllowed,
    /// The vote's revision is not one that the request names.
    RevisionMismatch,
    /// There is nothing to retract.
    NeverVoted,
}

/// Decides on a request, given the stored vote.
pub fn decide(stored: Option<&Vote>, asked: &VoteRequest, rules: &Rules) -> Decision {
    let Some(stored) = stored else { return decide_first(asked, rules) };
    if rules.say_the_same(stored.ballot.as_ref(), asked.ballot.as_ref()) {
        let own = (stored.nonce, stored.cast_at) == (asked.nonce, asked.cast_at);
        return if own { Decision::OwnWrite(stored.clone()) } else { Decision::Repeat(stored.clone()) };
    }
    if rules.settings.spec.vote_change == VoteChange::Never {
        return if asked.ballot.is_some() { Decision::AlreadyVoted } else { Decision::ChangeNotAllowed };
    }
    if asked.only_over.as_ref().is_some_and(|named| !named.include(u64::from(stored.revision))) {
        return Decision::RevisionMismatch;
    }
    Decision::Write(asked.vote(stored.revision.saturating_add(1), stored.lane))
}

fn decide_first(asked: &VoteRequest, rules: &Rules) -> Decision {
    match asked.ballot {
        None => Decision::NeverVoted,
        Some(_) if asked.only_over.as_ref().is_some_and(|named| !named.include_none()) => Decision::RevisionMismatch,
        Some(_) => Decision::Write(asked.vote(1, rules.partitions.of(&asked.voter).lane(rules.lanes))),
    }
}

impl VoteRequest {
    fn vote(&self, revision: u32, lane: u8) -> Vote {
        Vote { ballot: self.ballot.clone(), revision, cast_at: self.cast_at, lane, nonce: self.nonce }
    }
}

#[cfg(test)]
mod tests;
