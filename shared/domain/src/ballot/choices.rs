//! The options that a vote names.

use super::{known_option, repeated_option, too_many, unknown_option};
use crate::field_error::FieldError;

/// The most options that a poll can have.
pub const OPTIONS_MAX: usize = 100;

/// A set of at least one option id (0 to 99), kept as one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Choices(u128);

impl Choices {
    /// A set from ids in any order: each below `options`, none twice, at most `max`.
    pub fn parse(ids: &[u64], options: u8, max: u8) -> Result<Self, FieldError> {
        let mut bits = 0u128;
        for (place, &id) in ids.iter().enumerate() {
            let bit =
                1u128 << known_option(id, options).ok_or_else(|| unknown_option(format!("/choices/{place}"), id))?;
            if bits & bit != 0 {
                return Err(repeated_option(format!("/choices/{place}"), id));
            }
            bits |= bit;
        }
        if ids.len() > usize::from(max) {
            return Err(too_many("/choices", ids.len(), max));
        }
        Self::from_bits(bits).ok_or_else(|| FieldError::new("/choices", "names no option"))
    }

    /// A set from stored ids: each below 100, at least one, none twice.
    pub fn of_ids(ids: &[u64]) -> Option<Self> {
        Self::parse(ids, OPTIONS_MAX as u8, OPTIONS_MAX as u8).ok()
    }

    /// A set from bits, bit n for option n. Returns `None` if no bit is set, or one past the last option.
    pub fn from_bits(bits: u128) -> Option<Self> {
        (bits != 0 && bits >> OPTIONS_MAX == 0).then_some(Self(bits))
    }

    /// The set's bits, bit n for option n.
    pub fn bits(self) -> u128 {
        self.0
    }

    /// The ids, lowest first.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            if bits == 0 {
                return None;
            }
            // At most 127, so it fits.
            let id = bits.trailing_zeros() as u8;
            bits &= bits - 1;
            Some(id)
        })
    }

    /// The id, if there is exactly one.
    pub fn only(self) -> Option<u8> {
        (self.0.count_ones() == 1).then(|| self.0.trailing_zeros() as u8)
    }

    /// The highest id.
    pub fn highest(self) -> u8 {
        (127 - self.0.leading_zeros()) as u8
    }
}

impl std::fmt::Debug for Choices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl serde::Serialize for Choices {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_many_as_a_voter_may_choose_are_taken() {
        assert_eq!(Choices::parse(&[0, 1], 3, 2).map(|choices| choices.iter().collect()), Ok(vec![0, 1]));
    }

    #[test]
    fn order_does_not_matter() {
        assert_eq!(Choices::parse(&[2, 0], 3, 3), Choices::parse(&[0, 2], 3, 3));
    }

    #[test]
    fn each_fault_has_its_name() {
        for (ids, options, max, pointer, detail) in [
            (&[][..], 3, 1, "/choices", "names no option"),
            (&[0, 3], 3, 1, "/choices/1", "names option 3, which the poll does not have"),
            (&[u64::MAX], 3, 1, "/choices/0", "names option 18446744073709551615, which the poll does not have"),
            (&[100], u8::MAX, 1, "/choices/0", "names option 100, which the poll does not have"),
            (&[1, 1], 3, 2, "/choices/1", "names option 1 again"),
            (&[0, 1], 3, 1, "/choices", "names 2 options, and the poll takes at most 1"),
        ] {
            assert_eq!(Choices::parse(ids, options, max), Err(FieldError::new(pointer, detail)), "{ids:?}");
        }
    }

    proptest! {
        #[test]
        fn the_ids_come_back_sorted(ids in proptest::collection::btree_set(0u64..100, 1..100)) {
            let ids: Vec<u64> = ids.into_iter().collect();
            let choices = Choices::parse(&ids, 100, 100).unwrap();
            prop_assert_eq!(Choices::of_ids(&ids), Some(choices));
            prop_assert_eq!(choices.iter().map(u64::from).collect::<Vec<_>>(), ids.clone());
            prop_assert_eq!(u64::from(choices.highest()), *ids.last().unwrap());
            prop_assert_eq!(choices.only().is_some(), ids.len() == 1);
        }
    }
}
