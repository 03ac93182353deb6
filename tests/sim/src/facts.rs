//! What the ledger keeps, as it is read from items.

use std::collections::BTreeMap;

use landslide_domain::{
    ballot::{Ballot, Content, FullBallot},
    entries::PerSet,
    series::Slot,
};
use serde_json::Value;

use crate::{
    entries::{Multiset, Part},
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

impl Revision {
    /// Its places in the poll's dimensions.
    pub fn places(&self) -> &[u8] {
        match &self.ballot {
            Some(Ballot::Full(full)) => full.segments.as_slice(),
            _ => &[],
        }
    }

    /// The slot of the series that it is counted in.
    pub fn slot(&self) -> Option<u16> {
        match &self.ballot {
            Some(Ballot::Full(full)) => full.slot.map(Slot::number),
            _ => None,
        }
    }
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

/// What a poll's votes are counted in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Its kind.
    pub kind: String,
    /// Whether voters may write an option.
    pub has_write_ins: bool,
    /// Whether it is a quiz.
    pub is_quiz: bool,
    /// For each dimension, whether the voter says it.
    pub dimensions: Vec<bool>,
    /// When its series began, and how long a slot is, in milliseconds.
    pub series: Option<(u64, u64)>,
}

impl Shape {
    /// The shape that an item RULES says.
    pub fn of(rules: &Item) -> Self {
        let word = |name: &str| rules.get(name).and_then(|word| word.as_s().ok()).map_or("", String::as_str);
        let dimensions = match word("segments") {
            "" => Vec::new(),
            json => serde_json::from_str::<Vec<Value>>(json).expect("dimensions"),
        };
        let width_ms = match word("slot_width") {
            "" => None,
            "minute" => Some(60_000),
            "hour" => Some(60 * 60_000),
            _ => Some(24 * 60 * 60_000),
        };
        let start = if rules.contains_key("opens_at") { "opens_at" } else { "created_at" };
        Self {
            kind: word("kind").to_owned(),
            has_write_ins: word("write_in") == "true",
            is_quiz: rules.contains_key("correct"),
            dimensions: dimensions.iter().map(|dimension| dimension["from"] == "vote").collect(),
            series: width_ms.map(|width_ms| (number(rules, start), width_ms)),
        }
    }

    /// The parts in which its votes are counted, and whether a part adds up to all ballots.
    pub fn parts(&self) -> Vec<(Part, bool)> {
        let of_kind = match self.kind.as_str() {
            "ranked" => Some((Part::Rankings, true)),
            "rating" => Some((Part::Levels, false)),
            "text" => Some((Part::Texts, true)),
            _ if self.is_quiz => Some((Part::Quiz, true)),
            _ if self.has_write_ins => Some((Part::WriteIns, false)),
            _ => None,
        };
        let dimensions = (0..self.dimensions.len()).map(|dimension| (Part::Dimension(dimension as u8), true));
        let series = self.series.map(|_| (Part::Series, true));
        of_kind.into_iter().chain(dimensions).chain(series).collect()
    }

    /// Whether each ballot is one listed option, or one that the voter wrote.
    pub fn has_write_ins_for_options(&self) -> bool {
        self.has_write_ins && self.kind == "single"
    }

    /// The slot of a vote.
    pub fn slot_of(&self, cast_at: u64) -> Option<u16> {
        self.series.map(|(start, width_ms)| (cast_at.saturating_sub(start) / width_ms).min(1_499) as u16)
    }

    /// Whether a ballot is what was asked for, with the values of the request's claims.
    pub fn is_as_asked(&self, written: Option<&Ballot>, asked: Option<&Ballot>) -> bool {
        written.map(said) == asked.map(said)
    }

    /// Whether a voter says the same by both ballots.
    pub fn says_the_same(&self, one: Option<&Ballot>, other: Option<&Ballot>) -> bool {
        let (Some(one), Some(other)) = (one, other) else { return one.is_none() && other.is_none() };
        let ((content, places), (other_content, other_places)) = (said(one), said(other));
        let are_same = |(dimension, is_said): (usize, &bool)| !is_said || places[dimension] == other_places[dimension];
        content == other_content && self.dimensions.iter().enumerate().all(are_same)
    }
}

/// A ballot's content, and its places in dimensions.
fn said(ballot: &Ballot) -> (Content, &[u8]) {
    match ballot {
        Ballot::Choices(choices) => (Content::Choices(*choices), &[]),
        Ballot::Full(full) => {
            let FullBallot { content, segments, .. } = &**full;
            (content.clone(), segments.as_slice())
        }
    }
}

/// What a lane must say.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Counters by name, those that are not 0.
    pub counters: BTreeMap<String, i64>,
    /// The entries of all that stand.
    pub entries: PerSet<Multiset>,
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
