//! How long votes wait until they are counted.

use anyhow::Result;
use hdrhistogram::Histogram;
use landslide_domain::time::Timestamp;

/// How exactly times are kept, in significant digits.
pub const DIGITS: u8 = 3;

/// A look at the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// When it was answered.
    pub at: Timestamp,
    /// Ballots that were counted then.
    pub ballots: u64,
}

/// The lag of each vote, in milliseconds: from its `cast_at` to the first look at the counts that had it. Which votes a
/// count contains is not looked at: the n-th in the order of `cast_at` is taken to be counted with the n-th ballot. Where
/// votes overtake each other the mean stays the same, and single lags may be longer than is said. Votes that no look
/// had are left out.
pub fn lags(mut cast_at: Vec<Timestamp>, looks: &[Look]) -> Result<Histogram<u64>> {
    cast_at.sort_unstable();
    let mut histogram = Histogram::new(DIGITS)?;
    let mut looks = looks.iter().peekable();
    for (number, cast_at) in (1..).zip(cast_at) {
        while looks.next_if(|look| look.ballots < number).is_some() {}
        let Some(look) = looks.peek() else { break };
        histogram.record(look.at.millis_since(cast_at))?;
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::EPOCH.plus_millis(millis)
    }

    fn look(millis: u64, ballots: u64) -> Look {
        Look { at: at(millis), ballots }
    }

    #[test]
    fn a_vote_waits_from_its_time_to_the_first_look_that_has_it() {
        let lags = lags(vec![at(30), at(10), at(20)], &[look(25, 0), look(100, 1), look(90_030, 3)]).unwrap();
        let all: Vec<u64> = [0.1, 0.5, 1.0].map(|quantile| lags.value_at_quantile(quantile)).into();
        // To three digits: 90,010 and 90,020 are the same.
        assert_eq!((all, lags.len()), (vec![90, 90_047, 90_047], 3));
    }

    #[test]
    fn votes_that_were_never_seen_counted_are_left_out() {
        assert_eq!(lags(vec![at(1), at(2)], &[look(5, 1)]).unwrap().len(), 1);
        assert!(lags(vec![at(1)], &[]).unwrap().is_empty());
    }

    #[test]
    fn a_count_by_a_clock_behind_has_no_lag() {
        assert_eq!(lags(vec![at(10)], &[look(7, 1)]).unwrap().max(), 0);
    }
}
