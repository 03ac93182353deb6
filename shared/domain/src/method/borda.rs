//! The Borda count: of n options, the place i gives n − i points; unlisted options share what is left equally.

use serde::Serialize;

use super::{
    Count, Course, Outcome, Summary, Tie,
    figures::{add, whole},
};

/// The course of a Borda count: the summary has the points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Borda {}

/// Points in halves. A ballot that lists k of n options gives each unlisted one the mean of the n − k lowest places, which is
/// (n − k − 1) / 2 points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Points {
    /// What each option has as an unlisted one, whether it is one or not.
    unlisted: i64,
    /// What each has besides.
    listed: Vec<i64>,
}

impl Points {
    pub(super) fn new(options: u8) -> Self {
        Self { unlisted: 0, listed: vec![0; options.into()] }
    }

    /// Adds ballots that rank options alike, or takes them away.
    pub(super) fn add(&mut self, ranking: &[u8], ballots: i64) {
        let options = self.listed.len();
        let known = ranking.iter().filter(|option| usize::from(**option) < options);
        let unlisted = options.saturating_sub(known.clone().count() + 1) as i64;
        self.unlisted += unlisted * ballots;
        for (&option, below) in known.zip((0..options as i64).rev()) {
            add(&mut self.listed, option, (2 * below - unlisted) * ballots);
        }
    }

    /// By option id.
    pub(super) fn half_points(&self) -> Vec<u64> {
        self.listed.iter().map(|listed| whole(listed + self.unlisted)).collect()
    }
}

/// The options with the most points.
pub(super) fn count(summary: &Summary, seats: u8) -> Count {
    let outcome = if summary.ballots == 0 { Outcome::default() } else { outcome(summary, usize::from(seats)) };
    Count { outcome, provisional: false, course: Course::Borda(Borda {}) }
}

fn outcome(summary: &Summary, seats: usize) -> Outcome {
    let mut by_points: Vec<(u64, u8)> = summary.borda_half_points.iter().copied().zip(0..).collect();
    by_points.sort_by_key(|(points, option)| (std::cmp::Reverse(*points), *option));
    let last = by_points.get(seats.saturating_sub(1)).map(|(points, _)| *points);
    let with = |wanted: &dyn Fn(u64) -> bool| -> Vec<u8> {
        by_points.iter().filter(|(points, _)| wanted(*points)).map(|(_, option)| *option).collect()
    };
    let mut winners = with(&|points| Some(points) > last);
    let at_the_border = with(&|points| Some(points) == last);
    let seats = seats - winners.len();
    if at_the_border.len() > seats {
        return Outcome { winners, tie: Some(Tie { options: at_the_border, seats }) };
    }
    winners.extend(at_the_border);
    Outcome { winners, tie: None }
}
