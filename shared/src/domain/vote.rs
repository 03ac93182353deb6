//! Votes: who, what, when, and what becomes of a second one.

use serde::{Deserialize, Serialize};

use super::{
    caller::Caller,
    choices::Choices,
    lane::Partition,
    poll::{PollId, Rules, keyed_hash},
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
    /// A first vote.
    pub fn first(voter: &VoterKey, choices: Choices, rules: &Rules, cast_at: Timestamp, nonce: u32) -> Self {
        Self { choices: Some(choices), revision: 1, cast_at, lane: voter.partition().lane(rules.lanes), nonce }
    }

    /// The vote as its voter sees it, `None` if it was taken back.
    pub fn view<'a>(&self, poll_id: &'a PollId) -> Option<VoteView<'a>> {
        let choices = self.choices?;
        Some(VoteView { poll_id, choices, revision: self.revision, cast_at: self.cast_at })
    }
}

/// What a vote turns out to be where the voter has one already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recast {
    /// The very write that was sent, whose first answer was lost.
    OwnWrite,
    /// The same choices again.
    Repeat,
    /// Other choices, in a poll whose votes can't change.
    AlreadyVoted,
}

/// Weighs a refused first vote against the one that stands.
pub fn recast(stored: &Vote, sent: &Vote) -> Recast {
    if stored == sent {
        Recast::OwnWrite
    } else if stored.choices == sent.choices {
        Recast::Repeat
    } else {
        Recast::AlreadyVoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(choice: u64, cast_at: u64, nonce: u32) -> Vote {
        let choices = Some(Choices::parse(&[choice], 3, 1).unwrap());
        Vote { choices, revision: 1, cast_at: Timestamp::from_millis(cast_at).unwrap(), lane: 0, nonce }
    }

    #[test]
    fn a_second_vote_is_told_from_a_repeat_and_from_the_same_write() {
        assert_eq!(recast(&vote(1, 5, 7), &vote(1, 5, 7)), Recast::OwnWrite);
        assert_eq!(recast(&vote(1, 5, 7), &vote(1, 5, 8)), Recast::Repeat);
        assert_eq!(recast(&vote(1, 5, 7), &vote(1, 6, 7)), Recast::Repeat);
        assert_eq!(recast(&vote(1, 5, 7), &vote(2, 6, 7)), Recast::AlreadyVoted);
    }

    #[test]
    fn a_voter_survives_its_text() {
        let voter = VoterKey::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(VoterKey::parse(&voter.to_string()), Some(voter));
        assert_eq!(voter.to_string(), "000102030405060708090a0b0c0d0eff");
        for odd in ["", "00", "000102030405060708090A0B0C0D0EFF", "+00102030405060708090a0b0c0d0eff"] {
            assert_eq!(VoterKey::parse(odd), None, "{odd}");
        }
    }
}
