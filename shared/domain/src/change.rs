//! The change that one write of a vote makes: the unit of counting.

use super::{ballot::Ballot, ids::VoterKey, time::Timestamp};

/// Bytes of a vote id.
pub const VOTE_ID_BYTES: usize = 20;

/// One revision of one voter's vote in a poll, which must be counted once: 16 bytes voter, 4 bytes revision
/// (big-endian).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoteId([u8; VOTE_ID_BYTES]);

impl VoteId {
    /// The id for a voter's revision.
    pub fn new(voter: &VoterKey, revision: u32) -> Self {
        let mut bytes = [0; VOTE_ID_BYTES];
        let (voters, revisions) = bytes.split_at_mut(VOTE_ID_BYTES - size_of::<u32>());
        voters.copy_from_slice(&voter.bytes());
        revisions.copy_from_slice(&revision.to_be_bytes());
        Self(bytes)
    }

    /// An id from its bytes.
    pub fn from_bytes(bytes: [u8; VOTE_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The voter who cast it.
    pub fn voter(&self) -> VoterKey {
        let [voter @ .., _, _, _, _] = self.0;
        VoterKey::from_bytes(voter)
    }

    /// The vote's revision.
    pub fn revision(&self) -> u32 {
        let [.., a, b, c, d] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The id's bytes.
    pub fn bytes(&self) -> [u8; VOTE_ID_BYTES] {
        self.0
    }
}

impl std::fmt::Debug for VoteId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What one revision changed: the old and the new image in one stream record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Voter and revision.
    pub id: VoteId,
    /// When the vote was cast.
    pub cast_at: Timestamp,
    /// The ballot before. If `None`, there was no vote, or it was retracted.
    pub from: Option<Ballot>,
    /// The ballot now. If `None`, the vote is retracted.
    pub to: Option<Ballot>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_id_is_its_voter_and_then_its_revision() {
        let id = VoteId::new(&VoterKey::from_bytes([7; 16]), 0x0102_0304);
        assert_eq!(id.bytes(), [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 1, 2, 3, 4]);
        assert_eq!((id.voter(), id.revision()), (VoterKey::from_bytes([7; 16]), 0x0102_0304));
    }
}
