//! A lane's entries as its items have them, read without the product's code.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::item::{Item, number, text};

/// Keys with their counts, none of them 0.
pub type Multiset = BTreeMap<Vec<u8>, i64>;
/// A run's name: a version of HEAD, and the number that was drawn for its attempt.
pub type RunName = (u64, u64);
/// A row of a run: the run's name, and the row's place in it.
pub type RunRow = (RunName, u16);

/// The last level, of which a lane has one run at most.
const LAST_LEVEL: u8 = 2;

/// The key of a ranking.
pub fn key(ranking: &[u8]) -> Vec<u8> {
    [b"r", ranking].concat()
}

/// The attribute `entries` of a HEAD or COUNT. Empty where there is none.
#[derive(Clone, Debug, Default)]
pub struct LaneEntries {
    /// Those in the item itself.
    pub near: Multiset,
    /// The runs that it names.
    pub runs: Vec<NamedRun>,
    /// How often the lane was swept.
    pub sweeps: u64,
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
}

impl NamedRun {
    /// Its rows.
    pub fn rows(self) -> impl Iterator<Item = RunRow> {
        (0..self.rows).map(move |row| (self.name, row))
    }
}

impl LaneEntries {
    /// Those of an item.
    pub fn of(item: &Item) -> Self {
        let Some(entries) = item.get("entries") else { return Self::default() };
        let map = entries.as_m().expect("a map");
        Self {
            near: multiset(bytes(&map["near"])),
            runs: named_runs(bytes(&map["runs"])),
            sweeps: number(map, "sweeps"),
            dropped: map.contains_key("dropped").then(|| text(map, "dropped").to_owned()),
        }
    }

    /// All rows that it names.
    pub fn rows(&self) -> impl Iterator<Item = RunRow> {
        self.runs.iter().flat_map(|run| run.rows())
    }

    /// Whether it names more than one run of the last level.
    pub fn has_too_many_last_runs(&self) -> bool {
        self.runs.iter().filter(|run| run.level == LAST_LEVEL).count() > 1
    }

    /// Whether it has what a merge has written, and the one before did not have it.
    pub fn is_merged_since(&self, former: &Self) -> bool {
        self.runs.iter().any(|run| run.level > 0 && !former.runs.contains(run))
    }
}

/// Adds the entries in a run's bytes.
pub fn add(sum: &mut Multiset, bytes: &[u8]) {
    for (key, count) in multiset(bytes) {
        let times = sum.entry(key).or_default();
        *times += count;
    }
    sum.retain(|_, count| *count != 0);
}

/// What rankings add up to: how many there are, and how many have each option first.
pub fn counters_of<'a>(entries: impl IntoIterator<Item = (&'a [u8], i64)>) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for (ranking, count) in entries {
        for name in ["ballots".to_owned(), format!("o{}", ranking[0])] {
            *sums.entry(name).or_default() += count;
        }
    }
    sums.retain(|_, count| *count != 0);
    sums
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
    };
    runs.iter().map(read).collect()
}

/// Key by key: its length, the key, and the count, where 0, −1, 1, −2 … are written as 0, 1, 2, 3 …
fn multiset(mut bytes: &[u8]) -> Multiset {
    let mut entries = Multiset::new();
    while !bytes.is_empty() {
        let length = number_of_seven_bits_a_byte(&mut bytes) as usize;
        let (key, rest) = bytes.split_at(length);
        bytes = rest;
        let count = number_of_seven_bits_a_byte(&mut bytes) as i64;
        let count = if count % 2 == 0 { count / 2 } else { -(count / 2) - 1 };
        assert!(entries.insert(key.to_vec(), count).is_none(), "a key comes twice");
    }
    entries
}

fn number_of_seven_bits_a_byte(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for place in 0.. {
        let (byte, rest) = bytes.split_first().expect("a number ends");
        *bytes = rest;
        number |= u64::from(byte & 127) << (7 * place);
        if byte & 128 == 0 {
            break;
        }
    }
    number
}
