//! What ballots add up to, whatever the method. It is kept up to date while rankings come and go, as counting all pairs of
//! millions of rankings takes long.

use super::{
    Summary, borda,
    figures::{add, whole},
    lot::Lot,
    pairwise::{self, Pairwise},
    rankings::Rankings,
};
use crate::{
    ballot::OPTIONS_MAX,
    entries::{BallotKey, Entries},
};

/// Sums over all ballots with a ranking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    options: u8,
    ballots: i64,
    first_choices: Vec<i64>,
    above: pairwise::Above,
    points: borda::Points,
}

impl Totals {
    /// Of no ballots in a poll with `options` options, at most `OPTIONS_MAX`.
    pub fn new(options: u8) -> Self {
        let options = options.min(OPTIONS_MAX as u8);
        Self {
            options,
            ballots: 0,
            first_choices: vec![0; options.into()],
            above: pairwise::Above::new(options),
            points: borda::Points::new(options),
        }
    }

    /// Of these rankings.
    pub fn of(rankings: &Rankings<'_>) -> Self {
        let mut totals = Self::new(rankings.options());
        for (ranking, ballots) in rankings.iter() {
            totals.add(ranking, ballots);
        }
        totals
    }

    /// Of the rankings among these entries.
    pub fn of_entries(options: u8, entries: &Entries) -> Self {
        let mut totals = Self::new(options);
        entries.iter().for_each(|(key, count)| totals.follow(key, 0, count));
        totals
    }

    /// How many options there are.
    pub fn options(&self) -> u8 {
        self.options
    }

    /// Follows an entry from one count to another. A ranking whose count is below zero, as votes came out of order, counts
    /// nowhere.
    pub fn follow(&mut self, key: &[u8], before: i64, after: i64) {
        let more = after.max(0) - before.max(0);
        if let (Some(BallotKey::Ranking(ranking)), true) = (BallotKey::read(key), more != 0) {
            self.add(ranking, more);
        }
    }

    /// Adds ballots that rank options alike, or takes them away. An option that the poll does not have is passed over.
    fn add(&mut self, ranking: &[u8], ballots: i64) {
        let Some(first) = ranking.iter().find(|option| **option < self.options) else { return };
        self.ballots += ballots;
        add(&mut self.first_choices, *first, ballots);
        self.above.add(ranking, ballots);
        self.points.add(ranking, ballots);
    }

    /// The summary of a count.
    pub fn summary(&self, lot: &Lot) -> Summary {
        let first_choices: Vec<u64> = self.first_choices.iter().copied().map(whole).collect();
        Summary {
            ballots: whole(self.ballots),
            pairwise: Pairwise::of(&self.above),
            borda_half_points: self.points.half_points(),
            lot: lot.view(&first_choices),
            first_choices,
        }
    }
}
