//! The report that the demo prints at its end.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};
use landslide_cli::api::{Results, Retries};
use landslide_cli::progress::grouped;

use super::election::{BALLOTS, OPTIONS, labels};

/// What the voters did, and the responses they got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turnout {
    /// Devices that registered.
    pub registrations: u64,
    /// First votes answered 201.
    pub created: u64,
    /// First votes answered 200 on a retry, because an attempt without an answer had stored them.
    pub found_on_retry: u64,
    /// Repeats answered 200 with the stored vote.
    pub repeats: u64,
    /// Second votes answered 409.
    pub second_votes: u64,
}

impl Turnout {
    /// Votes that must be counted.
    pub fn votes(&self) -> u64 {
        self.created + self.found_on_retry
    }
}

/// The option table, and the figures below it.
pub struct Report<'a> {
    /// Votes expected by option.
    pub expected: &'a [u64; OPTIONS],
    /// Votes counted.
    pub results: &'a Results,
    /// What the voters did.
    pub turnout: Turnout,
    /// Requests that were retried.
    pub retries: &'a Retries,
    /// From the first registration to the last voter's last answer.
    pub voting: Duration,
    /// From the last vote's answer to the results that showed it.
    pub counting: Duration,
}

impl Report<'_> {
    /// Fails with the differences, unless every option's count is as expected.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.results.options.len() == OPTIONS,
            "The results have {} options instead of {OPTIONS}.",
            self.results.options.len()
        );
        let differences: Vec<String> = self
            .rows()
            .filter(|(_, expected, counted)| expected != counted)
            .map(|(label, expected, counted)| {
                format!("{label}: {} expected, {} counted", grouped(expected), grouped(counted))
            })
            .collect();
        ensure!(differences.is_empty(), "The count is not exact: {}.", differences.join("; "));
        Ok(())
    }

    fn rows(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        let options = labels().into_iter().zip(self.expected).enumerate().map(|(id, (label, &expected))| {
            // A label in another place is a vote counted for another option.
            let counted = self.results.options.get(id).filter(|option| option.label == label);
            (label, expected, counted.map_or(0, |option| option.votes))
        });
        options.chain(std::iter::once(("All", self.expected.iter().sum(), self.results.ballots)))
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = if self.expected.iter().sum::<u64>() == BALLOTS { "official" } else { "sample" };
        writeln!(f, "{:<16}{source:>10}{:>10}   equal", "option", "counted")?;
        for (label, expected, counted) in self.rows() {
            let equal = if expected == counted { "yes" } else { "NO" };
            writeln!(f, "{label:<16}{:>10}{:>10}   {equal}", grouped(expected), grouped(counted))?;
        }
        let Turnout { registrations, created, found_on_retry, repeats, second_votes } = self.turnout;
        let Retries { throttled, unavailable, unanswered } = self.retries;
        let rate = self.turnout.votes() as f64 / self.voting.as_secs_f64();
        writeln!(f)?;
        writeln!(f, "registrations       {:>8}", grouped(registrations))?;
        writeln!(f, "votes, 201          {:>8}", grouped(created))?;
        if found_on_retry > 0 {
            writeln!(
                f,
                "votes, 200 on retry {:>8}   stored by an attempt that got no answer",
                grouped(found_on_retry)
            )?;
        }
        writeln!(f, "repeats, 200        {:>8}   the stored vote, each time", grouped(repeats))?;
        writeln!(f, "second votes, 409   {:>8}   already_voted, each time", grouped(second_votes))?;
        writeln!(
            f,
            "retries             {:>8}   {} after 429, {} after 503, {} without an answer",
            grouped(self.retries.total()),
            throttled.get(),
            unavailable.get(),
            unanswered.get()
        )?;
        writeln!(f, "rate                {rate:>8.0}   voters/s over {:.1} s", self.voting.as_secs_f64())?;
        write!(f, "time to count       {:>8.2}   s after the last vote's answer", self.counting.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::super::election::sample;
    use super::*;
    use landslide_cli::api::OptionResult;

    fn results(votes: [u64; OPTIONS]) -> Results {
        let options = labels()
            .into_iter()
            .zip(votes)
            .map(|(label, votes)| OptionResult { label: label.to_owned(), votes })
            .collect();
        Results { ballots: votes.iter().sum(), options }
    }

    fn check(results: &Results) -> Result<String, String> {
        let report = Report {
            expected: &sample(BALLOTS),
            results,
            turnout: Turnout {
                registrations: BALLOTS,
                created: BALLOTS,
                repeats: 225,
                second_votes: 224,
                found_on_retry: 0,
            },
            retries: &Retries::default(),
            voting: Duration::from_secs(10),
            counting: Duration::from_millis(1_234),
        };
        report.check().map(|()| report.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn equal_counts_pass_and_are_shown_beside_the_official_ones() {
        let text = check(&results(sample(BALLOTS))).unwrap();
        assert!(text.contains("Kurt Wright          2,951     2,951   yes"), "{text}");
        assert!(text.contains("All                  8,976     8,976   yes"), "{text}");
        assert!(text.contains("rate                     898   voters/s over 10.0 s"), "{text}");
        assert!(text.contains("time to count           1.23   s"), "{text}");
    }

    #[test]
    fn a_vote_counted_for_another_option_fails_though_the_sum_is_right() {
        let mut votes = sample(BALLOTS);
        votes[0] -= 1;
        votes[1] += 1;
        let message = check(&results(votes)).unwrap_err();
        assert_eq!(
            message,
            "The count is not exact: Kurt Wright: 2,951 expected, 2,950 counted; Bob Kiss: 2,585 expected, 2,586 counted."
        );
    }

    #[test]
    fn ballots_that_differ_from_the_options_sum_fail() {
        let mut results = results(sample(BALLOTS));
        results.ballots += 1;
        assert_eq!(check(&results).unwrap_err(), "The count is not exact: All: 8,976 expected, 8,977 counted.");
    }
}
