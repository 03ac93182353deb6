//! What people wrote, as readers see it: the most frequent answers, and how many there are.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// How many answers are shown at most.
pub const TOP_MAX: usize = 100;

/// An answer with its ballots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Its most frequent spelling.
    pub text: String,
    /// How many ballots say it, in any spelling.
    pub count: i64,
}

/// Answers of a poll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// The most frequent ones, at most `TOP_MAX`.
    pub top: Vec<Counted>,
    /// How many different ones there are, hidden ones included; at least, if any were folded.
    pub distinct: usize,
    /// Ballots with further answers.
    pub further: i64,
    /// Ballots with answers that the poll's tenant has hidden.
    pub hidden: i64,
    /// By how much each count may be wrong, as others were folded.
    pub missed: u64,
}

impl Answers {
    /// All ballots.
    pub fn ballots(&self) -> i64 {
        self.top.iter().map(|answer| answer.count).sum::<i64>() + self.further + self.hidden
    }

    /// Sums up texts with their counts; an empty text stands for all that were folded. `group` is the same for spellings
    /// of one answer. Answers of hidden groups are counted, and not shown.
    pub fn of<'a>(
        texts: impl IntoIterator<Item = (&'a str, i64)>,
        missed: u64,
        group: impl Fn(&str) -> String,
        hidden: &BTreeSet<String>,
    ) -> Self {
        let mut answers = Self { missed, ..Self::default() };
        let mut groups: BTreeMap<String, Spellings<'_>> = BTreeMap::new();
        for (text, count) in texts {
            match text {
                "" => answers.further += count,
                text => groups.entry(group(text)).or_default().add(text, count),
            }
        }
        let mut shown: Vec<Counted> = Vec::new();
        for (group, spellings) in groups {
            let Spellings { count, most: (_, text) } = spellings;
            if count <= 0 {
                answers.further += count;
                continue;
            }
            answers.distinct += 1;
            if hidden.contains(&group) {
                answers.hidden += count;
            } else {
                shown.push(Counted { text: text.to_owned(), count });
            }
        }
        shown.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.text.cmp(&other.text)));
        answers.further += shown.iter().skip(TOP_MAX).map(|answer| answer.count).sum::<i64>();
        shown.truncate(TOP_MAX);
        Self { top: shown, ..answers }
    }
}

/// The spellings of one answer.
#[derive(Default)]
struct Spellings<'a> {
    count: i64,
    /// The most frequent one, of equal ones the first by code points.
    most: (i64, &'a str),
}

impl<'a> Spellings<'a> {
    fn add(&mut self, text: &'a str, count: i64) {
        self.count += count;
        let (most, spelling) = self.most;
        if spelling.is_empty() || count > most || count == most && text < spelling {
            self.most = (count, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(texts: &[(&str, i64)], hidden: &[&str]) -> Answers {
        let hidden = hidden.iter().map(|text| (*text).to_owned()).collect();
        Answers::of(texts.iter().copied(), 0, str::to_lowercase, &hidden)
    }

    fn top(answers: &Answers) -> Vec<(&str, i64)> {
        answers.top.iter().map(|answer| (answer.text.as_str(), answer.count)).collect()
    }

    #[test]
    fn spellings_of_one_answer_count_together_under_the_most_frequent() {
        let found = answers(&[("Yes", 2), ("YES", 3), ("no", 4), ("yes", 3)], &[]);
        assert_eq!(top(&found), [("YES", 8), ("no", 4)]);
        assert_eq!((found.distinct, found.ballots()), (2, 12));
    }

    #[test]
    fn hidden_answers_count_and_are_not_shown() {
        let found = answers(&[("Yes", 2), ("Bad", 3), ("BAD", 1)], &["bad"]);
        assert_eq!((top(&found), found.hidden, found.distinct), (vec![("Yes", 2)], 4, 2));
        assert_eq!(found.ballots(), 6);
    }

    #[test]
    fn folded_answers_and_those_past_the_top_are_further_ones() {
        let texts: Vec<(String, i64)> = (0..TOP_MAX + 2).map(|n| (format!("{n:03}"), 1)).collect();
        let mut texts: Vec<(&str, i64)> = texts.iter().map(|(text, count)| (text.as_str(), *count)).collect();
        texts.push(("", 7));
        let found = answers(&texts, &[]);
        assert_eq!((found.top.len(), found.further, found.distinct), (TOP_MAX, 9, TOP_MAX + 2));
        assert_eq!((top(&found)[0], found.ballots()), (("000", 1), 109));
    }

    #[test]
    fn an_answer_below_zero_is_not_shown_and_the_sum_stays() {
        let found = answers(&[("a", -1), ("b", 3)], &[]);
        assert_eq!((top(&found), found.distinct, found.ballots()), (vec![("b", 3)], 1, 2));
    }
}
