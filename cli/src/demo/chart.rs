//! The series of a demo's poll as a picture: votes in each minute, and all votes until then.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landslide_cli::api::{Api, Series};
use landslide_cli::progress::grouped;
use landslide_plot::{Line, Panel, svg};

use super::COUNT_INTERVAL;
use super::election::QUESTION;

/// What a poll's series must add up to.
pub struct Expected {
    /// The options' labels.
    pub labels: Vec<String>,
    /// Votes by option.
    pub votes: Vec<u64>,
}

impl Expected {
    /// Reads the poll's series once it has all votes, and draws it into a file. Fails if it has other votes.
    pub async fn draw(&self, api: &Api, poll_id: &str, wait_max: Duration, file: &Path) -> Result<()> {
        let series = self.complete_series(api, poll_id, wait_max).await?;
        let votes: Vec<u64> = (0..self.labels.len()).map(|option| by_slot(&series, option).sum()).collect();
        ensure!(votes == self.votes, "The series has other votes: {:?} expected, {votes:?} counted.", self.votes);
        std::fs::write(file, self.picture(&series)?).with_context(|| format!("write {}", file.display()))?;
        println!("The series has the same votes, and is drawn in {}.", file.display());
        Ok(())
    }

    async fn complete_series(&self, api: &Api, poll_id: &str, wait_max: Duration) -> Result<Series> {
        let (started, votes) = (Instant::now(), self.votes.iter().sum());
        loop {
            let series = api.series(poll_id).await?;
            if series.ballots == votes {
                return Ok(series);
            }
            let (votes, ballots) = (grouped(votes), grouped(series.ballots));
            ensure!(started.elapsed() < wait_max, "{votes} votes were cast, but {ballots} are in the series.");
            tokio::time::sleep(COUNT_INTERVAL).await;
        }
    }

    fn picture(&self, series: &Series) -> Result<String> {
        let minutes = series.step_seconds as f64 / 60.0;
        let lines = |points: fn(&Series, usize, f64) -> Vec<(f64, f64)>| {
            let line = |(option, label): (usize, &String)| Line {
                name: label.clone(),
                points: points(series, option, minutes),
            };
            self.labels.iter().enumerate().map(line).collect()
        };
        let x = "minutes since the poll was opened";
        let panels = [
            Panel { x, y: "votes each minute", lines: lines(each) },
            Panel { x, y: "votes so far", lines: lines(so_far) },
        ];
        svg(QUESTION, &panels)
    }
}

fn by_slot(series: &Series, option: usize) -> impl Iterator<Item = u64> {
    series.points.iter().map(move |point| point.votes.get(option).copied().unwrap_or_default())
}

/// Votes a minute, each in the middle of its slot.
fn each(series: &Series, option: usize, minutes: f64) -> Vec<(f64, f64)> {
    let votes = by_slot(series, option).enumerate();
    votes.map(|(slot, votes)| ((slot as f64 + 0.5) * minutes, votes as f64 / minutes)).collect()
}

/// Votes until the end of each slot.
fn so_far(series: &Series, option: usize, minutes: f64) -> Vec<(f64, f64)> {
    let sums = by_slot(series, option).scan(0, |sum, votes| {
        *sum += votes;
        Some(*sum)
    });
    let ends = (1..).zip(sums).map(|(slot, sum)| (f64::from(slot) * minutes, sum as f64));
    std::iter::once((0.0, 0.0)).chain(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use landslide_cli::api::Point;

    #[test]
    fn a_slot_is_drawn_in_its_middle_and_a_sum_at_its_end() {
        let points = [[3, 0], [5, 1]].map(|votes| Point { votes: votes.to_vec() }).into();
        let series = Series { step_seconds: 120, ballots: 9, points };
        assert_eq!(each(&series, 0, 2.0), [(1.0, 1.5), (3.0, 2.5)]);
        assert_eq!(so_far(&series, 1, 2.0), [(0.0, 0.0), (2.0, 0.0), (4.0, 1.0)]);
    }
}
