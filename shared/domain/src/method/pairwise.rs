//! Each option against each other.

use serde::{Serialize, Serializer};

use super::figures::{add, whole};

/// How often options are listed, and of two that both are, how often one is above the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Above {
    listed: Vec<i64>,
    /// A row for each option: how often it is above each other.
    both: Vec<Vec<i64>>,
}

impl Above {
    pub(super) fn new(options: u8) -> Self {
        let zeros = vec![0; options.into()];
        Self { both: vec![zeros.clone(); options.into()], listed: zeros }
    }

    /// Adds ballots that rank options alike, or takes them away.
    pub(super) fn add(&mut self, ranking: &[u8], ballots: i64) {
        let mut below = ranking;
        while let [option, rest @ ..] = below {
            add(&mut self.listed, *option, ballots);
            if let Some(row) = self.both.get_mut(usize::from(*option)) {
                rest.iter().for_each(|other| add(row, *other, ballots));
            }
            below = rest;
        }
    }

    fn listed(&self, option: u8) -> i64 {
        self.listed.get(usize::from(option)).copied().unwrap_or_default()
    }

    fn both(&self, option: u8, other: u8) -> i64 {
        let row = self.both.get(usize::from(option));
        row.and_then(|row| row.get(usize::from(other))).copied().unwrap_or_default()
    }
}

/// For each two options, how many ballots rank the one above the other. A listed option is above all unlisted ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairwise {
    options: u8,
    /// Row by row.
    votes: Vec<u64>,
}

impl Pairwise {
    /// From how often both are listed and one is above, to how often it is above, listed or not: it is listed, and the
    /// other is not above it.
    pub(super) fn of(above: &Above) -> Self {
        let options = above.listed.len() as u8;
        let beats = |option: u8, other: u8| match option == other {
            true => 0,
            false => whole(above.listed(option) - above.both(other, option)),
        };
        let votes = (0..options).flat_map(|option| (0..options).map(move |other| beats(option, other))).collect();
        Self { options, votes }
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
