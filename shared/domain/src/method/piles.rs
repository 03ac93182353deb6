//! Papers in piles: each option holds those that count for it.

use std::ops::Range;

use super::{figures::Figures, rankings::Rankings};

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

/// Papers that say the same as far as they were read: neighbours in the order of rankings. So most moves are those of a few
/// parcels, however many rankings differ further down.
#[derive(Clone, Debug)]
struct Parcel {
    places: Range<usize>,
    /// How many ranks of each were read.
    read: usize,
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
        let all = Parcel { places: rankings.places(), read: 0, value };
        piles.deal(&all, Continuing::all(rankings.options()).bits(), &mut moved);
        (piles, moved.to)
    }

    /// Moves an option's papers to the continuing options that follow on them, each at the value that `revalue` gives.
    pub(super) fn transfer(&mut self, option: u8, continuing: &Continuing, revalue: impl Fn(u64) -> u64) -> Moved {
        let pile = self.piles.get_mut(usize::from(option)).map(std::mem::take).unwrap_or_default();
        let mut moved = Moved::none(self.rankings.options());
        for parcel in pile {
            let parcel = Parcel { value: revalue(parcel.value), ..parcel };
            self.deal(&parcel, continuing.bits(), &mut moved);
        }
        moved
    }

    /// Gives a parcel's papers to the next continuing option on each.
    fn deal(&mut self, parcel: &Parcel, continuing: u128, moved: &mut Moved) {
        let mut left = parcel.places.clone();
        while !left.is_empty() {
            let (option, places) = self.rankings.first_group(left.clone(), parcel.read);
            left.start = places.end;
            let worth = self.rankings.ballots_in(&places) * parcel.value;
            let part = Parcel { places, read: parcel.read + 1, value: parcel.value };
            match option {
                None => moved.not_transferable += worth,
                Some(option) if has(continuing, option) => {
                    moved.to.add(option, worth);
                    self.put(option, part);
                }
                Some(_) => self.deal(&part, continuing, moved),
            }
        }
    }

    fn put(&mut self, option: u8, parcel: Parcel) {
        if let Some(pile) = self.piles.get_mut(usize::from(option)) {
            pile.push(parcel);
        }
    }
}

impl Moved {
    fn none(options: u8) -> Self {
        Self { to: Figures::new(options), not_transferable: 0 }
    }
}

fn has(options: u128, option: u8) -> bool {
    options.checked_shr(u32::from(option)).is_some_and(|bits| bits & 1 == 1)
}
