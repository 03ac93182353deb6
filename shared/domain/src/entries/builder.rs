//! Entries while they are added one by one.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{Entries, PerSet};

/// A multiset to which keys are added in any order.
#[derive(Clone, Debug, Default)]
pub struct EntriesBuilder {
    counts: BTreeMap<Key, i64>,
    /// Of all keys.
    bytes: usize,
}

/// A key's first bytes in one number, so that most keys are compared at once and take no memory of their own. Keys are in
/// the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Up to `HEAD_BYTES`, then zeros, then how many bytes these are; one more if others follow.
    head: u128,
    rest: Box<[u8]>,
}

/// How many bytes of a key are in its head.
const HEAD_BYTES: usize = 15;

impl Key {
    fn of(key: &[u8]) -> Self {
        let (first, rest) = key.split_at_checked(HEAD_BYTES).unwrap_or((key, &[]));
        let mut head = [0; HEAD_BYTES + 1];
        for (byte, of) in head.iter_mut().zip(first) {
            *byte = *of;
        }
        let [.., length] = &mut head;
        *length = key.len().min(HEAD_BYTES + 1) as u8;
        Self { head: u128::from_be_bytes(head), rest: rest.into() }
    }

    fn len(&self) -> usize {
        usize::from(self.head as u8).min(HEAD_BYTES) + self.rest.len()
    }

    /// Appends it, with its count, to entries that are all below.
    fn push(&self, count: i64, entries: &mut Entries) {
        let head = self.head.to_be_bytes();
        let first = head.get(..usize::from(self.head as u8).min(HEAD_BYTES)).unwrap_or_default();
        if self.rest.is_empty() {
            entries.push(first, count);
        } else {
            entries.push(&[first, &self.rest].concat(), count);
        }
    }
}

impl EntriesBuilder {
    /// Adds a key `count` times.
    pub(super) fn add(&mut self, key: &[u8], count: i64) {
        let key = Key::of(key);
        let length = key.len();
        match self.counts.entry(key) {
            Entry::Occupied(mut stored) => {
                *stored.get_mut() += count;
                if *stored.get() == 0 {
                    stored.remove();
                    self.bytes -= length;
                }
            }
            Entry::Vacant(place) if count != 0 => {
                place.insert(count);
                self.bytes += length;
            }
            Entry::Vacant(_) => {}
        }
    }

    /// The multiset.
    pub fn build(&self) -> Entries {
        // Each with its length, and a count of one byte as most have.
        let mut entries = Entries(Vec::with_capacity(self.bytes + 2 * self.counts.len()));
        self.counts.iter().for_each(|(key, count)| key.push(*count, &mut entries));
        entries
    }
}

impl PerSet<EntriesBuilder> {
    /// Both multisets.
    pub fn build(&self) -> PerSet<Entries> {
        PerSet { cells: self.cells.build(), ballots: self.ballots.build() }
    }

    /// How many bytes the keys have.
    pub fn bytes(&self) -> usize {
        self.cells.bytes + self.ballots.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..40)
    }

    proptest! {
        #[test]
        fn keys_are_in_the_order_of_their_bytes(one in key(), other in key(), same in key()) {
            let [one, other] = [one, other].map(|end| [&same[..], &end].concat());
            prop_assert_eq!(Key::of(&one).cmp(&Key::of(&other)), one.cmp(&other));
            prop_assert_eq!(Key::of(&one).len(), one.len());
        }

        #[test]
        fn what_is_added_in_any_order_is_counted_by_key(added in proptest::collection::vec((key(), -2..3i64), 0..60)) {
            let (mut builder, mut counts) = (EntriesBuilder::default(), BTreeMap::new());
            for (key, count) in &added {
                builder.add(key, *count);
                *counts.entry(&key[..]).or_insert(0) += count;
            }
            counts.retain(|_, count| *count != 0);
            let entries = builder.build();
            prop_assert_eq!(builder.bytes, counts.keys().map(|key| key.len()).sum::<usize>());
            prop_assert_eq!(entries.iter().collect::<Vec<_>>(), counts.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(Entries::decode(entries.as_bytes().to_vec()), Ok(entries));
        }
    }
}
