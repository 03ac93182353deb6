//! What polls of one kind show besides their options' votes.

use landslide_domain::{
    ballot::Scale,
    poll::Correct,
    results::answers::{Answers, Counted},
};
use serde::Serialize;

/// On this scale there is a net promoter score.
const PROMOTER_SCALE: Scale = Scale { min: 0, max: 10 };
/// The least level of promoters, and the greatest of detractors.
const PROMOTERS_FROM: i8 = 9;
const DETRACTORS_TO: i8 = 6;

/// An option's ratings.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct RatingView {
    ratings: i64,
    counts: Vec<LevelView>,
    /// `None` without ratings.
    mean: Option<f64>,
    /// Of an even number the lower of both in the middle.
    median: Option<i8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    net_promoter_score: Option<Option<f64>>,
}

#[derive(Debug, PartialEq, Serialize)]
struct LevelView {
    value: i8,
    count: i64,
}

impl RatingView {
    /// An option's ratings, of all options' counts by level. `None` if they are not as many as they should be.
    pub(super) fn of(id: u8, levels: &[i64], scale: Scale) -> Option<Self> {
        let from = usize::from(id) * scale.levels();
        let counts = levels.get(from..from + scale.levels())?.iter().map(|count| (*count).max(0));
        let counts: Vec<LevelView> =
            scale.iter().zip(counts).map(|(value, count)| LevelView { value, count }).collect();
        let ratings: i64 = counts.iter().map(|level| level.count).sum();
        let sum: i64 = counts.iter().map(|level| i64::from(level.value) * level.count).sum();
        let of_all = |number: i64| (ratings > 0).then(|| rounded(number as f64 / ratings as f64));
        let with = |is: &dyn Fn(i8) -> bool| -> i64 {
            counts.iter().filter(|level| is(level.value)).map(|level| level.count).sum()
        };
        let promoters = with(&|value| value >= PROMOTERS_FROM) - with(&|value| value <= DETRACTORS_TO);
        let score = || Some(rounded(of_all(promoters)? * 100.0));
        Some(Self {
            ratings,
            mean: of_all(sum),
            median: median(&counts, ratings),
            net_promoter_score: (scale == PROMOTER_SCALE).then(score),
            counts,
        })
    }
}

/// To four places.
fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

fn median(counts: &[LevelView], ratings: i64) -> Option<i8> {
    let mut below = 0;
    let in_the_middle = |level: &&LevelView| {
        below += level.count;
        2 * below >= ratings
    };
    counts.iter().filter(|level| level.count > 0).find(in_the_middle).map(|level| level.value)
}

/// What people wrote.
#[derive(Debug, Serialize)]
pub(super) struct AnswersView<'a> {
    top: &'a [Counted],
    distinct: usize,
    distinct_is: &'static str,
    further: i64,
    hidden: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    approximate: Option<Approximate>,
}

#[derive(Debug, Serialize)]
struct Approximate {
    each_within: u64,
}

impl<'a> AnswersView<'a> {
    pub(super) fn of(answers: &'a Answers) -> Self {
        let missed = answers.missed;
        Self {
            top: &answers.top,
            distinct: answers.distinct,
            distinct_is: if missed > 0 { "at_least" } else { "exact" },
            further: answers.further.max(0),
            hidden: answers.hidden,
            approximate: (missed > 0).then_some(Approximate { each_within: missed }),
        }
    }
}

/// How right a quiz's ballots are.
#[derive(Debug, Serialize)]
pub(super) struct QuizView<'a> {
    correct: &'a Correct,
    right: i64,
    /// Of all ballots, from 0 to 1.
    share: f64,
}

impl<'a> QuizView<'a> {
    /// `None` without ballots.
    pub(super) fn of(correct: &'a Correct, right: i64, ballots: i64) -> Option<Self> {
        (ballots > 0).then(|| Self { correct, right, share: rounded(right as f64 / ballots as f64) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ratings_have_their_mean_and_their_lower_median() {
        let scale = Scale { min: -1, max: 2 };
        let rating = RatingView::of(1, &[9, 9, 9, 9, 2, 0, 1, 1], scale).unwrap();
        assert_eq!((rating.ratings, rating.mean, rating.median), (4, Some(0.25), Some(-1)));
        let none = RatingView::of(0, &[0, 0, 0, 0], scale).unwrap();
        assert_eq!((none.mean, none.median, none.net_promoter_score), (None, None, None));
        let odd = RatingView::of(0, &[1, 0, 2, 0], scale).unwrap();
        assert_eq!(odd.median, Some(1));
        assert_eq!(RatingView::of(2, &[0; 8], scale), None);
    }

    #[test]
    fn a_scale_from_zero_to_ten_has_a_net_promoter_score() {
        let levels = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2];
        let rating = RatingView::of(0, &levels, PROMOTER_SCALE).unwrap();
        assert_eq!(rating.net_promoter_score, Some(Some(33.33)));
        let none = RatingView::of(0, &[0; 11], PROMOTER_SCALE).unwrap();
        assert_eq!(none.net_promoter_score, Some(None));
    }

    #[test]
    fn folded_answers_are_approximate() {
        let answers = Answers { distinct: 7, missed: 3, further: -1, ..Answers::default() };
        let shown = serde_json::to_value(AnswersView::of(&answers)).unwrap();
        let expected = json!({"top": [], "distinct": 7, "distinct_is": "at_least", "further": 0, "hidden": 0,
            "approximate": {"each_within": 3}});
        assert_eq!(shown, expected);
        let exact = serde_json::to_value(AnswersView::of(&Answers::default())).unwrap();
        assert_eq!((&exact["distinct_is"], exact.get("approximate")), (&json!("exact"), None));
    }

    #[test]
    fn a_quiz_shows_the_share_of_right_ballots() {
        let correct = Correct(vec![1]);
        let shown = serde_json::to_value(QuizView::of(&correct, 2, 3)).unwrap();
        assert_eq!(shown, json!({"correct": [1], "right": 2, "share": 0.6667}));
        assert!(QuizView::of(&correct, 0, 0).is_none());
    }
}
