//! The multiset of rankings that a method counts.

use super::figures::Figures;
use crate::ballot::OPTIONS_MAX;

/// Rankings with the number of ballots of each, over a poll's options.
#[derive(Debug)]
pub struct Rankings<'a, R> {
    options: u8,
    counted: &'a [(R, u64)],
}

impl<'a, R: AsRef<[u8]>> Rankings<'a, R> {
    /// Rankings of a poll with `options` options, at most `OPTIONS_MAX`. Each holds option ids, best first, none twice. An id that the poll
    /// does not have is passed over. A ranking without any is no ballot.
    pub fn new(options: u8, counted: &'a [(R, u64)]) -> Self {
        Self { options: options.min(OPTIONS_MAX as u8), counted }
    }

    /// How many options there are.
    pub fn options(&self) -> u8 {
        self.options
    }

    /// The rankings that name an option, each with its number of ballots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a [u8], u64)> {
        let options = self.options;
        self.counted
            .iter()
            .map(|(ranking, ballots)| (ranking.as_ref(), *ballots))
            .filter(move |(ranking, ballots)| *ballots > 0 && ranking.iter().any(|option| *option < options))
    }

    /// How many ballots have a ranking.
    pub fn ballots(&self) -> u64 {
        self.iter().map(|(_, ballots)| ballots).sum()
    }

    /// How many ballots name each option first.
    pub(super) fn first_choices(&self) -> Figures {
        let mut figures = Figures::new(self.options);
        for (ranking, ballots) in self.iter() {
            if let Some(first) = ranking.iter().find(|option| **option < self.options) {
                figures.add(*first, ballots);
            }
        }
        figures
    }
}
