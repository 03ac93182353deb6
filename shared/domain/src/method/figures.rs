//! A figure for each option.

use std::cmp::Ordering;

/// Figures by option id. An option that there is none of has 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figures(Vec<u64>);

impl Figures {
    /// Zeros.
    pub(super) fn new(options: u8) -> Self {
        Self(vec![0; usize::from(options)])
    }

    /// An option's figure.
    pub(super) fn of(&self, option: u8) -> u64 {
        self.0.get(usize::from(option)).copied().unwrap_or_default()
    }

    /// Sets an option's figure.
    pub(super) fn set(&mut self, option: u8, figure: u64) {
        if let Some(place) = self.0.get_mut(usize::from(option)) {
            *place = figure;
        }
    }

    /// Adds to an option's figure.
    pub(super) fn add(&mut self, option: u8, more: u64) {
        if let Some(figure) = self.0.get_mut(usize::from(option)) {
            *figure += more;
        }
    }

    /// The figures by option id.
    pub(super) fn as_slice(&self) -> &[u64] {
        &self.0
    }

    /// The figures of these options, and `None` for all others.
    pub(super) fn only(&self, options: &[u8]) -> Vec<Option<u64>> {
        let mut only = vec![None; self.0.len()];
        for &option in options {
            if let Some(place) = only.get_mut(usize::from(option)) {
                *place = Some(self.of(option));
            }
        }
        only
    }

    /// Those of these options whose figure is the lowest.
    pub(super) fn lowest(&self, options: &[u8]) -> Vec<u8> {
        self.at(options.iter().map(|option| self.of(*option)).min(), options)
    }

    /// Those of these options whose figure is the highest.
    pub(super) fn highest(&self, options: &[u8]) -> Vec<u8> {
        self.at(options.iter().map(|option| self.of(*option)).max(), options)
    }

    fn at(&self, figure: Option<u64>, options: &[u8]) -> Vec<u8> {
        options.iter().copied().filter(|option| Some(self.of(*option)) == figure).collect()
    }

    /// Compares two options: the one with the higher figure comes first.
    pub(super) fn descending(&self, one: u8, other: u8) -> Ordering {
        self.of(other).cmp(&self.of(one))
    }
}

/// Adds to an option's figure among those that may go down, if there is one.
#[inline]
pub(super) fn add(figures: &mut [i64], option: u8, more: i64) {
    if let Some(figure) = figures.get_mut(usize::from(option)) {
        *figure += more;
    }
}

/// A figure that went down no further than it had gone up.
pub(super) fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
