//! Values that a vote gives to options.

use serde::{Deserialize, Serialize};

use super::{OPTIONS_MAX, known_option, repeated_option, unknown_option};
use crate::field_error::FieldError;

/// The most levels on a scale.
pub const LEVELS_MAX: i64 = 11;
/// The highest level of any scale; below zero, the lowest.
pub const RATING_MAX: i8 = 100;

/// The levels that ratings may have: all whole numbers from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The lowest level.
    pub min: i8,
    /// The highest level.
    pub max: i8,
}

impl Scale {
    /// A scale with 2 to 11 levels, none beyond ±100.
    pub fn new(min: i8, max: i8) -> Option<Self> {
        let levels = i64::from(max) - i64::from(min) + 1;
        let is_within = min >= -RATING_MAX && max <= RATING_MAX;
        ((2..=LEVELS_MAX).contains(&levels) && is_within).then_some(Self { min, max })
    }

    /// How many levels it has.
    pub fn levels(self) -> usize {
        (i16::from(self.max) - i16::from(self.min) + 1).try_into().unwrap_or_default()
    }

    /// All levels, lowest first.
    pub fn iter(self) -> impl Iterator<Item = i8> {
        self.min..=self.max
    }
}

/// An option's rating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rating {
    /// Which option.
    pub option: u8,
    /// Its level.
    pub value: i8,
}

/// Ratings of at least one option, none twice, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ratings(Box<[Rating]>);

impl Ratings {
    /// Ratings from pairs of an option and its value, in any order: each option below `options`, each value on the scale.
    pub fn parse(pairs: &[(u64, i64)], options: u8, scale: Scale) -> Result<Self, FieldError> {
        let (mut ratings, mut seen) = (Vec::with_capacity(pairs.len().min(OPTIONS_MAX)), 0u128);
        for (place, &(id, value)) in pairs.iter().enumerate() {
            let pointer = |field: &str| format!("/ratings/{place}/{field}");
            let option = known_option(id, options).ok_or_else(|| unknown_option(pointer("option"), id))?;
            if seen & 1 << option != 0 {
                return Err(repeated_option(pointer("option"), id));
            }
            seen |= 1 << option;
            let Scale { min, max } = scale;
            let on_scale = i8::try_from(value).ok().filter(|value| (min..=max).contains(value));
            let off_scale =
                || FieldError::new(pointer("value"), format!("is {value}, and the scale is from {min} to {max}"));
            ratings.push(Rating { option, value: on_scale.ok_or_else(off_scale)? });
        }
        if ratings.is_empty() {
            return Err(FieldError::new("/ratings", "rates no option"));
        }
        ratings.sort_unstable();
        Ok(Self(ratings.into()))
    }

    /// Ratings as they were stored: an option and its value by turns.
    pub fn stored(numbers: &[i64]) -> Option<Self> {
        let (pairs, rest) = numbers.as_chunks::<2>();
        let pairs: Option<Vec<_>> = pairs.iter().map(|[id, value]| Some((u64::try_from(*id).ok()?, *value))).collect();
        let scale = Scale { min: -RATING_MAX, max: RATING_MAX };
        Self::parse(&pairs?, OPTIONS_MAX as u8, scale).ok().filter(|_| rest.is_empty())
    }

    /// All of them, in the order of their options.
    pub fn iter(&self) -> impl Iterator<Item = Rating> {
        self.0.iter().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: a ballot rates at least one option.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STARS: Scale = Scale { min: 1, max: 5 };

    #[test]
    fn the_order_does_not_matter() {
        assert_eq!(Ratings::parse(&[(2, 5), (0, 1)], 3, STARS), Ratings::parse(&[(0, 1), (2, 5)], 3, STARS));
    }

    #[test]
    fn each_fault_has_its_place() {
        for (pairs, pointer, detail) in [
            (&[][..], "/ratings", "rates no option"),
            (&[(0, 1), (3, 1)], "/ratings/1/option", "names option 3, which the poll does not have"),
            (&[(0, 1), (0, 2)], "/ratings/1/option", "names option 0 again"),
            (&[(0, 6)], "/ratings/0/value", "is 6, and the scale is from 1 to 5"),
            (&[(0, 1 << 40)], "/ratings/0/value", "is 1099511627776, and the scale is from 1 to 5"),
        ] {
            assert_eq!(Ratings::parse(pairs, 3, STARS), Err(FieldError::new(pointer, detail)), "{pairs:?}");
        }
    }

    #[test]
    fn a_scale_has_two_to_eleven_levels_within_a_hundred() {
        let is_scale = |min, max| Scale::new(min, max).is_some();
        assert!(is_scale(0, 1) && is_scale(0, 10) && is_scale(-5, 5) && is_scale(90, 100) && is_scale(-100, -90));
        assert!(!is_scale(3, 3) && !is_scale(5, 1) && !is_scale(0, 11) && !is_scale(91, 101) && !is_scale(-101, -92));
        assert_eq!((STARS.levels(), STARS.iter().collect::<Vec<_>>()), (5, vec![1, 2, 3, 4, 5]));
    }

    #[test]
    fn what_was_not_stored_by_us_is_no_rating() {
        for numbers in [&[][..], &[0], &[0, 1, 2], &[-1, 1], &[100, 1], &[0, 101], &[0, 1, 0, 2]] {
            assert_eq!(Ratings::stored(numbers), None, "{numbers:?}");
        }
    }

    proptest! {
        #[test]
        fn ratings_survive_being_stored(pairs in proptest::collection::btree_map(0u64..100, -100i64..=100, 1..100)) {
            let pairs: Vec<_> = pairs.into_iter().collect();
            let numbers: Vec<i64> = pairs.iter().flat_map(|(option, value)| [*option as i64, *value]).collect();
            let ratings = Ratings::stored(&numbers).unwrap();
            let read: Vec<_> = ratings.iter().map(|rating| (u64::from(rating.option), i64::from(rating.value))).collect();
            prop_assert_eq!((ratings.len(), read), (pairs.len(), pairs));
        }
    }
}
