//! Votes: what, when, and what becomes of one more.

use serde::Serialize;

use super::{
    ballot::{Ballot, Choices},
    ids::{PollId, VoterKey},
    poll::{Rules, Status, VoteChange},
    time::Timestamp,
};

/// A vote as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// What the voter said. If `None`, the vote is retracted.
    pub ballot: Option<Ballot>,
    /// 1 at the first cast, one more with each change.
    pub revision: u32,
    /// When the check was made that let it in.
    pub cast_at: Timestamp,
    /// The lane that counts it, fixed at the first cast.
    pub lane: u8,
    /// Random per request, so a retried write can tell that the stored vote is its own.
    pub nonce: u32,
}

/// A vote as the API shows it to its voter.
#[derive(Debug, Serialize)]
pub struct VoteView<'a> {
    poll_id: &'a PollId,
    choices: Choices,
    revision: u32,
    cast_at: Timestamp,
}

impl Vote {
    /// The vote as its voter sees it, `None` if it is retracted.
    pub fn view<'a>(&self, poll_id: &'a PollId) -> Option<VoteView<'a>> {
        let Ballot::Choices(choices) = self.ballot?;
        Some(VoteView { poll_id, choices, revision: self.revision, cast_at: self.cast_at })
    }
}

/// What a voter asks for.
#[derive(Clone, Debug)]
pub struct VoteRequest {
    /// Who.
    pub voter: VoterKey,
    /// What is to stand. If `None`, no vote is: it is retracted.
    pub ballot: Option<Ballot>,
    /// Only if the vote that stands has one of these revisions; none: whatever stands.
    pub only_over: Option<Revisions>,
    /// When the poll was found to take it.
    pub cast_at: Timestamp,
    /// A random number of this request.
    pub nonce: u32,
}

/// Revisions that a request names (`If-Match`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revisions {
    /// Any that exists.
    Any,
    /// One of these, as they are written.
    Of(Vec<String>),
}

impl Revisions {
    /// Whether a revision is named.
    pub fn include(&self, revision: u64) -> bool {
        match self {
            Revisions::Any => true,
            Revisions::Of(revisions) => revisions.contains(&revision.to_string()),
        }
    }

    /// Whether a poll's revision is named, alone or as the entity tag of the poll in any status.
    pub fn include_poll(&self, revision: u64) -> bool {
        match self {
            Revisions::Any => true,
            Revisions::Of(tags) => tags.iter().any(|tag| without_status(tag) == revision.to_string()),
        }
    }
}

/// A poll's entity tag without the status that it ends in.
fn without_status(tag: &str) -> &str {
    match tag.rsplit_once('-') {
        Some((revision, status)) if Status::ALL.iter().any(|known| known.name() == status) => revision,
        _ => tag,
    }
}

/// What is to be done about what a voter asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write this vote, over the revision before its own (none for the first).
    Write(Vote),
    /// This very request has written it before, and the answer was lost.
    OwnWrite(Vote),
    /// It stands already.
    Repeat(Vote),
    /// Another vote stands, and votes in this poll can't change.
    AlreadyVoted,
    /// It would take back a vote that can't be taken back.
    ChangeNotAllowed,
    /// Another revision stands than the request names.
    RevisionMismatch,
    /// There is nothing to take back.
    NeverVoted,
}

/// Weighs what is asked for against what stands.
pub fn decide(stored: Option<&Vote>, asked: &VoteRequest, rules: &Rules) -> Decision {
    let Some(stored) = stored else { return decide_first(asked, rules) };
    if stored.ballot == asked.ballot {
        let own = (stored.nonce, stored.cast_at) == (asked.nonce, asked.cast_at);
        return if own { Decision::OwnWrite(*stored) } else { Decision::Repeat(*stored) };
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
        Some(_) if asked.only_over.is_some() => Decision::RevisionMismatch,
        Some(_) => Decision::Write(asked.vote(1, rules.partitions.of(&asked.voter).lane(rules.lanes))),
    }
}

impl VoteRequest {
    fn vote(&self, revision: u32, lane: u8) -> Vote {
        Vote { ballot: self.ballot, revision, cast_at: self.cast_at, lane, nonce: self.nonce }
    }
}

#[cfg(test)]
mod tests;
