//! Entries: an exact multiset beside a lane's counters. A change takes its old ballot's entries away and adds those of
//! its new one, so counts are signed, and sums telescope as counters do.

mod builder;
mod folding;
mod keys;

use std::{
    borrow::Cow,
    cmp::{Ordering, Reverse},
    ops::Range,
};

pub use self::{
    builder::EntriesBuilder,
    keys::{BallotKey, CellKey, Column},
};

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
}

/// A multiset of keys. No key has the count 0.
///
/// It is kept as it is stored: key by key in ascending order, the key's length, the key, and its count (zigzag); numbers in
/// LEB128, none longer than it has to be. So equal multisets have equal bytes, and reading or adding millions of keys
/// allocates nothing for any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries(Vec<u8>);

/// Bytes that are no entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entries are cut short, out of order, or none")]
pub struct UnreadableEntries;

impl Entries {
    /// The sum of multisets.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Entries>) -> Self {
        let mut left: Vec<Cow<'a, Entries>> =
            all.into_iter().filter(|entries| !entries.is_empty()).map(Cow::Borrowed).collect();
        left.sort_by_key(|entries| Reverse(entries.0.len()));
        // The two shortest first, so that no entry is copied more than a few times.
        while let Some(shortest) = left.pop() {
            let Some(other) = left.pop() else { return shortest.into_owned() };
            let sum = merged(&other, &shortest, |_, count, more| count + more);
            let place = left.partition_point(|longer| longer.0.len() > sum.0.len());
            left.insert(place, Cow::Owned(sum));
        }
        Self::default()
    }

    /// Adds another multiset.
    pub fn merge(&mut self, other: &Entries) {
        *self = merged(self, other, |_, count, more| count + more);
    }

    /// Takes another multiset away.
    pub fn subtract(&mut self, other: &Entries) {
        *self = merged(self, other, |_, count, fewer| count - fewer);
    }

    /// With the entries of another one. `note` is told each of its keys, with the key's counts before and after.
    pub fn plus(&self, other: &Entries, mut note: impl FnMut(&[u8], i64, i64)) -> Self {
        merged(self, other, |key, count, more| {
            note(key, count, count + more);
            count + more
        })
    }

    /// All keys with their counts, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], i64)> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || read_entry(&mut rest))
    }

    /// The same from the entry at one place among the bytes to the one at another, each with where it ends.
    pub(super) fn iter_in(&self, bytes: Range<usize>) -> impl Iterator<Item = (usize, &[u8], i64)> {
        let end = bytes.end;
        let mut rest = self.0.get(bytes).unwrap_or_default();
        std::iter::from_fn(move || {
            let (key, count) = read_entry(&mut rest)?;
            Some((end - rest.len(), key, count))
        })
    }

    /// The rankings with their counts.
    pub fn rankings(&self) -> impl Iterator<Item = (&[u8], i64)> {
        let ranking = |key| if let Some(BallotKey::Ranking(ids)) = BallotKey::read(key) { Some(ids) } else { None };
        self.iter().filter_map(move |(key, count)| Some((ranking(key)?, count)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The multiset as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Parses the bytes of a multiset.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, UnreadableEntries> {
        let (mut rest, mut last) = (&bytes[..], None);
        while !rest.is_empty() {
            let (key, count) = read_entry(&mut rest).ok_or(UnreadableEntries)?;
            if count == 0 || last.is_some_and(|last| last >= key) {
                return Err(UnreadableEntries);
            }
            last = Some(key);
        }
        Ok(Self(bytes))
    }

    /// Appends a key that is above all others.
    fn push(&mut self, key: &[u8], count: i64) {
        if count != 0 {
            write_number(key.len() as u64, &mut self.0);
            self.0.extend_from_slice(key);
            write_number(zigzag(count), &mut self.0);
        }
    }
}

/// One multiset, with what `join` makes of each key of the other and its counts in both. What lies between two of these is
/// copied as it is.
fn merged(one: &Entries, other: &Entries, mut join: impl FnMut(&[u8], i64, i64) -> i64) -> Entries {
    let mut sum = Entries(Vec::with_capacity(one.0.len() + other.0.len()));
    let mut rest = &one.0[..];
    for (key, count) in other.iter() {
        let (below, found) = take_below(&mut rest, key);
        sum.0.extend_from_slice(below);
        sum.push(key, join(key, found, count));
    }
    sum.0.extend_from_slice(rest);
    sum
}

/// Takes the entries below a key off the front, and its own. Returns the bytes of those below, and its count.
fn take_below<'a>(rest: &mut &'a [u8], key: &[u8]) -> (&'a [u8], i64) {
    let (all, mut after) = (*rest, *rest);
    loop {
        let below = all.len() - after.len();
        let next = read_entry(&mut after);
        let order = next.map_or(Ordering::Greater, |(known, _)| known.cmp(key));
        if order.is_lt() {
            continue;
        }
        let (below, others) = all.split_at_checked(below).unwrap_or((all, &[]));
        *rest = if order.is_eq() { after } else { others };
        return (below, next.filter(|_| order.is_eq()).map_or(0, |(_, count)| count));
    }
}

// Called for each of millions of entries; across units of code it would not be inlined.
#[inline]
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

/// Reads a number off the front. `None` if it is cut short, above 64 bits, or longer than it has to be.
#[inline]
fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let (byte, rest) = bytes.split_first()?;
    if *byte & 0x80 == 0 {
        *bytes = rest;
        return Some(u64::from(*byte));
    }
    read_long_number(bytes)
}

fn read_long_number(bytes: &mut &[u8]) -> Option<u64> {
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
            return (part != 0).then_some(number);
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
        let entry = (proptest::collection::vec(0u8..3, 0..4), any::<i32>());
        proptest::collection::vec(entry, 0..40).prop_map(|added| {
            let mut entries = EntriesBuilder::default();
            added.iter().for_each(|(key, count)| entries.add(key, i64::from(*count)));
            entries.build()
        })
    }

    fn ranking(ids: &[u64]) -> Ballot {
        Ballot::of_ranking(ids).unwrap()
    }

    #[test]
    fn a_multiset_is_written_key_by_key() {
        let mut builder = PerSet::<EntriesBuilder>::default();
        [&[2, 0][..], &[0, 2], &[2, 0]].iter().for_each(|ids| builder.add_ballot(&ranking(ids), 1));
        let entries = builder.build().ballots;
        assert_eq!(entries.rankings().collect::<Vec<_>>(), [(&[0, 2][..], 1), (&[2, 0], 2)]);
        assert_eq!(entries.as_bytes(), b"\x03r\x00\x02\x02\x03r\x02\x00\x04");
        assert_eq!(builder.bytes(), 6);
    }

    #[test]
    fn what_is_taken_away_as_often_as_it_was_added_is_gone() {
        let mut entries = PerSet::<EntriesBuilder>::default();
        entries.add_ballot(&ranking(&[1]), -1);
        assert_eq!(entries.build().ballots.rankings().collect::<Vec<_>>(), [(&[1][..], -1)]);
        entries.add_ballot(&ranking(&[1]), 1);
        assert!(entries.build().is_empty() && entries.bytes() == 0);
    }

    #[test]
    fn bytes_that_are_none_are_refused() {
        let good = b"\x02r\x01\x02\x02r\x02\x02";
        assert!(Entries::decode(good.to_vec()).is_ok());
        let disordered = b"\x02r\x02\x02\x02r\x01\x02";
        let twice = b"\x02r\x01\x02\x02r\x01\x02";
        let zero = b"\x02r\x01\x00";
        let large = b"\x02r\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";
        let long = b"\x02r\x01\x82\x00";
        for bytes in [&good[..7], &good[..3], &good[..1], disordered, twice, zero, large, long] {
            assert_eq!(Entries::decode(bytes.to_vec()), Err(UnreadableEntries), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn entries_survive_their_bytes(entries in some_entries()) {
            prop_assert_eq!(Entries::decode(entries.as_bytes().to_vec()), Ok(entries));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            drop(Entries::decode(bytes));
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
        fn a_sum_is_that_of_all_keys(all in proptest::collection::vec(some_entries(), 0..6)) {
            let mut sum = EntriesBuilder::default();
            all.iter().flat_map(Entries::iter).for_each(|(key, count)| sum.add(key, count));
            prop_assert_eq!(Entries::sum(&all), sum.build());
        }

        #[test]
        fn who_adds_is_told_what_it_changes(one in some_entries(), other in some_entries()) {
            let count = |of: &Entries, wanted: &[u8]| of.iter().find(|(key, _)| *key == wanted).map_or(0, |(_, count)| count);
            let mut told = Vec::new();
            let sum = one.plus(&other, |key, before, after| told.push((key.to_vec(), before, after)));
            let expected = other.iter().map(|(key, _)| (key.to_vec(), count(&one, key), count(&sum, key)));
            prop_assert_eq!(told, expected.collect::<Vec<_>>());
            prop_assert_eq!(sum, Entries::sum([&one, &other]));
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
