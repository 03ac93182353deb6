//! What voters say: lengths depend on it, and of rankings how many different ones there are.

use fastrand::Rng;
use landslide_ballots as rankings;
use landslide_domain::{
    ballot::Ballot,
    entries::{Entries, EntriesBuilder, PerSet},
};

use crate::parameters::Ballots;

impl Ballots {
    /// How many options the poll has.
    pub fn options(self) -> usize {
        match self {
            Self::Choices => 4,
            Self::Rankings => rankings::OPTIONS,
        }
    }

    /// A voter's ballot.
    pub fn draw(self, random: &mut Rng) -> Ballot {
        match self {
            Self::Choices => Ballot::of_bits(2).expect("an option"),
            Self::Rankings => rankings::ballot(random),
        }
    }

    /// The entries of some voters' ballots.
    pub fn entries(self, voters: u64, random: &mut Rng) -> PerSet<Entries> {
        let mut entries = PerSet::<EntriesBuilder>::default();
        if self != Self::Choices {
            (0..voters).for_each(|_| entries.add_ballot(&self.draw(random), 1));
        }
        entries.build()
    }
}
