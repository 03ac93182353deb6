//! Ballots as voters make them, whose differences decide what they cost: rankings by the figures of a real election, and
//! in modules of their own votes by groups, and texts.

// A model fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod segmented;
pub mod texts;

use fastrand::Rng;
use landslide_domain::ballot::Ballot;

/// How many options are ranked.
pub const OPTIONS: usize = 10;
/// First choices in Burlington's mayoral election of 2009, by official count. Each of the four options with the most is
/// two here, so that there are ten.
const FIRST_CHOICES: [f64; OPTIONS] = [
    2_951.0 * 2.0 / 3.0,
    2_951.0 / 3.0,
    2_585.0 * 2.0 / 3.0,
    2_585.0 / 3.0,
    2_063.0 * 2.0 / 3.0,
    2_063.0 / 3.0,
    1_306.0 * 2.0 / 3.0,
    1_306.0 / 3.0,
    36.0,
    35.0,
];
/// How many of the same election's ballots rank one option, two, … five.
const BALLOTS_OF_RANKS: [f64; 5] = [1_481.0, 1_912.0, 1_803.0, 927.0, 2_857.0];

/// A voter's ballot.
pub fn ballot(random: &mut Rng) -> Ballot {
    Ballot::of_ranking(&ranking(random)).expect("different options")
}

/// The options that a voter ranks, best first. They are drawn one by one by their first choices. Real voters differ less from each other:
/// which option comes second depends on the first.
pub fn ranking(random: &mut Rng) -> Vec<u64> {
    let mut weights = FIRST_CHOICES;
    let ranks = 1 + weighted(&BALLOTS_OF_RANKS, random);
    let next = |_| {
        let option = weighted(&weights, random);
        weights[option] = 0.0;
        option as u64
    };
    (0..ranks).map(next).collect()
}

fn weighted(weights: &[f64], random: &mut Rng) -> usize {
    let mut left = random.f64() * weights.iter().sum::<f64>();
    let chosen = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    chosen.unwrap_or_else(|| weights.iter().rposition(|weight| *weight > 0.0).expect("a weight"))
}

#[cfg(test)]
mod tests {
    use landslide_domain::entries::{EntriesBuilder, PerSet};

    use super::*;

    #[test]
    fn rankings_are_as_different_as_voters_make_them() {
        let (mut entries, mut random) = (PerSet::<EntriesBuilder>::default(), Rng::with_seed(1));
        (0..80_000).for_each(|_| entries.add_ballot(&ballot(&mut random), 1));
        let entries = entries.build();
        let (rankings, votes): (Vec<&[u8]>, Vec<i64>) = entries.ballots.rankings().unzip();
        assert_eq!(votes.iter().sum::<i64>(), 80_000);
        // Minneapolis in 2013: 7,084 different ones among 80,101 ballots.
        assert!((7_084..12_000).contains(&rankings.len()), "{}", rankings.len());
        assert!(rankings.iter().all(|ids| ids.len() <= BALLOTS_OF_RANKS.len()));
    }
}
