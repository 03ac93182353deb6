//! How ties are broken: by earlier rounds, the latest first, then by lot.

use std::cmp::Ordering;

use serde::Serialize;

use super::{
    figures::Figures,
    lot::{LotUse, LotView},
};

/// How a tie was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TieBreak {
    /// The options with equal votes, in the order of their ids.
    pub tied: Vec<u8>,
    /// The earlier rounds in which some of them differed, in the order in which they were looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_rounds: Vec<usize>,
    /// Whether no round was left that told the rest apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_lot: Option<LotUse>,
}

/// The figures of all rounds so far.
#[derive(Debug, Default)]
pub(super) struct History(Vec<Figures>);

/// What earlier rounds say about tied options.
pub(super) struct Narrowed {
    /// Those that still tie. Just one if a round decided.
    pub(super) left: Vec<u8>,
    /// The tie as far as rounds broke it.
    pub(super) tie: TieBreak,
}

impl History {
    /// Adds a round's figures.
    pub(super) fn push(&mut self, figures: &Figures) {
        self.0.push(figures.clone());
    }

    /// Of options that are equally low, those that were lowest before. `None` if there is no tie.
    pub(super) fn lowest(&self, tied: &[u8]) -> Option<Narrowed> {
        self.narrow(tied, Figures::lowest)
    }

    /// Of options that are equally high, those that were highest before. `None` if there is no tie.
    pub(super) fn highest(&self, tied: &[u8]) -> Option<Narrowed> {
        self.narrow(tied, Figures::highest)
    }

    /// Compares two options: who has more in the latest round that differs comes first, then the lower id.
    pub(super) fn descending(&self, one: u8, other: u8) -> Ordering {
        let latest_first = self.0.iter().rev();
        latest_first
            .map(|figures| figures.descending(one, other))
            .find(|order| order.is_ne())
            .unwrap_or(one.cmp(&other))
    }

    /// From the latest round backwards, each keeps those that it picks among those left.
    fn narrow(&self, tied: &[u8], pick: impl Fn(&Figures, &[u8]) -> Vec<u8>) -> Option<Narrowed> {
        if tied.len() < 2 {
            return None;
        }
        let mut left = tied.to_vec();
        let mut by_rounds = Vec::new();
        for (before, figures) in self.0.iter().enumerate().rev() {
            let picked = pick(figures, &left);
            if picked.len() < left.len() {
                by_rounds.push(before + 1);
                left = picked;
            }
        }
        Some(Narrowed { left, tie: TieBreak { tied: tied.to_vec(), by_rounds, by_lot: None } })
    }
}

impl Narrowed {
    /// The option that is decided on; the lot decides by `pick` where rounds don't.
    fn decide(mut self, lot: &LotView, pick: impl Fn(&[u8]) -> Option<u8>) -> (Option<u8>, TieBreak) {
        if self.left.len() > 1 {
            self.tie.by_lot = Some(lot.used());
        }
        (pick(&self.left), self.tie)
    }

    /// The loser: the unluckiest where rounds don't decide.
    pub(super) fn loser(self, lot: &LotView) -> (Option<u8>, TieBreak) {
        self.decide(lot, |left| left.iter().copied().max_by_key(|option| lot.place(*option)))
    }

    /// The winner: the luckiest where rounds don't decide.
    pub(super) fn winner(self, lot: &LotView) -> (Option<u8>, TieBreak) {
        self.decide(lot, |left| left.iter().copied().min_by_key(|option| lot.place(*option)))
    }
}
