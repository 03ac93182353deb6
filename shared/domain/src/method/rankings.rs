//! The multiset of rankings that a method counts.

use std::ops::Range;

use crate::ballot::OPTIONS_MAX;

/// Rankings with the number of ballots of each, over a poll's options. They are in the order of their ids, so that those
/// which begin alike are neighbours.
#[derive(Debug)]
pub struct Rankings<'a> {
    options: u8,
    /// Each with the number of ballots before it.
    sorted: Vec<(&'a [u8], u64)>,
    ballots: u64,
}

impl<'a> Rankings<'a> {
    /// Rankings of a poll with `options` options, at most `OPTIONS_MAX`. Each holds option ids, best first, none twice. An id that the poll
    /// does not have is passed over. A ranking without any is no ballot.
    pub fn new<R: AsRef<[u8]>>(options: u8, counted: &'a [(R, u64)]) -> Self {
        Self::of(options, counted.iter().map(|(ranking, ballots)| (ranking.as_ref(), *ballots)))
    }

    /// The same, one by one; the quickest in the order of their ids.
    pub fn of(options: u8, counted: impl IntoIterator<Item = (&'a [u8], u64)>) -> Self {
        let options = options.min(OPTIONS_MAX as u8);
        let counts = |(ranking, ballots): &(&[u8], u64)| *ballots > 0 && ranking.iter().any(|option| *option < options);
        let mut sorted: Vec<(&[u8], u64)> = counted.into_iter().filter(counts).collect();
        sorted.sort_unstable_by_key(|(ranking, _)| *ranking);
        let mut before = 0;
        for (_, ballots) in &mut sorted {
            before += std::mem::replace(ballots, before);
        }
        Self { options, sorted, ballots: before }
    }

    /// How many options there are.
    pub fn options(&self) -> u8 {
        self.options
    }

    /// The rankings that name an option, each with its number of ballots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a [u8], u64)> {
        let ends = self.sorted.iter().skip(1).map(|(_, before)| *before).chain([self.ballots]);
        self.sorted.iter().zip(ends).map(|((ranking, before), end)| (*ranking, end - before))
    }

    /// How many ballots have a ranking.
    pub fn ballots(&self) -> u64 {
        self.ballots
    }

    /// The places of all rankings.
    pub(super) fn places(&self) -> Range<usize> {
        0..self.sorted.len()
    }

    /// How many ballots have the rankings in these places.
    pub(super) fn ballots_in(&self, places: &Range<usize>) -> u64 {
        let before = |place: usize| self.sorted.get(place).map_or(self.ballots, |(_, before)| *before);
        before(places.end) - before(places.start)
    }

    /// Of places whose rankings agree in all ranks before `rank`: the first ones that agree in this one too, and the option in
    /// it. `None` if they end before.
    pub(super) fn first_group(&self, places: Range<usize>, rank: usize) -> (Option<u8>, Range<usize>) {
        let option = |place: usize| self.sorted.get(place).and_then(|(ranking, _)| ranking.get(rank)).copied();
        let first = option(places.start);
        let (mut known, mut step) = (places.start, 1);
        // Most groups are small, and some are of millions.
        while known + step < places.end && option(known + step) == first {
            known += step;
            step *= 2;
        }
        let mut end = (known + step).min(places.end);
        while end - known > 1 {
            let middle = known.midpoint(end);
            if option(middle) == first { known = middle } else { end = middle }
        }
        (first, places.start..end)
    }
}
