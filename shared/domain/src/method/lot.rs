//! The lot, which breaks ties that nothing else does.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The secret seed of a poll's lot, drawn when the poll is created and independent of all else in it.
#[derive(Clone, PartialEq, Eq)]
pub struct LotSeed([u8; 32]);

/// SHA-256 of a lot's seed, which is public from the poll's creation. So nobody can exchange the seed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LotSeedHash([u8; 32]);

impl LotSeed {
    /// A seed of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Its SHA-256.
    pub fn hash(&self) -> LotSeedHash {
        LotSeedHash(Sha256::digest(self.0).into())
    }
}

impl std::fmt::Debug for LotSeed {
    /// Leaves the bytes out, so that no log can show them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LotSeed(..)")
    }
}

impl LotSeedHash {
    /// A hash of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl std::fmt::Display for LotSeedHash {
    /// In lower-case hex, as `sha256sum` writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for LotSeedHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

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
    /// The seed that drew it, in lower-case hex: with it anyone can draw the lot again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
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
    /// The final lot of a poll with this seed. A poll from before there were seeds has none, and its lot stays provisional.
    pub fn drawn_by(seed: Option<&LotSeed>) -> Self {
        seed.map_or(Self::Provisional, |seed| Self::Seed(seed.bytes()))
    }

    /// The lot over a poll's options, given its first choices by option id.
    pub(super) fn view(&self, first_choices: &[u64]) -> LotView {
        let options = u8::try_from(first_choices.len()).unwrap_or(u8::MAX);
        let mut order: Vec<u8> = (0..options).collect();
        let Self::Seed(seed) = self else { return LotView { order, provisional: true, seed: None } };
        let figures = first_choices.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        order.sort_by_cached_key(|option| draw(seed, &format!("{option}|{figures}")));
        let seed = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        LotView { order, provisional: false, seed: Some(seed) }
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

    // python3 -c 'import hashlib; print(hashlib.sha256(bytes(range(32))).hexdigest())'
    #[test]
    fn a_seed_is_known_by_its_hash_and_shown_nowhere() {
        let seed = LotSeed::from_bytes(std::array::from_fn(|place| place as u8));
        let hash = "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd";
        assert_eq!(serde_json::to_value(seed.hash()).unwrap(), hash);
        assert_eq!(format!("{seed:?}"), "LotSeed(..)");
    }

    #[test]
    fn a_lot_is_drawn_by_its_seed_and_provisional_without() {
        let seed = LotSeed::from_bytes([7; 32]);
        assert_eq!([Some(&seed), None].map(Lot::drawn_by), [Lot::Seed([7; 32]), Lot::Provisional]);
    }

    #[test]
    fn without_a_seed_the_lowest_id_is_the_luckiest() {
        assert_eq!(Lot::Provisional.view(&[0, 7, 7]), LotView { order: vec![0, 1, 2], provisional: true, seed: None });
    }

    // python3 -c 'import hmac; print(sorted(range(4), key=lambda i: hmac.digest(bytes(range(32)), b"%d|5,5,0,1" % i, "sha256")))'
    #[test]
    fn with_a_seed_options_are_ordered_by_their_hmac() {
        let seed = std::array::from_fn(|place| place as u8);
        let seen = Lot::Seed(seed).view(&[5, 5, 0, 1]);
        assert_eq!((seen.order, seen.provisional), (vec![2, 3, 1, 0], false));
        assert!(seen.seed.is_some_and(|seed| seed.starts_with("00010203") && seed.len() == 64));
        assert_eq!(Lot::Seed(seed).view(&[5, 5, 0, 2]).order, [0, 1, 3, 2]);
    }
}
