//! Votes over time, as a line.

use landslide_domain::time::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use crate::{document::minute, words::Words};

/// The most points of the line. Several slots share one if there are more.
const POINTS_MAX: usize = 60;
/// The size of the picture.
const WIDTH: usize = 300;
const HEIGHT: u64 = 60;

/// The parts of a series' document that a page shows.
#[derive(Deserialize)]
pub(super) struct Series {
    points: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    at: Timestamp,
    ballots: u64,
}

impl Series {
    /// The line with its first and its last time. Nothing for fewer than two points, of which there is no line.
    pub(super) fn html(&self, words: &Words) -> Markup {
        let per_point = self.points.len().div_ceil(POINTS_MAX).max(1);
        let sums: Vec<u64> =
            self.points.chunks(per_point).map(|slots| slots.iter().map(|slot| slot.ballots).sum()).collect();
        let most = sums.iter().copied().max().unwrap_or_default().max(1);
        let last = sums.len().saturating_sub(1).max(1);
        let points = sums.iter().enumerate().map(|(place, sum)| {
            let y = u128::from(HEIGHT) - u128::from(*sum) * u128::from(HEIGHT) / u128::from(most);
            format!("{},{} ", place * WIDTH / last, y)
        });
        let ends = self.points.first().zip(self.points.last()).filter(|_| sums.len() > 1);
        html! {
            @if let Some((first, end)) = ends {
                h2 { (words.say.over_time) }
                svg.chart viewBox={ "0 -2 " (WIDTH) " " (HEIGHT + 4) } role="img" aria-label=(words.say.over_time) {
                    polyline points=(points.collect::<String>().trim_end()) {}
                }
                p.quiet { (minute(first.at)) " – " (minute(end.at)) }
            }
        }
    }
}
