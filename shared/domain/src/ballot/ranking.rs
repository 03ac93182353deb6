//! The options that a vote ranks.

use super::{OPTIONS_MAX, known_option, repeated_option, too_many, unknown_option};
use crate::field_error::FieldError;

/// The most options that a vote can rank.
pub const RANKS_MAX: usize = 10;

/// Option ids (0 to 99), best first: 1 to `RANKS_MAX`, none twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ranking {
    /// Zero past `length`, so that equal rankings have equal bytes.
    ids: [u8; RANKS_MAX],
    length: u8,
}

impl Ranking {
    /// A ranking from ids, best first: each below `options`, none twice, at most `max` and at most `RANKS_MAX`.
    pub fn parse(ids: &[u64], options: u8, max: u8) -> Result<Self, FieldError> {
        let mut ranking = Self { ids: [0; RANKS_MAX], length: 0 };
        let mut seen = 0u128;
        for (place, &id) in ids.iter().enumerate() {
            let known = known_option(id, options).ok_or_else(|| unknown_option(format!("/ranking/{place}"), id))?;
            if seen & 1 << known != 0 {
                return Err(repeated_option(format!("/ranking/{place}"), id));
            }
            seen |= 1 << known;
            if let Some(rank) = ranking.ids.get_mut(place) {
                *rank = known;
                ranking.length += 1;
            }
        }
        let max = max.min(RANKS_MAX as u8);
        if ids.len() > usize::from(max) {
            return Err(too_many("/ranking", ids.len(), max));
        }
        if ids.is_empty() { Err(FieldError::new("/ranking", "names no option")) } else { Ok(ranking) }
    }

    /// A ranking from stored ids: each below 100, none twice, 1 to `RANKS_MAX`.
    pub fn of_ids(ids: &[u64]) -> Option<Self> {
        Self::parse(ids, OPTIONS_MAX as u8, RANKS_MAX as u8).ok()
    }

    /// The same from ids of one byte each.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let mut ids = [0; RANKS_MAX];
        ids.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let mut seen = 0u128;
        let is_new = |id: &u8| {
            let bit = 1u128.checked_shl(u32::from(*id)).unwrap_or_default();
            let is_new = usize::from(*id) < OPTIONS_MAX && seen & bit == 0;
            seen |= bit;
            is_new
        };
        let is_ranking = !bytes.is_empty() && bytes.iter().all(is_new);
        is_ranking.then_some(Self { ids, length: bytes.len() as u8 })
    }

    /// The ids, best first.
    pub fn as_slice(&self) -> &[u8] {
        self.ids.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// The ids, best first.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        self.ids.into_iter().take(usize::from(self.length))
    }

    /// The first choice.
    pub fn first(self) -> u8 {
        let [first, ..] = self.ids;
        first
    }
}

impl AsRef<[u8]> for Ranking {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl std::fmt::Debug for Ranking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl serde::Serialize for Ranking {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_matters() {
        assert_ne!(Ranking::parse(&[2, 0], 3, 3), Ranking::parse(&[0, 2], 3, 3));
    }

    #[test]
    fn each_fault_has_its_name() {
        for (ids, max, pointer, detail) in [
            (&[][..], 1, "/ranking", "names no option"),
            (&[0, 3], 1, "/ranking/1", "names option 3, which the poll does not have"),
            (&[u64::MAX], 1, "/ranking/0", "names option 18446744073709551615, which the poll does not have"),
            (&[1, 0, 1], 2, "/ranking/2", "names option 1 again"),
            (&[0, 1], 1, "/ranking", "names 2 options, and the poll takes at most 1"),
        ] {
            assert_eq!(Ranking::parse(ids, 3, max), Err(FieldError::new(pointer, detail)), "{ids:?}");
        }
    }

    #[test]
    fn no_poll_takes_an_eleventh_rank() {
        let ids: Vec<u64> = (0..11).collect();
        let error = FieldError::new("/ranking", "names 11 options, and the poll takes at most 10");
        assert_eq!(Ranking::parse(&ids, 100, 100), Err(error));
        assert_eq!(Ranking::of_ids(&ids), None);
        assert!(Ranking::of_ids(&ids[..10]).is_some());
    }

    proptest! {
        #[test]
        fn bytes_are_read_as_ids_are(bytes in proptest::collection::vec(0u8..120, 0..13), repeated in any::<bool>()) {
            let bytes = if repeated { [&bytes[..], &bytes].concat() } else { bytes };
            let ids: Vec<u64> = bytes.iter().copied().map(u64::from).collect();
            prop_assert_eq!(Ranking::of_bytes(&bytes), Ranking::of_ids(&ids));
        }

        #[test]
        fn the_ids_come_back_in_their_order(ids in proptest::sample::subsequence((0u64..100).collect::<Vec<_>>(), 1..=10).prop_shuffle()) {
            let ranking = Ranking::parse(&ids, 100, 10).unwrap();
            prop_assert_eq!(Ranking::of_ids(&ids), Some(ranking));
            prop_assert_eq!(ranking.iter().map(u64::from).collect::<Vec<_>>(), ids.clone());
            prop_assert_eq!(ranking.iter().collect::<Vec<_>>(), ranking.as_slice());
            prop_assert_eq!(serde_json::to_value(ranking).unwrap(), serde_json::json!(ids));
            prop_assert_eq!(u64::from(ranking.first()), ids[0]);
        }
    }
}
