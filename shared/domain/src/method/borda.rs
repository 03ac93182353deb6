//! The Borda count: of n options, the place i gives n − i points; unlisted options share what is left equally.

use serde::Serialize;

use super::{Count, Course, Outcome, Summary, Tie, figures::Figures, rankings::Rankings};

/// The course of a Borda count: the summary has the points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Borda {}

/// The points in halves. A ballot that lists k of n options gives each unlisted one the mean of the n − k lowest places,
/// which is (n − k − 1) / 2 points.
pub(super) fn half_points<R: AsRef<[u8]>>(rankings: &Rankings<'_, R>) -> Figures {
    let options = rankings.options();
    let mut points = Figures::new(options);
    let mut unlisted_share = 0;
    for (ranking, ballots) in rankings.iter() {
        let listed = ranking.iter().filter(|option| **option < options);
        let share = (u64::from(options) - listed.clone().count() as u64).saturating_sub(1);
        unlisted_share += share * ballots;
        for (&option, below) in listed.zip((0..u64::from(options)).rev()) {
            // At least one place above the unlisted ones, so that this is above 0.
            points.add(option, (2 * below).saturating_sub(share) * ballots);
        }
    }
    (0..options).for_each(|option| points.add(option, unlisted_share));
    points
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
