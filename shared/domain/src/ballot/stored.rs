//! How a full ballot is kept in an item: as a map of numbers, texts and lists of numbers, whatever carries it.

use std::borrow::Cow;

use super::{Answer, Ballot, Choices, Content, FullBallot, Ranking, Ratings, Segments};
use crate::series::Slot;

/// In place of choices where a ballot is a full one. Code that knows choices only can't read it, and passes it on for a
/// redrive.
pub const SEE_BALLOT: &str = "see ballot";
/// The rules by which a ballot has its entries, kept with it. Code for a number never changes; another reading is another
/// number, and waits for the code that knows it.
pub const RULES_NOW: i64 = 1;

const RULES: &str = "rules";
const CHOICES: &str = "choices";
const OTHER: &str = "other";
const QUIZ: &str = "quiz";
const RANKING: &str = "ranking";
const RATINGS: &str = "ratings";
const TEXT: &str = "text";
const SEGMENTS: &str = "segments";
const SLOT: &str = "slot";

/// One of the map's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// A number.
    Number(i64),
    /// A text.
    Text(Cow<'a, str>),
    /// A list of numbers.
    Numbers(Vec<i64>),
}

/// The map, in no particular order.
pub type Fields<'a> = Vec<(Cow<'a, str>, Field<'a>)>;

impl FullBallot {
    /// The map that holds the ballot.
    pub fn fields(&self) -> Fields<'_> {
        let mut fields = vec![(RULES.into(), Field::Number(RULES_NOW))];
        let mut add = |name: &'static str, field| fields.push((name.into(), field));
        match &self.content {
            Content::Choices(choices) => add(CHOICES, numbers(choices.iter())),
            Content::WriteIn(choices, other) => {
                choices.iter().for_each(|choices| add(CHOICES, numbers(choices.iter())));
                add(OTHER, Field::Text(other.as_str().into()));
            }
            Content::Quiz(choices) => add(QUIZ, numbers(choices.iter())),
            Content::Ranking(ranking) => add(RANKING, numbers(ranking.iter())),
            Content::Ratings(ratings) => {
                let pairs = ratings.iter().flat_map(|rating| [i64::from(rating.option), i64::from(rating.value)]);
                add(RATINGS, Field::Numbers(pairs.collect()));
            }
            Content::Text(text) => add(TEXT, Field::Text(text.as_str().into())),
        }
        if !self.segments.is_empty() {
            add(SEGMENTS, numbers(self.segments.as_slice().iter().copied()));
        }
        if let Some(slot) = self.slot {
            add(SLOT, Field::Number(i64::from(slot.number())));
        }
        fields
    }
}

impl Ballot {
    /// Parses the map of a full ballot. Returns `None` if it is not exactly one, by rules that this code knows.
    pub fn read(fields: Fields<'_>) -> Option<Self> {
        let mut read = Read::default();
        fields.into_iter().try_for_each(|(name, field)| read.set(&name, field))?;
        let (segments, slot) = (read.segments.unwrap_or_default(), read.slot);
        if read.rules != Some(RULES_NOW) {
            return None;
        }
        Some(Self::new(read.content()?, segments, slot)).filter(|ballot| matches!(ballot, Self::Full(_)))
    }
}

fn numbers(numbers: impl Iterator<Item = u8>) -> Field<'static> {
    Field::Numbers(numbers.map(i64::from).collect())
}

#[derive(Default)]
struct Read {
    rules: Option<i64>,
    choices: Option<Choices>,
    other: Option<Answer>,
    quiz: Option<Choices>,
    ranking: Option<Ranking>,
    ratings: Option<Ratings>,
    text: Option<Answer>,
    segments: Option<Segments>,
    slot: Option<Slot>,
}

impl Read {
    fn set(&mut self, name: &str, field: Field<'_>) -> Option<()> {
        match (name, field) {
            (RULES, Field::Number(rules)) => put(&mut self.rules, rules),
            (CHOICES, Field::Numbers(ids)) => put(&mut self.choices, Choices::of_ids(&unsigned(&ids)?)?),
            (OTHER, Field::Text(text)) => put(&mut self.other, Answer::stored(&text)?),
            (QUIZ, Field::Numbers(ids)) => put(&mut self.quiz, Choices::of_ids(&unsigned(&ids)?)?),
            (RANKING, Field::Numbers(ids)) => put(&mut self.ranking, Ranking::of_ids(&unsigned(&ids)?)?),
            (RATINGS, Field::Numbers(pairs)) => put(&mut self.ratings, Ratings::stored(&pairs)?),
            (TEXT, Field::Text(text)) => put(&mut self.text, Answer::stored(&text)?),
            (SEGMENTS, Field::Numbers(places)) => {
                let places: Option<Vec<u8>> = places.iter().map(|place| u8::try_from(*place).ok()).collect();
                put(&mut self.segments, Segments::of_places(&places?).filter(|segments| !segments.is_empty())?)
            }
            (SLOT, Field::Number(slot)) => put(&mut self.slot, Slot::of_number(slot)?),
            _ => None,
        }
    }

    fn content(self) -> Option<Content> {
        let Self { choices, other, quiz, ranking, ratings, text, .. } = self;
        match (choices, other, quiz, ranking, ratings, text) {
            (Some(choices), None, None, None, None, None) => Some(Content::Choices(choices)),
            (choices, Some(other), None, None, None, None) => Some(Content::WriteIn(choices, other)),
            (None, None, Some(choices), None, None, None) => Some(Content::Quiz(choices)),
            (None, None, None, Some(ranking), None, None) => Some(Content::Ranking(ranking)),
            (None, None, None, None, Some(ratings), None) => Some(Content::Ratings(ratings)),
            (None, None, None, None, None, Some(text)) => Some(Content::Text(text)),
            _ => None,
        }
    }
}

/// Sets a value. Returns `None` if it was already set.
fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn unsigned(numbers: &[i64]) -> Option<Vec<u64>> {
    numbers.iter().map(|number| u64::try_from(*number).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::a_full_ballot;
    use proptest::prelude::*;

    fn fields(fields: &[(&'static str, Field<'static>)]) -> Fields<'static> {
        fields.iter().map(|(name, field)| (Cow::Borrowed(*name), field.clone())).collect()
    }

    fn list(numbers: &[i64]) -> Field<'static> {
        Field::Numbers(numbers.to_vec())
    }

    #[test]
    fn a_ballot_by_other_rules_or_with_fields_that_nobody_knows_is_not_read() {
        let (one, ranking) = ((RULES, Field::Number(1)), (RANKING, list(&[2, 0])));
        assert!(Ballot::read(fields(&[one.clone(), ranking.clone()])).is_some());
        let text = (TEXT, Field::Text("a".into()));
        for wrong in [
            &[ranking.clone()][..],
            std::slice::from_ref(&one),
            &[(RULES, Field::Number(2)), ranking.clone()],
            &[one.clone(), one.clone(), ranking.clone()],
            &[one.clone(), ranking.clone(), ("weight", Field::Number(2))],
            &[one.clone(), ranking.clone(), text.clone()],
            &[one.clone(), (CHOICES, list(&[1])), text.clone()],
            &[one.clone(), (RANKING, Field::Text("2".into()))],
            &[one.clone(), (RANKING, list(&[-1]))],
            &[one.clone(), ranking.clone(), (SEGMENTS, list(&[]))],
            &[one.clone(), ranking.clone(), (SEGMENTS, list(&[256]))],
            &[one.clone(), ranking.clone(), (SLOT, Field::Number(1_500))],
            &[one.clone(), (TEXT, Field::Text("".into()))],
        ] {
            assert_eq!(Ballot::read(fields(wrong)), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_ballot_survives_its_map_in_any_order(ballot in a_full_ballot(), back in any::<bool>()) {
            let mut fields = ballot.fields();
            if back {
                fields.reverse();
            }
            prop_assert_eq!(Ballot::read(fields), Some(Ballot::Full(Box::new(ballot.clone()))));
        }
    }
}
