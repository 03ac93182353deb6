//! The options that a vote ranks.

use super::{BallotError, OPTIONS_MAX};

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
    pub fn parse(ids: &[u64], options: u8, max: u8) -> Result<Self, BallotError> {
        let mut ranking = Self { ids: [0; RANKS_MAX], length: 0 };
        let mut seen = 0u128;
        for (place, &id) in ids.iter().enumerate() {
            let known = u8::try_from(id).ok().filter(|known| *known < options && usize::from(*known) < OPTIONS_MAX);
            let known = known.ok_or(BallotError::Unknown(id))?;
            if seen & 1 << known != 0 {
                return Err(BallotError::Repeated(id));
            }
            seen |= 1 << known;
            if let Some(rank) = ranking.ids.get_mut(place) {
                *rank = known;
                ranking.length += 1;
            }
        }
        let max = max.min(RANKS_MAX as u8);
        if ids.len() > usize::from(max) {
            return Err(BallotError::TooMany { named: ids.len(), max });
        }
        if ids.is_empty() { Err(BallotError::Empty) } else { Ok(ranking) }
    }

    /// A ranking from stored ids: each below 100, none twice, 1 to `RANKS_MAX`.
    pub fn of_ids(ids: &[u64]) -> Option<Self> {
        Self::parse(ids, OPTIONS_MAX as u8, RANKS_MAX as u8).ok()
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
        assert_eq!(Ranking::parse(&[], 3, 1), Err(BallotError::Empty));
        assert_eq!(Ranking::parse(&[3], 3, 1), Err(BallotError::Unknown(3)));
        assert_eq!(Ranking::parse(&[u64::MAX], 3, 1), Err(BallotError::Unknown(u64::MAX)));
        assert_eq!(Ranking::parse(&[100], u8::MAX, 1), Err(BallotError::Unknown(100)));
        assert_eq!(Ranking::parse(&[1, 0, 1], 3, 2), Err(BallotError::Repeated(1)));
        assert_eq!(Ranking::parse(&[0, 1], 3, 1), Err(BallotError::TooMany { named: 2, max: 1 }));
    }

    #[test]
    fn no_poll_takes_an_eleventh_rank() {
        let ids: Vec<u64> = (0..11).collect();
        assert_eq!(Ranking::parse(&ids, 100, 100), Err(BallotError::TooMany { named: 11, max: 10 }));
        assert_eq!(Ranking::of_ids(&ids), None);
        assert!(Ranking::of_ids(&ids[..10]).is_some());
    }

    proptest! {
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
