//! Which value a voter has in each of a poll's dimensions.

/// The most dimensions that a poll can have.
pub const DIMENSIONS_MAX: usize = 4;
/// The most values in a dimension.
pub const VALUES_MAX: usize = 100;
/// In place of a value that is missing, or is none of the dimension's.
pub const UNKNOWN: u8 = 0;

/// A voter's segments: for each of the poll's dimensions the place of a value from 1 on, or `UNKNOWN`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Segments {
    /// Zero past `length`, so that equal segments have equal bytes.
    places: [u8; DIMENSIONS_MAX],
    length: u8,
}

impl Segments {
    /// Segments from a place for each dimension: at most 4, none above 100.
    pub fn of_places(places: &[u8]) -> Option<Self> {
        let mut segments = Self::default();
        segments.places.get_mut(..places.len())?.copy_from_slice(places);
        segments.length = places.len() as u8;
        places.iter().all(|place| usize::from(*place) <= VALUES_MAX).then_some(segments)
    }

    /// The place in each dimension.
    pub fn as_slice(&self) -> &[u8] {
        self.places.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Whether the poll has no dimension.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether both have the same value in each of these dimensions.
    pub(super) fn are_the_same_in(&self, other: &Self, dimensions: impl Fn(usize) -> bool) -> bool {
        let mut pairs = self.places.iter().zip(&other.places).enumerate();
        self.length == other.length && pairs.all(|(dimension, (one, other))| one == other || !dimensions(dimension))
    }
}

impl std::fmt::Debug for Segments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(places: &[u8]) -> Segments {
        Segments::of_places(places).unwrap()
    }

    #[test]
    fn there_are_at_most_four_of_a_hundred_values() {
        assert_eq!(segments(&[0, 100, 3, 1]).as_slice(), [0, 100, 3, 1]);
        assert!(Segments::of_places(&[1; 5]).is_none() && Segments::of_places(&[101]).is_none());
        assert!(segments(&[]).is_empty() && !segments(&[0]).is_empty());
    }

    #[test]
    fn only_the_dimensions_that_matter_make_a_difference() {
        assert!(segments(&[1, 2]).are_the_same_in(&segments(&[1, 3]), |dimension| dimension == 0));
        assert!(!segments(&[1, 2]).are_the_same_in(&segments(&[1, 3]), |dimension| dimension == 1));
        assert!(!segments(&[1]).are_the_same_in(&segments(&[1, 0]), |_| false));
    }
}
