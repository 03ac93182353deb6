//! Each option against each other.

use serde::{Serialize, Serializer};

use super::rankings::Rankings;

/// For each two options, how many ballots rank the one above the other. A listed option is above all unlisted ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairwise {
    options: u8,
    /// Row by row.
    votes: Vec<u64>,
}

impl Pairwise {
    /// Counts all pairs.
    pub(super) fn of<R: AsRef<[u8]>>(rankings: &Rankings<'_, R>) -> Self {
        let options = rankings.options();
        let mut above = Self { options, votes: vec![0; usize::from(options) * usize::from(options)] };
        let mut listed = vec![0u64; usize::from(options)];
        for (ranking, ballots) in rankings.iter() {
            for (place, &high) in ranking.iter().enumerate() {
                if let Some(listed) = listed.get_mut(usize::from(high)) {
                    *listed += ballots;
                }
                for &low in ranking.iter().skip(place + 1) {
                    above.add(high, low, ballots);
                }
            }
        }
        above.with_unlisted(&listed)
    }

    /// From how often both are listed and one is above, to how often it is above, listed or not: it is listed, and the
    /// other is not above it.
    fn with_unlisted(self, listed: &[u64]) -> Self {
        let mut all = Self { options: self.options, votes: vec![0; self.votes.len()] };
        for (option, &listed) in (0..self.options).zip(listed) {
            for other in (0..self.options).filter(|other| *other != option) {
                all.add(option, other, listed.saturating_sub(self.votes(other, option)));
            }
        }
        all
    }

    /// How many ballots rank `option` above `other`.
    pub fn votes(&self, option: u8, other: u8) -> u64 {
        self.place(option, other).and_then(|place| self.votes.get(place)).copied().unwrap_or_default()
    }

    /// The option that more ballots rank above each other option than below it.
    pub fn condorcet_winner(&self) -> Option<u8> {
        let beats_all = |option: &u8| {
            (0..self.options).all(|other| other == *option || self.votes(*option, other) > self.votes(other, *option))
        };
        (0..self.options).find(beats_all)
    }

    /// How many options there are.
    pub fn options(&self) -> u8 {
        self.options
    }

    fn add(&mut self, option: u8, other: u8, more: u64) {
        let place = self.place(option, other);
        if let Some(votes) = place.and_then(|place| self.votes.get_mut(place)) {
            *votes += more;
        }
    }

    fn place(&self, option: u8, other: u8) -> Option<usize> {
        (option < self.options && other < self.options)
            .then(|| usize::from(option) * usize::from(self.options) + usize::from(other))
    }
}

/// A row for each option, with a figure for each other one.
impl Serialize for Pairwise {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.votes.chunks(usize::from(self.options).max(1)))
    }
}
