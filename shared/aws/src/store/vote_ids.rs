//! How vote ids are written in HEAD and SEEN rows: the revision once, then its voters. Nearly all ids of a minute share
//! one revision. For each revision, ascending: the revision (4 bytes, big-endian), the number of voters (the same), and
//! the voters (16 bytes each).

use landslide_domain::{change::VoteId, ids::VoterKey};

const NUMBER_BYTES: usize = size_of::<u32>();
const VOTER_BYTES: usize = 16;

/// The ids as bytes.
pub fn encode(ids: &[VoteId]) -> Vec<u8> {
    let mut ids = ids.to_vec();
    ids.sort_by_key(VoteId::revision);
    let mut bytes = Vec::with_capacity(2 * NUMBER_BYTES + VOTER_BYTES * ids.len());
    for group in ids.chunk_by(|one, next| one.revision() == next.revision()) {
        let revision = group.first().map_or(0, VoteId::revision); // a group is never empty
        bytes.extend(revision.to_be_bytes());
        bytes.extend((group.len() as u32).to_be_bytes());
        bytes.extend(group.iter().flat_map(|id| id.voter().bytes()));
    }
    bytes
}

/// Parses ids, in their order. Returns `None` if the bytes can't be read.
pub fn decode(mut bytes: &[u8]) -> Option<Vec<VoteId>> {
    let mut ids = Vec::with_capacity(bytes.len() / VOTER_BYTES);
    while !bytes.is_empty() {
        let revision = take_number(&mut bytes)?;
        let voters = take_number(&mut bytes)? as usize;
        let voters = bytes.split_off(..voters.checked_mul(VOTER_BYTES)?)?;
        let (voters, _) = voters.as_chunks();
        ids.extend(voters.iter().map(|voter| VoteId::new(&VoterKey::from_bytes(*voter), revision)));
    }
    Some(ids)
}

fn take_number(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(voter: u8, revision: u32) -> VoteId {
        VoteId::new(&VoterKey::from_bytes([voter; VOTER_BYTES]), revision)
    }

    #[test]
    fn a_revision_is_written_once_for_all_that_have_it() {
        let bytes = encode(&[id(7, 0x0203), id(9, 1), id(8, 0x0203)]);
        let expected =
            [&[0, 0, 0, 1, 0, 0, 0, 1], &[9; 16][..], &[0, 0, 2, 3, 0, 0, 0, 2], &[7; 16], &[8; 16]].concat();
        assert_eq!(bytes, expected);
        assert!(encode(&[]).is_empty());
    }

    #[test]
    fn what_is_cut_short_or_goes_on_or_counts_wrongly_is_none() {
        let bytes = encode(&[id(7, 1), id(8, 1), id(9, 2)]);
        let ends_between_groups = 2 * NUMBER_BYTES + 2 * VOTER_BYTES;
        for length in 1..bytes.len() {
            assert_eq!(decode(&bytes[..length]).is_some(), length == ends_between_groups, "{length} bytes");
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(decode(&[0, 0, 0, 1, 255, 255, 255, 255]), None);
    }

    proptest! {
        #[test]
        fn every_id_comes_back_once(drawn in proptest::collection::vec((any::<[u8; 16]>(), 1..5u32), 0..100)) {
            let mut ids: Vec<VoteId> =
                drawn.iter().map(|(voter, revision)| VoteId::new(&VoterKey::from_bytes(*voter), *revision)).collect();
            let read = decode(&encode(&ids)).unwrap();
            ids.sort_by_key(VoteId::revision);
            prop_assert_eq!(read, ids);
        }
    }
}
