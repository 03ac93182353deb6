//! The demo's election: mayor of Burlington, Vermont, 3 March 2009.
//!
//! The totals are public record: the City of Burlington's ballots as arranged in the abiftool project's test data. 4 of
//! the 8,980 ballots tie for first place and are not counted; these are the first choices on the other 8,976.
//! Plurality, as in this poll, names Wright; instant runoff, which the city used, named Kiss; Condorcet's method
//! Montroll.

/// The poll's question.
pub const QUESTION: &str = "Who should be mayor of Burlington, Vermont? (3 March 2009)";

/// A candidate, and what the city counted.
pub struct Candidate {
    /// The option's label.
    pub label: &'static str,
    /// Votes in each of the city's three rounds. Those of the first are the first choices.
    pub rounds: [u64; 3],
}

/// The candidates, in the option order of a poll for first choices.
pub const CANDIDATES: [Candidate; 6] = [
    Candidate { label: "Kurt Wright", rounds: [2_951, 3_294, 4_061] },
    Candidate { label: "Bob Kiss", rounds: [2_585, 2_981, 4_313] },
    Candidate { label: "Andy Montroll", rounds: [2_063, 2_554, 0] },
    Candidate { label: "Dan Smith", rounds: [1_306, 0, 0] },
    Candidate { label: "Write-in", rounds: [36, 0, 0] },
    Candidate { label: "James Simpson", rounds: [35, 0, 0] },
];

/// How many options the poll has.
pub const OPTIONS: usize = CANDIDATES.len();

/// All valid first choices.
pub const BALLOTS: u64 = 8_976;

/// The candidates' labels.
pub fn labels() -> [&'static str; OPTIONS] {
    CANDIDATES.map(|candidate| candidate.label)
}

/// The candidates' first choices.
fn first_choices() -> [u64; OPTIONS] {
    CANDIDATES.map(|candidate| candidate.rounds[0])
}

/// Each option's votes in a sample with `voters` ballots, proportional to the official totals by the largest remainder,
/// so that they sum to `voters` exactly. All `BALLOTS` give the official totals. For equal remainders, the earlier
/// option wins.
pub fn sample(voters: u64) -> [u64; OPTIONS] {
    let mut votes = first_choices().map(|official| official * voters / BALLOTS);
    let mut by_remainder: Vec<usize> = (0..OPTIONS).collect();
    let remainders = first_choices().map(|official| official * voters % BALLOTS);
    by_remainder.sort_by_key(|&option| std::cmp::Reverse(remainders.get(option).copied()));
    let missing = voters - votes.iter().sum::<u64>();
    for (option, _) in by_remainder.into_iter().zip(0..missing) {
        if let Some(votes) = votes.get_mut(option) {
            *votes += 1;
        }
    }
    votes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_totals_sum_to_the_valid_ballots() {
        assert_eq!(first_choices().iter().sum::<u64>(), BALLOTS);
    }

    #[test]
    fn all_voters_are_the_official_totals() {
        assert_eq!(sample(BALLOTS), [2_951, 2_585, 2_063, 1_306, 36, 35]);
    }

    #[test]
    fn a_sample_of_any_size_sums_to_its_size_and_is_within_one_of_proportion() {
        for voters in 0..=BALLOTS {
            let votes = sample(voters);
            assert_eq!(votes.iter().sum::<u64>(), voters);
            for (votes, official) in votes.into_iter().zip(first_choices()) {
                let floor = official * voters / BALLOTS;
                assert!((floor..=floor + 1).contains(&votes), "{official}: {votes} of {voters}");
            }
        }
    }

    #[test]
    fn the_largest_remainders_get_the_seats_that_are_left() {
        // Quotas of 100: 32.88, 28.80, 22.98, 14.55, 0.40, 0.39. Floors sum to 96; the four largest remainders get one.
        assert_eq!(sample(100), [33, 29, 23, 15, 0, 0]);
    }
}
