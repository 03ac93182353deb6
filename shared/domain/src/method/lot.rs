//! The lot, which breaks ties that nothing else does.

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

/// Where the lot comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lot {
    /// Drawn by the poll's seed. The seed's SHA-256 was public before the first vote.
    Seed([u8; 32]),
    /// Not drawn yet. Option ids stand in for it, the lowest first.
    Provisional,
}

/// The lot as results show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LotView {
    /// All options, the luckiest first.
    pub order: Vec<u8>,
    /// Whether option ids stand in for the lot.
    pub provisional: bool,
}

/// Which lot broke a tie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LotUse {
    /// The final one.
    Drawn,
    /// Option ids that stand in for it.
    Provisional,
}

impl Lot {
    /// The lot over a poll's options, given its first choices by option id.
    pub(super) fn view(&self, first_choices: &[u64]) -> LotView {
        let options = u8::try_from(first_choices.len()).unwrap_or(u8::MAX);
        let mut order: Vec<u8> = (0..options).collect();
        if let Self::Seed(seed) = self {
            let figures = first_choices.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
            order.sort_by_cached_key(|option| draw(seed, &format!("{option}|{figures}")));
        }
        LotView { order, provisional: *self == Self::Provisional }
    }
}

impl LotView {
    /// An option's place in the order.
    pub(super) fn place(&self, option: u8) -> usize {
        self.order.iter().position(|other| *other == option).unwrap_or(usize::MAX)
    }

    /// What a tie says that the lot broke.
    pub(super) fn used(&self) -> LotUse {
        if self.provisional { LotUse::Provisional } else { LotUse::Drawn }
    }
}

fn draw(seed: &[u8; 32], text: &str) -> [u8; 32] {
    // HMAC takes keys of any length, so this never fails.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(seed) else { return [0; 32] };
    mac.chain_update(text).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_seed_the_lowest_id_is_the_luckiest() {
        assert_eq!(Lot::Provisional.view(&[0, 7, 7]), LotView { order: vec![0, 1, 2], provisional: true });
    }

    // python3 -c 'import hmac; print(sorted(range(4), key=lambda i: hmac.digest(bytes(range(32)), b"%d|5,5,0,1" % i, "sha256")))'
    #[test]
    fn with_a_seed_options_are_ordered_by_their_hmac() {
        let seed = std::array::from_fn(|place| place as u8);
        assert_eq!(Lot::Seed(seed).view(&[5, 5, 0, 1]), LotView { order: vec![2, 3, 1, 0], provisional: false });
        assert_eq!(Lot::Seed(seed).view(&[5, 5, 0, 2]).order, [0, 1, 3, 2]);
    }
}
