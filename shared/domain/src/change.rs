//! Changes of votes: what is counted.

use super::{ballot::Ballot, ids::VoterKey, time::Timestamp};

/// Bytes of a vote id.
pub const VOTE_ID_BYTES: usize = 20;

/// One revision of one voter's vote in a poll: 16 bytes of voter, 4 bytes of revision (big-endian). What must
/// be counted once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoteId([u8; VOTE_ID_BYTES]);

impl VoteId {
    /// The id of a voter's revision.
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

    /// Whose vote it is.
    pub fn voter(&self) -> VoterKey {
        let [voter @ .., _, _, _, _] = self.0;
        VoterKey::from_bytes(voter)
    }

    /// Which revision of it.
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

/// What one revision changed: the old and the new image of one stream record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose, and which revision.
    pub id: VoteId,
    /// When the vote was cast.
    pub cast_at: Timestamp,
    /// What stood before; none: nothing, or taken back.
    pub from: Option<Ballot>,
    /// What stands now; none: taken back.
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
