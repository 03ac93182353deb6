//! Single choices by voters who say in which group they are, in each of two dimensions, in a poll with a series.

use fastrand::Rng;
use landslide_domain::{
    ballot::{Ballot, Choices, Content, Segments},
    series::Slot,
};
use serde_json::{Value, json};

/// How many options there are.
pub const OPTIONS: u64 = 4;
/// How many values each dimension has.
pub const VALUES: [u8; 2] = [10, 50];

/// What a voter says, as sent. All options and all values are as frequent, so that as many cells as can be have votes.
pub struct Said {
    /// The option.
    pub choice: u64,
    /// The place of the value in each dimension.
    pub places: [u8; 2],
}

impl Said {
    /// Draws it.
    pub fn draw(random: &mut Rng) -> Self {
        Self { choice: random.u64(..OPTIONS), places: VALUES.map(|values| random.u8(1..=values)) }
    }

    /// The values, by the names of their dimensions.
    pub fn segments(&self) -> impl Iterator<Item = (String, String)> {
        let named = |(number, place): (usize, u8)| (dimension_name(number), value_name(place));
        self.places.into_iter().enumerate().map(named)
    }

    /// The ballot, if it is cast in this slot.
    pub fn ballot(&self, slot: Slot) -> Ballot {
        let choice = Content::Choices(Choices::of_ids(&[self.choice]).expect("an option"));
        Ballot::new(choice, Segments::of_places(&self.places).expect("places"), Some(slot))
    }
}

/// The dimensions, as a poll's request says them.
pub fn dimensions() -> Value {
    let dimension = |(number, values): (usize, u8)| {
        let values: Vec<String> = (1..=values).map(value_name).collect();
        json!({"name": dimension_name(number), "values": values, "from": "vote"})
    };
    VALUES.into_iter().enumerate().map(dimension).collect()
}

fn dimension_name(number: usize) -> String {
    format!("dimension_{number}")
}

fn value_name(place: u8) -> String {
    format!("value {place}")
}

#[cfg(test)]
mod tests {
    use landslide_domain::entries::{EntriesBuilder, PerSet};

    use super::*;

    #[test]
    fn a_vote_counts_in_a_row_of_each_dimension_and_of_its_slot() {
        let (slot, mut random) = (Slot::of_number(3).expect("a slot"), Rng::with_seed(1));
        let mut cells_of = |votes: usize| {
            let mut entries = PerSet::<EntriesBuilder>::default();
            (0..votes).for_each(|_| entries.add_ballot(&Said::draw(&mut random).ballot(slot), 1));
            entries.build().cells.iter().count()
        };
        assert_eq!(cells_of(1), 3 * 2);
        assert_eq!(cells_of(20_000), (10 + 50 + 1) * (1 + 4));
    }
}
