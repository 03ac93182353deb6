//! What voters say: lengths depend on it, and of all but plain votes how different they are.

use fastrand::Rng;
use landslide_ballots::{self as rankings, segmented, texts};
use landslide_domain::{
    ballot::{Answer, Ballot, Content},
    entries::{Entries, EntriesBuilder, PerSet},
    series::Slot,
};
use serde_json::{Value, json};

use crate::parameters::Ballots;

impl Ballots {
    /// How many options the poll has.
    pub fn options(self) -> usize {
        match self {
            Self::Choices => 4,
            Self::Segmented => segmented::OPTIONS as usize,
            Self::Rankings => rankings::OPTIONS,
            Self::Texts | Self::DistinctTexts => 0,
        }
    }

    /// The settings of a poll in which voters say this.
    pub fn settings(self) -> Value {
        let options: Vec<String> = (0..self.options()).map(|id| format!("option {id}")).collect();
        match self {
            Self::Choices => json!({"kind": "single", "options": options}),
            Self::Rankings => json!({"kind": "ranked", "options": options}),
            Self::Segmented => {
                json!({"kind": "single", "options": options, "segments": segmented::dimensions(), "series": true})
            }
            Self::Texts | Self::DistinctTexts => json!({"kind": "text"}),
        }
    }

    /// The ballot of a voter who votes in this slot.
    pub fn draw(self, slot: Slot, random: &mut Rng) -> Ballot {
        match self {
            Self::Choices => Ballot::of_bits(2).expect("an option"),
            Self::Rankings => rankings::ballot(random),
            Self::Segmented => segmented::Said::draw(random).ballot(slot),
            Self::Texts => text(&texts::frequent(random)),
            Self::DistinctTexts => text(&texts::distinct(random)),
        }
    }

    /// The entries of some voters' ballots, that many in each slot.
    pub fn entries(self, voters: impl Iterator<Item = (Slot, u64)>, random: &mut Rng) -> PerSet<Entries> {
        let mut entries = PerSet::<EntriesBuilder>::default();
        if self != Self::Choices {
            for (slot, count) in voters {
                (0..count).for_each(|_| entries.add_ballot(&self.draw(slot, random), 1));
            }
        }
        entries.build()
    }
}

fn text(text: &str) -> Ballot {
    Ballot::of(Content::Text(Answer::stored(text).expect("a short text")))
}
