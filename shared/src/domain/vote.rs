//! Votes: who, what, when, and what becomes of a second one.

use serde::{Deserialize, Serialize};

use super::{
    caller::Caller,
    choices::Choices,
    lane::Partition,
    poll::{PollId, Rules, VoteChange, keyed_hash},
    time::Timestamp,
};

/// A voter within one poll: the first 16 bytes of HMAC-SHA256(poll's salt, issuer ‖ 0 ‖ subject). It can't be
/// told across polls, and not turned back into an identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoterKey([u8; 16]);

impl VoterKey {
    /// The caller as a voter of the poll.
    pub fn of(caller: &Caller, rules: &Rules) -> Self {
        Self(keyed_hash(&rules.salt, &caller.issuer, &caller.subject))
    }

    /// A voter from its bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A voter from 32 hex digits, lower case.
    pub fn parse(hex: &str) -> Option<Self> {
        let lower_hex = hex.len() == 32 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        lower_hex.then(|| u128::from_str_radix(hex, 16).ok())?.map(|number| Self(number.to_be_bytes()))
    }

    /// The voter's bytes.
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }

    /// The logical partition that the voter's vote lies in.
    pub fn partition(&self) -> Partition {
        Partition::of(self)
    }
}

impl std::fmt::Display for VoterKey {
    /// 32 hex digits, as in the table.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl std::fmt::Debug for VoterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The body of a vote, as sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CastVote {
    /// Ids of the options chosen, in any order.
    pub choices: Vec<u64>,
}

/// A vote as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// What was chosen; none: taken back.
    pub choices: Option<Choices>,
    /// 1 at the first cast, one more with each change.
    pub revision: u32,
    /// When the check was made that let it in.
    pub cast_at: Timestamp,
    /// The lane that counts it, fixed at the first cast.
    pub lane: u8,
    /// A random number of the attempt that wrote it, by which a write that is sent again knows its own first try.
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
    /// The vote as its voter sees it, `None` if it was taken back.
    pub fn view<'a>(&self, poll_id: &'a PollId) -> Option<VoteView<'a>> {
        let choices = self.choices?;
        Some(VoteView { poll_id, choices, revision: self.revision, cast_at: self.cast_at })
    }
}

/// What a voter asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who.
    pub voter: VoterKey,
    /// What is to stand; none: nothing, the vote is taken back.
    pub choices: Option<Choices>,
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
pub fn decide(stored: Option<&Vote>, asked: &Asked, rules: &Rules) -> Decision {
    let Some(stored) = stored else { return decide_first(asked, rules) };
    if stored.choices == asked.choices {
        let own = (stored.nonce, stored.cast_at) == (asked.nonce, asked.cast_at);
        return if own { Decision::OwnWrite(*stored) } else { Decision::Repeat(*stored) };
    }
    if rules.settings.vote_change == VoteChange::Never {
        return if asked.choices.is_some() { Decision::AlreadyVoted } else { Decision::ChangeNotAllowed };
    }
    if asked.only_over.as_ref().is_some_and(|named| !named.include(u64::from(stored.revision))) {
        return Decision::RevisionMismatch;
    }
    Decision::Write(asked.vote(stored.revision.saturating_add(1), stored.lane))
}

fn decide_first(asked: &Asked, rules: &Rules) -> Decision {
    match asked.choices {
        None => Decision::NeverVoted,
        Some(_) if asked.only_over.is_some() => Decision::RevisionMismatch,
        Some(_) => Decision::Write(asked.vote(1, asked.voter.partition().lane(rules.lanes))),
    }
}

impl Asked {
    fn vote(&self, revision: u32, lane: u8) -> Vote {
        Vote { choices: self.choices, revision, cast_at: self.cast_at, lane, nonce: self.nonce }
    }
}

#[cfg(test)]
mod tests;
