//! Answers as long as they may be.

use fastrand::Rng;
use landslide_domain::ballot::ANSWER_CHARS_MAX;

/// Among how many different answers voters choose.
const ANSWERS: f64 = 1e6;

/// An answer that others give too, by Zipf's law: the n-th most frequent is about as likely as the first, divided by n.
pub fn frequent(random: &mut Rng) -> String {
    text(ANSWERS.powf(random.f64()) as u64)
}

/// An answer that nobody else gives.
pub fn distinct(random: &mut Rng) -> String {
    text(random.u64(..))
}

fn text(number: u64) -> String {
    format!("{number:x<ANSWER_CHARS_MAX$}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn counts(draw: fn(&mut Rng) -> String) -> HashMap<String, u32> {
        let (mut counts, mut random) = (HashMap::new(), Rng::with_seed(1));
        (0..10_000).for_each(|_| *counts.entry(draw(&mut random)).or_default() += 1);
        counts
    }

    #[test]
    fn distinct_answers_are_all_different_and_as_long_as_they_may_be() {
        let distinct = counts(distinct);
        assert_eq!(distinct.len(), 10_000);
        assert!(distinct.keys().all(|text| text.len() == ANSWER_CHARS_MAX));
    }

    #[test]
    fn the_most_frequent_answers_are_as_frequent_as_they_are_meant_to_be() {
        let mut counts: Vec<u32> = counts(frequent).into_values().collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        // ln 2 / ln 1,000,000 of them, and ln 3/2.
        assert!((450..560).contains(&counts[0]) && (250..340).contains(&counts[1]), "{:?}", &counts[..2]);
    }
}
