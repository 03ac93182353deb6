//! Papers in piles: each option holds those that count for it.

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

/// Equal papers: what they rank below the option that holds them, how many there are, and what each is worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parcel<'a> {
    below: &'a [u8],
    pub(super) papers: u64,
    pub(super) value: u64,
}

impl<'a> Parcel<'a> {
    /// The next continuing option, and the parcel as that one holds it.
    fn next(self, continuing: u128) -> Option<(u8, Self)> {
        let is_continuing = |option: &u8| continuing.checked_shr(u32::from(*option)).is_some_and(|bits| bits & 1 == 1);
        let place = self.below.iter().position(is_continuing)?;
        let option = *self.below.get(place)?;
        Some((option, Self { below: self.below.get(place + 1..).unwrap_or_default(), ..self }))
    }

    /// What its papers are worth together.
    pub(super) fn worth(self) -> u64 {
        self.papers * self.value
    }
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
    options: u8,
    piles: Vec<Vec<Parcel<'a>>>,
}

impl<'a> Piles<'a> {
    /// Every paper with its first choice, at this value each.
    pub(super) fn of<R: AsRef<[u8]>>(rankings: &Rankings<'a, R>, value: u64) -> Self {
        let mut piles = Self { options: rankings.options(), piles: vec![Vec::new(); usize::from(rankings.options())] };
        let all = Continuing::all(rankings.options()).bits();
        for (ranking, papers) in rankings.iter() {
            if let Some((first, parcel)) = (Parcel { below: ranking, papers, value }).next(all) {
                piles.put(first, parcel);
            }
        }
        piles
    }

    /// Moves an option's papers to the continuing options that follow on them, each at the value that `revalue` gives.
    pub(super) fn transfer(&mut self, option: u8, continuing: &Continuing, revalue: impl Fn(u64) -> u64) -> Moved {
        let pile = self.piles.get_mut(usize::from(option)).map(std::mem::take).unwrap_or_default();
        let mut moved = Moved { to: Figures::new(self.options), not_transferable: 0 };
        let bits = continuing.bits();
        for parcel in pile {
            let parcel = Parcel { value: revalue(parcel.value), ..parcel };
            match parcel.next(bits) {
                Some((next, parcel)) => {
                    moved.to.add(next, parcel.worth());
                    self.put(next, parcel);
                }
                None => moved.not_transferable += parcel.worth(),
            }
        }
        moved
    }

    fn put(&mut self, option: u8, parcel: Parcel<'a>) {
        if let Some(pile) = self.piles.get_mut(usize::from(option)) {
            pile.push(parcel);
        }
    }
}
