//! A lane's entries as its items have them, and a ballot's, read and written without the product's code.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use landslide_domain::{
    ballot::{Ballot, Content},
    entries::{PerSet, Set},
};

use crate::item::{Item, number, text};

/// Keys with their counts, none of them 0.
pub type Multiset = BTreeMap<Vec<u8>, i64>;
/// A run's name: a version of HEAD, and the number that was drawn for its attempt.
pub type RunName = (u64, u64);
/// A row of a run: the run's name, and the row's place in it.
pub type RunRow = (RunName, u16);

/// The last level, of which a multiset has one run at most.
const LAST_LEVEL: u8 = 3;
/// The attributes of HEAD and COUNT with entries.
const ATTRIBUTES: PerSet<&str> = PerSet { cells: "cells", ballots: "entries" };
/// Bytes for the bits of 100 options.
const QUIZ_BYTES: usize = 13;

/// A lane's entries as a HEAD or COUNT has them. Empty where there are none.
#[derive(Clone, Debug, Default)]
pub struct LaneEntries {
    /// Those of each multiset.
    pub kept: PerSet<Kept>,
    /// How often the lane was swept.
    pub sweeps: u64,
}

/// Entries of one multiset.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Those in the item itself. `None` if they can't be read.
    pub near: Option<Multiset>,
    /// The runs that it names.
    pub runs: Vec<NamedRun>,
    /// Why the lane has no entries any more.
    pub dropped: Option<String>,
}

/// A run as HEAD names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedRun {
    /// Its name.
    pub name: RunName,
    /// How often its entries were merged, at most `LAST_LEVEL` times.
    pub level: u8,
    /// How many rows it has.
    pub rows: u16,
    /// How many bytes these hold.
    pub bytes: u32,
    /// By how much the count of any text may be wrong.
    pub missed: u64,
}

impl NamedRun {
    /// Its rows.
    pub fn rows(self) -> impl Iterator<Item = RunRow> {
        (0..self.rows).map(move |row| (self.name, row))
    }
}

impl Kept {
    fn of(map: Option<&AttributeValue>) -> Self {
        let Some(map) = map else { return Self { near: Some(Multiset::new()), ..Self::default() } };
        let map = map.as_m().expect("a map");
        let mut runs = named_runs(bytes(&map["runs"]));
        let missed = map.get("missed").map_or(&[][..], |missed| missed.as_l().expect("a list"));
        for (run, missed) in runs.iter_mut().zip(missed) {
            run.missed = missed.as_n().expect("a number").parse().expect("a whole number");
        }
        let dropped = map.contains_key("dropped").then(|| text(map, "dropped").to_owned());
        Self { near: multiset(bytes(&map["near"])), runs, dropped }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.near.as_ref().is_none_or(Multiset::is_empty)
    }

    /// Whether it names more than one run of the last level.
    pub fn has_too_many_last_runs(&self) -> bool {
        self.runs.iter().filter(|run| run.level == LAST_LEVEL).count() > 1
    }

    /// The run of a merge that the one before did not have.
    pub fn merged_since(&self, former: &Self) -> Option<&NamedRun> {
        self.runs.iter().find(|run| run.level > 0 && !former.runs.contains(run))
    }

    /// By how much the count of any text may be wrong.
    pub fn missed(&self) -> u64 {
        self.runs.iter().map(|run| run.missed).sum()
    }
}

impl LaneEntries {
    /// Whether a HEAD or COUNT has any attribute of entries.
    pub fn are_in(item: &Item) -> bool {
        Set::ALL.iter().any(|set| item.contains_key(*ATTRIBUTES.of(*set)))
    }

    /// Those of an item.
    pub fn of(item: &Item) -> Self {
        let of_lane = |name| item.get(ATTRIBUTES.ballots).map_or(0, |map| number(map.as_m().expect("a map"), name));
        Self { kept: ATTRIBUTES.map(|_, name| Kept::of(item.get(name))), sweeps: of_lane("sweeps") }
    }

    /// All rows that it names.
    pub fn rows(&self) -> impl Iterator<Item = RunRow> {
        Set::ALL.into_iter().flat_map(|set| &self.kept.of(set).runs).flat_map(|run| run.rows())
    }
}

/// Adds entries.
pub fn add(sum: &mut Multiset, others: Multiset) {
    for (key, count) in others {
        *sum.entry(key).or_default() += count;
    }
    sum.retain(|_, count| *count != 0);
}

/// In place of a text, all that were folded. `None` for what is no text.
pub fn folded(key: &[u8]) -> Option<Vec<u8>> {
    (matches!(key[0], b't' | b'w') && key.len() > 1).then(|| vec![key[0]])
}

/// The keys that a ballot has in each multiset.
pub fn keys_of(ballot: &Ballot) -> PerSet<Vec<Vec<u8>>> {
    let Ballot::Full(full) = ballot else { return PerSet::default() };
    let mut keys = PerSet::<Vec<Vec<u8>>>::default();
    keys.ballots.extend(key_of(&full.content));
    let columns = columns_of(&full.content);
    let mut add_row = |row: Vec<u8>| {
        keys.cells.extend(columns.iter().map(|column| [&row[..], column].concat()));
        keys.cells.push(row);
    };
    for (dimension, place) in full.segments.as_slice().iter().enumerate() {
        add_row(vec![b's', dimension as u8, *place]);
    }
    if let Some(slot) = full.slot {
        add_row([&b"c"[..], &slot.number().to_be_bytes()].concat());
    }
    if matches!(full.content, Content::Ratings(_)) {
        keys.cells.extend(columns.iter().map(|column| [b"l", &column[..]].concat()));
    }
    keys
}

fn key_of(content: &Content) -> Option<Vec<u8>> {
    Some(match content {
        Content::Choices(_) | Content::Ratings(_) => return None,
        Content::Ranking(ranking) => [b"r", ranking.as_slice()].concat(),
        Content::Quiz(choices) => [b"q", &choices.bits().to_be_bytes()[16 - QUIZ_BYTES..]].concat(),
        Content::Text(text) => [b"t", text.as_str().as_bytes()].concat(),
        Content::WriteIn(_, text) => [b"w", text.as_str().as_bytes()].concat(),
    })
}

/// What a row counts of a ballot besides the ballot itself.
fn columns_of(content: &Content) -> Vec<Vec<u8>> {
    match content {
        Content::Ratings(ratings) => ratings.iter().map(|rating| vec![rating.option, rating.value as u8]).collect(),
        content => options_of(content).into_iter().map(|option| vec![option]).collect(),
    }
}

/// The options that counters count.
pub fn options_of(content: &Content) -> Vec<u8> {
    match content {
        Content::Choices(choices) | Content::Quiz(choices) | Content::WriteIn(Some(choices), _) => {
            choices.iter().collect()
        }
        Content::Ranking(ranking) => vec![ranking.as_slice()[0]],
        Content::Ratings(ratings) => ratings.iter().map(|rating| rating.option).collect(),
        Content::WriteIn(None, _) | Content::Text(_) => Vec::new(),
    }
}

/// What is counted together: all rankings, say, or all rows of a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Rankings.
    Rankings,
    /// Sets of a quiz.
    Quiz,
    /// Answers.
    Texts,
    /// Options that voters wrote.
    WriteIns,
    /// Ratings, without segments and slots.
    Levels,
    /// A dimension's rows.
    Dimension(u8),
    /// The rows of the series.
    Series,
}

/// How many ballots a part has (`None`), and how many of each option.
pub type Sums = BTreeMap<(Part, Option<u8>), i64>;

/// Adds what entries say of a counter. `None` if a key is no ballot's.
pub fn add_sums<'a>(sums: &mut Sums, entries: impl IntoIterator<Item = (&'a [u8], i64)>) -> Option<()> {
    for (key, count) in entries {
        let (part, option) = match key {
            [b'r', first, ..] => {
                *sums.entry((Part::Rankings, Some(*first))).or_default() += count;
                (Part::Rankings, None)
            }
            [b'q', bits @ ..] if bits.len() == QUIZ_BYTES => {
                let bits = bits.iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
                for option in (0..100).filter(|option| bits >> option & 1 == 1) {
                    *sums.entry((Part::Quiz, Some(option))).or_default() += count;
                }
                (Part::Quiz, None)
            }
            [b't', ..] => (Part::Texts, None),
            [b'w', ..] => (Part::WriteIns, None),
            [b'l', option, _] => (Part::Levels, Some(*option)),
            [b's', dimension, _] => (Part::Dimension(*dimension), None),
            [b's', dimension, _, option] | [b's', dimension, _, option, _] => {
                (Part::Dimension(*dimension), Some(*option))
            }
            [b'c', _, _] => (Part::Series, None),
            [b'c', _, _, option] | [b'c', _, _, option, _] => (Part::Series, Some(*option)),
            _ => return None,
        };
        *sums.entry((part, option)).or_default() += count;
    }
    Some(())
}

/// The row that a sort key names, if it is a run's.
pub fn row_of(sort: &str) -> Option<RunRow> {
    let (name, row) = sort.strip_prefix("RUN#")?.split_once('#')?;
    let (version, attempt) = name.split_once('-').expect("a name has two parts");
    let name = (version.parse().expect("a version"), u64::from_str_radix(attempt, 16).expect("an attempt"));
    Some((name, row.parse().expect("a row's place")))
}

/// The lane of a partition key that holds its runs, or the lane's own items.
pub fn lane_of(partition: &str) -> &str {
    match partition.match_indices('#').nth(1) {
        Some((end, _)) => &partition[..end],
        None => partition,
    }
}

/// The bytes of an attribute.
pub fn bytes(value: &AttributeValue) -> &[u8] {
    value.as_b().expect("bytes").as_ref()
}

fn named_runs(bytes: &[u8]) -> Vec<NamedRun> {
    let (runs, rest) = bytes.as_chunks::<23>();
    assert!(rest.is_empty(), "runs that are cut short");
    let number = |bytes: &[u8]| bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let read = |run: &[u8; 23]| NamedRun {
        name: (number(&run[..8]), number(&run[8..16])),
        level: run[16],
        rows: number(&run[17..19]) as u16,
        bytes: number(&run[19..]) as u32,
        missed: 0,
    };
    runs.iter().map(read).collect()
}

/// Key by key: its length, the key, and the count, where 0, −1, 1, −2 … are written as 0, 1, 2, 3 … `None` if the bytes are
/// cut short, or a key comes twice.
pub fn multiset(mut bytes: &[u8]) -> Option<Multiset> {
    let mut entries = Multiset::new();
    while !bytes.is_empty() {
        let length = number_of_seven_bits_a_byte(&mut bytes)? as usize;
        let (key, rest) = bytes.split_at_checked(length).filter(|_| length > 0)?;
        bytes = rest;
        let count = number_of_seven_bits_a_byte(&mut bytes)? as i64;
        let count = if count % 2 == 0 { count / 2 } else { -(count / 2) - 1 };
        if entries.insert(key.to_vec(), count).is_some() {
            return None;
        }
    }
    Some(entries)
}

fn number_of_seven_bits_a_byte(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 127) << (7 * place);
        if byte & 128 == 0 {
            return Some(number);
        }
    }
    None
}
