//! Entries: an exact multiset beside a lane's counters. A change takes its old ballot's entries away and adds those of
//! its new one, so counts are signed, and sums telescope as counters do.

mod folding;
mod keys;

use std::collections::BTreeMap;

pub use self::keys::{BallotKey, CellKey, Column};

/// Something for each of a lane's two multisets. A limit on one never touches the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerSet<T> {
    /// For cells: ratings, segments and slots. At most some ten thousand keys.
    pub cells: T,
    /// For what ballots say as a whole: rankings, answers, sets of a quiz. Any number of keys.
    pub ballots: T,
}

/// One of a lane's two multisets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Set {
    /// Cells.
    Cells,
    /// Ballots.
    Ballots,
}

impl Set {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cells, Self::Ballots];
}

impl<T> PerSet<T> {
    /// What is for one of them.
    pub fn of(&self, set: Set) -> &T {
        match set {
            Set::Cells => &self.cells,
            Set::Ballots => &self.ballots,
        }
    }

    /// What is for one of them, to be changed.
    pub fn of_mut(&mut self, set: Set) -> &mut T {
        match set {
            Set::Cells => &mut self.cells,
            Set::Ballots => &mut self.ballots,
        }
    }

    /// Something else for each of them.
    pub fn map<U>(self, mut to: impl FnMut(Set, T) -> U) -> PerSet<U> {
        PerSet { cells: to(Set::Cells, self.cells), ballots: to(Set::Ballots, self.ballots) }
    }
}

impl PerSet<Entries> {
    /// Adds other multisets.
    pub fn merge(&mut self, other: &Self) {
        self.cells.merge(&other.cells);
        self.ballots.merge(&other.ballots);
    }

    /// Whether there are none in either.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.ballots.is_empty()
    }

    /// About how many bytes they take, at least.
    pub fn bytes(&self) -> usize {
        self.cells.bytes + self.ballots.bytes
    }
}

/// A multiset of keys. No key has the count 0.
///
/// As bytes: key by key in ascending order, the key's length, the key, and its count (zigzag); numbers in LEB128.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    counts: BTreeMap<Box<[u8]>, i64>,
    /// Of all keys.
    bytes: usize,
}

/// Bytes that are no entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entries are cut short, out of order, or none")]
pub struct UnreadableEntries;

impl Entries {
    /// Adds another multiset.
    pub fn merge(&mut self, other: &Entries) {
        for (key, count) in other.iter() {
            self.add(key, count);
        }
    }

    /// Takes another multiset away.
    pub fn subtract(&mut self, other: &Entries) {
        for (key, count) in other.iter() {
            self.add(key, -count);
        }
    }

    /// All keys with their counts, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], i64)> {
        self.counts.iter().map(|(key, count)| (&**key, *count))
    }

    /// The rankings with their counts.
    pub fn rankings(&self) -> impl Iterator<Item = (&[u8], i64)> {
        let ranking = |key| if let Some(BallotKey::Ranking(ids)) = BallotKey::read(key) { Some(ids) } else { None };
        self.iter().filter_map(move |(key, count)| Some((ranking(key)?, count)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn add(&mut self, key: &[u8], count: i64) {
        match self.counts.get_mut(key) {
            Some(stored) if *stored + count == 0 => {
                self.counts.remove(key);
                self.bytes -= key.len();
            }
            Some(stored) => *stored += count,
            None if count == 0 => {}
            None => {
                self.counts.insert(key.into(), count);
                self.bytes += key.len();
            }
        }
    }

    /// The multiset as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, count) in self.iter() {
            write_number(key.len() as u64, &mut bytes);
            bytes.extend(key);
            write_number(zigzag(count), &mut bytes);
        }
        bytes
    }

    /// Parses the bytes of a multiset.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, UnreadableEntries> {
        let mut entries = Self::default();
        while !bytes.is_empty() {
            let (key, count) = read_entry(&mut bytes).ok_or(UnreadableEntries)?;
            let follows = entries.counts.last_key_value().is_none_or(|(last, _)| **last < *key);
            if !follows || count == 0 {
                return Err(UnreadableEntries);
            }
            entries.counts.insert(key.into(), count);
            entries.bytes += key.len();
        }
        Ok(entries)
    }
}

fn read_entry<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], i64)> {
    let length = usize::try_from(read_number(bytes)?).ok()?;
    let (key, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((key, unzigzag(read_number(bytes)?)))
}

/// 0, −1, 1, −2, … as 0, 1, 2, 3, …
fn zigzag(count: i64) -> u64 {
    ((count << 1) ^ (count >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn write_number(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ballot::Ballot;

    fn some_entries() -> impl Strategy<Value = Entries> {
        let entry = (proptest::collection::vec(any::<u8>(), 0..12), any::<i32>());
        proptest::collection::vec(entry, 0..40).prop_map(|added| {
            let mut entries = Entries::default();
            added.iter().for_each(|(key, count)| entries.add(key, i64::from(*count)));
            entries
        })
    }

    fn ranking(ids: &[u64]) -> Ballot {
        Ballot::of_ranking(ids).unwrap()
    }

    #[test]
    fn a_multiset_is_written_key_by_key() {
        let mut entries = PerSet::default();
        [&[2, 0][..], &[0, 2], &[2, 0]].iter().for_each(|ids| entries.add_ballot(&ranking(ids), 1));
        assert_eq!(entries.ballots.rankings().collect::<Vec<_>>(), [(&[0, 2][..], 1), (&[2, 0], 2)]);
        assert_eq!(entries.ballots.encode(), b"\x03r\x00\x02\x02\x03r\x02\x00\x04");
        assert_eq!((entries.bytes(), Entries::decode(&entries.ballots.encode()).unwrap().bytes), (6, 6));
    }

    #[test]
    fn what_is_taken_away_as_often_as_it_was_added_is_gone() {
        let mut entries = PerSet::default();
        entries.add_ballot(&ranking(&[1]), -1);
        assert_eq!(entries.ballots.rankings().collect::<Vec<_>>(), [(&[1][..], -1)]);
        entries.add_ballot(&ranking(&[1]), 1);
        assert!(entries.is_empty() && entries.bytes() == 0);
    }

    #[test]
    fn bytes_that_are_none_are_refused() {
        let good = b"\x02r\x01\x02\x02r\x02\x02";
        assert!(Entries::decode(good).is_ok());
        let disordered = b"\x02r\x02\x02\x02r\x01\x02";
        let twice = b"\x02r\x01\x02\x02r\x01\x02";
        let zero = b"\x02r\x01\x00";
        let long = b"\x02r\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";
        for bytes in [&good[..7], &good[..3], &good[..1], disordered, twice, zero, long] {
            assert_eq!(Entries::decode(bytes), Err(UnreadableEntries), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn entries_survive_their_bytes(entries in some_entries()) {
            prop_assert_eq!(Entries::decode(&entries.encode()), Ok(entries));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            drop(Entries::decode(&bytes));
        }

        #[test]
        fn every_count_has_bytes_of_its_own(count in any::<i64>()) {
            prop_assert_eq!(unzigzag(zigzag(count)), count);
        }

        #[test]
        fn what_was_merged_can_be_taken_away(one in some_entries(), other in some_entries()) {
            let mut left = one.clone();
            left.merge(&other);
            left.subtract(&one);
            prop_assert_eq!(left, other);
        }

        #[test]
        fn the_order_of_merging_does_not_matter(one in some_entries(), other in some_entries()) {
            let merged = |one: &Entries, other: &Entries| {
                let mut all = one.clone();
                all.merge(other);
                all
            };
            prop_assert_eq!(merged(&one, &other), merged(&other, &one));
        }
    }
}
