//! Entries: an exact multiset beside a lane's counters. A change takes its old ballot's entries away and adds those of
//! its new one, so counts are signed, and sums telescope as counters do.
//!
//! Which entries a ballot has never changes for a kind of ballot; another reading is another kind.

use std::collections::BTreeMap;

use super::ballot::Ballot;

/// The first byte of a ranking's key; the option ids follow, best first.
const RANKING: u8 = b'r';
/// The longest key of a ranking, in bytes.
const RANKING_KEY_BYTES_MAX: usize = 1 + super::ballot::RANKS_MAX;

/// A multiset of keys. No key has the count 0.
///
/// As bytes: key by key in ascending order, the key's length, the key, and its count (zigzag); numbers in LEB128.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries(BTreeMap<Box<[u8]>, i64>);

/// Bytes that are no entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entries are cut short, out of order, or none")]
pub struct UnreadableEntries;

impl Entries {
    /// Adds a ballot's entries `times` times.
    pub fn add_ballot(&mut self, ballot: &Ballot, times: i64) {
        match ballot {
            Ballot::Choices(_) => {}
            Ballot::Ranking(ranking) => {
                let mut key = [RANKING; RANKING_KEY_BYTES_MAX];
                let ids = ranking.as_slice();
                for (byte, id) in key.iter_mut().skip(1).zip(ids) {
                    *byte = *id;
                }
                self.add(key.get(..=ids.len()).unwrap_or_default(), times);
            }
        }
    }

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
        self.0.iter().map(|(key, count)| (&**key, *count))
    }

    /// The rankings with their counts.
    pub fn rankings(&self) -> impl Iterator<Item = (&[u8], i64)> {
        self.iter().filter_map(|(key, count)| Some((ranking_of(key)?, count)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, key: &[u8], count: i64) {
        match self.0.get_mut(key) {
            Some(stored) if *stored + count == 0 => drop(self.0.remove(key)),
            Some(stored) => *stored += count,
            None if count == 0 => {}
            None => drop(self.0.insert(key.into(), count)),
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
            let follows = entries.0.last_key_value().is_none_or(|(last, _)| **last < *key);
            if !follows || count == 0 {
                return Err(UnreadableEntries);
            }
            entries.0.insert(key.into(), count);
        }
        Ok(entries)
    }
}

/// The option ids in a ranking's key, best first. `None` for another key.
pub fn ranking_of(key: &[u8]) -> Option<&[u8]> {
    match key {
        [RANKING, ids @ ..] => Some(ids),
        _ => None,
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
    fn a_ranking_is_an_entry_and_choices_are_none() {
        let mut entries = Entries::default();
        entries.add_ballot(&ranking(&[2, 0]), 1);
        entries.add_ballot(&ranking(&[0, 2]), 1);
        entries.add_ballot(&ranking(&[2, 0]), 1);
        entries.add_ballot(&Ballot::of_bits(1).unwrap(), 1);
        assert_eq!(entries.rankings().collect::<Vec<_>>(), [(&[0, 2][..], 1), (&[2, 0], 2)]);
        assert_eq!(entries.encode(), b"\x03r\x00\x02\x02\x03r\x02\x00\x04");
    }

    #[test]
    fn what_is_taken_away_as_often_as_it_was_added_is_gone() {
        let mut entries = Entries::default();
        entries.add_ballot(&ranking(&[1]), -1);
        assert_eq!(entries.rankings().collect::<Vec<_>>(), [(&[1][..], -1)]);
        entries.add_ballot(&ranking(&[1]), 1);
        assert!(entries.is_empty());
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
