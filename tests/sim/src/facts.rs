//! What the ledger keeps, as it is read from items.

use std::collections::BTreeMap;

use landslide_domain::ballot::Ballot;

use crate::{
    entries::Multiset,
    item::{Item, number},
};

/// A voter's key in a poll: 16 bytes.
pub type VoterKey = u128;
/// A revision of a voter's vote.
pub type VoterRevision = (VoterKey, u64);

/// A voter of a poll, as the table has them.
#[derive(Clone, Debug)]
pub struct Voter {
    /// The poll's id.
    pub poll: String,
    /// The voter's key.
    pub key: VoterKey,
}

/// A revision of a vote that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// 1, 2, …
    pub number: u64,
    /// What it says. If `None`, the vote is retracted.
    pub ballot: Option<Ballot>,
    /// In milliseconds since the epoch.
    pub cast_at: u64,
    /// The lane that is to count it.
    pub lane: u64,
    /// When it landed, in milliseconds since the epoch.
    pub stored_at: u64,
}

/// A poll's times, from when on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it landed, in milliseconds since the epoch.
    pub from: u64,
    /// When the poll opens.
    pub opens_at: Option<u64>,
    /// When it closes.
    pub closes_at: Option<u64>,
    /// From when on it is paused.
    pub paused_from: Option<u64>,
    /// How many lanes count it.
    pub lanes: u64,
}

impl Times {
    /// The times of an item RULES that lands at a time.
    pub fn of(rules: &Item, at: u64) -> Self {
        let time = |name: &str| rules.contains_key(name).then(|| number(rules, name));
        Self {
            from: at,
            opens_at: time("opens_at"),
            closes_at: time("closes_at"),
            paused_from: time("paused_from"),
            lanes: number(rules, "lanes"),
        }
    }
}

/// What a lane must say.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Counters by name, those that are not 0.
    pub counters: BTreeMap<String, i64>,
    /// The rankings that stand.
    pub entries: Multiset,
    /// The newest `cast_at` of all revisions.
    pub newest: u64,
    /// Of those that stand.
    pub newest_standing: u64,
}

/// The partition key of a lane's tally.
pub fn lane_key(poll: &str, lane: u64) -> String {
    format!("{poll}#{lane}")
}

/// The poll of a key that begins with it.
pub fn poll_of(key: &str) -> &str {
    key.split('#').next().unwrap_or_default()
}

/// The time of the newest vote in a HEAD or COUNT; 0 before the first.
pub fn as_of(item: &Item) -> u64 {
    if item.contains_key("as_of") { number(item, "as_of") } else { 0 }
}

/// Everything in a HEAD or COUNT that is a counter.
pub fn counters(item: &Item) -> impl Iterator<Item = (&str, i64)> {
    item.iter().filter(|(name, _)| !["version", "as_of"].contains(&name.as_str())).filter_map(|(name, value)| {
        let digits = value.as_n().ok()?;
        Some((name.as_str(), digits.parse().expect("a whole number")))
    })
}

/// The counters of a HEAD or COUNT that are not 0.
pub fn counters_in(item: &Item) -> BTreeMap<String, i64> {
    counters(item).filter(|(_, count)| *count != 0).map(|(name, count)| (name.to_owned(), count)).collect()
}
