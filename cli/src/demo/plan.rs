//! Decides who votes for what, in which order, and who tries more than one vote. The same seed gives the same plan.

use super::election::OPTIONS;

/// How many voters in 100 repeat their request or try a second vote.
pub const MISBEHAVING_PERCENT: u64 = 5;

/// One device's part in the election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The option voted for.
    pub choice: usize,
    /// What the device does after its vote.
    pub afterwards: Afterwards,
}

/// What a device does after its vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// It does nothing.
    Nothing,
    /// It sends the same request again.
    Repeat,
    /// It tries to vote for another option.
    SecondVote {
        /// The other option.
        choice: usize,
    },
}

/// Shuffled ballots for `votes` (one number per option). `MISBEHAVING_PERCENT` of them, rounded to the nearest number,
/// do something afterwards: half repeat, half try a second vote.
pub fn ballots(votes: &[u64; OPTIONS], seed: u64) -> Vec<Ballot> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut ballots: Vec<Ballot> = (0..OPTIONS)
        .zip(votes)
        .flat_map(|(choice, &votes)| (0..votes).map(move |_| Ballot { choice, afterwards: Afterwards::Nothing }))
        .collect();

    // The first ones after one shuffle misbehave. A second shuffle spreads them over the day.
    random.shuffle(&mut ballots);
    let misbehaving = (ballots.len() as u64 * MISBEHAVING_PERCENT + 50) / 100;
    for (number, ballot) in (0..misbehaving).zip(&mut ballots) {
        ballot.afterwards = if number % 2 == 0 {
            Afterwards::Repeat
        } else {
            Afterwards::SecondVote { choice: (ballot.choice + random.usize(1..OPTIONS)) % OPTIONS }
        };
    }
    random.shuffle(&mut ballots);
    ballots
}

#[cfg(test)]
mod tests {
    use super::super::election::{BALLOTS, sample};
    use super::*;

    #[test]
    fn the_plan_holds_exactly_the_votes_of_the_sample() {
        for voters in [1, 7, 500, BALLOTS] {
            let mut counted = [0; OPTIONS];
            for ballot in ballots(&sample(voters), 1) {
                counted[ballot.choice] += 1;
            }
            assert_eq!(counted, sample(voters));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
        let votes = sample(500);
        assert_eq!(ballots(&votes, 7), ballots(&votes, 7));
        assert_ne!(ballots(&votes, 7), ballots(&votes, 8));
    }

    #[test]
    fn five_percent_misbehave_half_of_them_with_a_second_vote() {
        let plan = ballots(&sample(BALLOTS), 1);
        let repeats = plan.iter().filter(|ballot| ballot.afterwards == Afterwards::Repeat).count();
        let seconds = plan.iter().filter(|ballot| matches!(ballot.afterwards, Afterwards::SecondVote { .. })).count();
        assert_eq!((repeats, seconds), (225, 224));
    }

    #[test]
    fn a_second_vote_is_for_another_option() {
        for ballot in ballots(&sample(BALLOTS), 3) {
            if let Afterwards::SecondVote { choice } = ballot.afterwards {
                assert!(choice < OPTIONS && choice != ballot.choice);
            }
        }
    }

    #[test]
    fn options_and_misbehaviour_are_spread_over_the_order() {
        let plan = ballots(&sample(BALLOTS), 5);
        for quarter in plan.chunks(plan.len() / 4) {
            let first = quarter.iter().filter(|ballot| ballot.choice == 0).count();
            let misbehaving = quarter.iter().filter(|ballot| ballot.afterwards != Afterwards::Nothing).count();
            assert!((600..=880).contains(&first), "{first} of 738 expected");
            assert!((75..=150).contains(&misbehaving), "{misbehaving} of 112 expected");
        }
    }
}
