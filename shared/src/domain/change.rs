//! Changes of votes: what is counted.

use super::{choices::Choices, ids::VoterKey, time::Timestamp};

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
        let mut voter = [0; 16];
        voter.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        VoterKey::from_bytes(voter)
    }

    /// Which revision of it.
    pub fn revision(&self) -> u32 {
        self.0.iter().skip(16).fold(0, |number, byte| number << 8 | u32::from(*byte))
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
    pub from: Option<Choices>,
    /// What stands now; none: taken back.
    pub to: Option<Choices>,
}
