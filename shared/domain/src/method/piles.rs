//! Papers in piles: each option holds those that count for it.

use super::{
    figures::Figures,
    rankings::{Group, Rankings, Stretch},
};

/// Options that are neither elected nor out, in the order of their ids.
#[derive(Clone, Debug)]
pub(super) struct Continuing(Vec<u8>);

impl Continuing {
    /// All options.
    pub(super) fn all(options: u8) -> Self {
        Self((0..options).collect())
    }

    pub(super) fn ids(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn remove(&mut self, out: &[u8]) {
        self.0.retain(|option| !out.contains(option));
    }

    /// One bit for each option.
    fn bits(&self) -> u128 {
        self.0.iter().fold(0, |bits, option| bits | 1u128.checked_shl(u32::from(*option)).unwrap_or_default())
    }
}

/// Papers that say the same as far as they were read.
#[derive(Clone, Copy, Debug)]
struct Parcel {
    rankings: Stretch,
    /// What each paper is worth.
    value: u64,
}

/// Where the votes of a pile went.
#[derive(Debug)]
pub(super) struct Moved {
    /// To each option.
    pub(super) to: Figures,
    /// Papers on which no continuing option follows.
    pub(super) not_transferable: u64,
}

/// All papers.
#[derive(Debug)]
pub(super) struct Piles<'a> {
    rankings: &'a Rankings<'a>,
    piles: Vec<Vec<Parcel>>,
}

impl<'a> Piles<'a> {
    /// Every paper with its first choice, at this value each. Returns what each option has as well.
    pub(super) fn of(rankings: &'a Rankings<'a>, value: u64) -> (Self, Figures) {
        let mut piles = Self { rankings, piles: vec![Vec::new(); usize::from(rankings.options())] };
        let mut moved = Moved::none(rankings.options());
        rankings.first().iter().for_each(|group| piles.put(*group, value, &mut moved));
        (piles, moved.to)
    }

    /// Moves an option's papers to the continuing options that follow on them, each at the value that `revalue` gives.
    pub(super) fn transfer(&mut self, option: u8, continuing: &Continuing, revalue: impl Fn(u64) -> u64) -> Moved {
        let pile = self.piles.get_mut(usize::from(option)).map(std::mem::take).unwrap_or_default();
        let mut moved = Moved::none(self.rankings.options());
        let (rankings, bits) = (self.rankings, continuing.bits());
        let counts = |option: u8| bits.checked_shr(u32::from(option)).is_some_and(|continuing| continuing & 1 == 1);
        for parcel in pile {
            let value = revalue(parcel.value);
            rankings.deal(parcel.rankings, counts, |group| self.put(group, value, &mut moved));
        }
        moved
    }

    /// Puts papers on the pile of the option that is next on them.
    fn put(&mut self, group: Group, value: u64, moved: &mut Moved) {
        let worth = group.ballots * value;
        let Some(option) = group.option else {
            moved.not_transferable += worth;
            return;
        };
        moved.to.add(option, worth);
        if let Some(pile) = self.piles.get_mut(usize::from(option)) {
            pile.push(Parcel { rankings: group.stretch, value });
        }
    }
}

impl Moved {
    fn none(options: u8) -> Self {
        Self { to: Figures::new(options), not_transferable: 0 }
    }
}
