//! The items that results were read from, as bytes for other processes.
//!
//! Only items of the Tallies table are packed. The poll's own items hold its salt and its lot's seed, which stay in their
//! table: of these there is a digest, by which a process knows whether it has read the same ones.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};

use crate::store::{
    StoreError,
    item::{Item, binary, number, string},
};

/// How deep lists and maps may lie in each other.
const DEPTH_MAX: usize = 8;
/// The most bytes of packed items: twice the largest item of DynamoDB, 400 KB.
const PACKED_BYTES_MAX: usize = 800_000;

/// The first half of the SHA-256 of a poll's own items. It changes with every change of these.
pub type PollDigest = [u8; 16];

/// The items that results were read from.
pub struct RowsRead {
    /// Of the Polls table.
    pub(super) of_poll: Vec<Item>,
    /// Of the Tallies table.
    pub(super) tallies: Vec<Item>,
}

impl RowsRead {
    /// The digest of the poll's own items, if all of them are of types that are read here.
    pub fn poll_digest(&self) -> Option<PollDigest> {
        let hash = Sha256::digest(packed(&self.of_poll)?);
        hash.as_slice().first_chunk().copied()
    }

    /// The items that are counted in, packed. `None` if they are too many, or of types that are not read here.
    pub fn packed(&self) -> Option<Vec<u8>> {
        packed(&self.tallies)
    }
}

fn packed(items: &[Item]) -> Option<Vec<u8>> {
    // In one order, as a hash map has none and DynamoDB promises none.
    let mut each = items.iter().map(packed_item).collect::<Option<Vec<_>>>()?;
    each.sort_unstable();
    let mut bytes = Vec::new();
    put_length(&mut bytes, each.len())?;
    each.iter().for_each(|item| bytes.extend_from_slice(item));
    (bytes.len() <= PACKED_BYTES_MAX).then_some(bytes)
}

fn packed_item(item: &Item) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    put_map(&mut bytes, item)?;
    Some(bytes)
}

fn put_map(bytes: &mut Vec<u8>, map: &Item) -> Option<()> {
    put_length(bytes, map.len())?;
    for (name, value) in map.iter().collect::<BTreeMap<_, _>>() {
        put_bytes(bytes, name.as_bytes())?;
        put_value(bytes, value)?;
    }
    Some(())
}

fn put_value(bytes: &mut Vec<u8>, value: &AttributeValue) -> Option<()> {
    match value {
        AttributeValue::S(text) => put_tagged(bytes, b'S', text.as_bytes()),
        AttributeValue::N(text) => put_tagged(bytes, b'N', text.as_bytes()),
        AttributeValue::B(blob) => put_tagged(bytes, b'B', blob.as_ref()),
        AttributeValue::Bool(is) => {
            bytes.push(if *is { b'1' } else { b'0' });
            Some(())
        }
        AttributeValue::L(list) => {
            bytes.push(b'L');
            put_length(bytes, list.len())?;
            list.iter().try_for_each(|value| put_value(bytes, value))
        }
        AttributeValue::M(map) => {
            bytes.push(b'M');
            put_map(bytes, map)
        }
        _ => None,
    }
}

fn put_tagged(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) -> Option<()> {
    bytes.push(tag);
    put_bytes(bytes, value)
}

fn put_bytes(bytes: &mut Vec<u8>, value: &[u8]) -> Option<()> {
    put_length(bytes, value.len())?;
    bytes.extend_from_slice(value);
    Some(())
}

fn put_length(bytes: &mut Vec<u8>, length: usize) -> Option<()> {
    bytes.extend_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
    Some(())
}

/// Parses packed items. They may come from anyone.
pub(super) fn unpack(packed: &[u8]) -> Result<Vec<Item>, StoreError> {
    let mut rest = Packed(packed);
    let items = rest.list(|rest| rest.map(0)).filter(|_| rest.0.is_empty());
    items.ok_or_else(|| StoreError::Broken("packed items are not what they should be".to_owned()))
}

/// What is still to be parsed.
struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        // Not with room for as many as are claimed: nobody knows yet whether they are there.
        (0..self.length()?).map(|_| one(self)).collect()
    }

    fn map(&mut self, depth: usize) -> Option<Item> {
        let fields = self.list(|rest| Some((rest.text()?, rest.value(depth)?)))?;
        Some(fields.into_iter().collect())
    }

    fn value(&mut self, depth: usize) -> Option<AttributeValue> {
        if depth >= DEPTH_MAX {
            return None;
        }
        match self.take(1)? {
            b"S" => Some(string(self.text()?)),
            b"N" => Some(number(self.text()?)),
            b"B" => Some(binary(self.bytes()?)),
            b"0" => Some(AttributeValue::Bool(false)),
            b"1" => Some(AttributeValue::Bool(true)),
            b"L" => Some(AttributeValue::L(self.list(|rest| rest.value(depth + 1))?)),
            b"M" => Some(AttributeValue::M(self.map(depth + 1)?)),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    fn length(&mut self) -> Option<usize> {
        let length = self.take(4)?.first_chunk()?;
        usize::try_from(u32::from_be_bytes(*length)).ok()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;
    use proptest::prelude::*;

    use super::*;

    fn rows() -> Vec<Item> {
        let lists = AttributeValue::L(vec![number(7), AttributeValue::M(Item::from([("a".to_owned(), string("ä"))]))]);
        let first = Item::from([
            ("version".to_owned(), number(3)),
            ("lists".to_owned(), lists),
            ("sealed".to_owned(), AttributeValue::Bool(true)),
        ]);
        vec![first, Item::from([("entries".to_owned(), binary([0, 255])), ("item".to_owned(), string("COUNT"))])]
    }

    fn sorted(items: &[Item]) -> Vec<String> {
        let of_item = |item: &Item| format!("{:?}", item.iter().collect::<BTreeMap<_, _>>());
        let mut shown: Vec<String> = items.iter().map(of_item).collect();
        shown.sort_unstable();
        shown
    }

    #[test]
    fn what_is_packed_is_unpacked_whatever_its_order() {
        let (rows, turned) = (rows(), rows().into_iter().rev().collect::<Vec<_>>());
        assert_eq!(sorted(&unpack(&packed(&rows).unwrap()).unwrap()), sorted(&rows));
        assert_eq!(packed(&rows), packed(&turned));
    }

    #[test]
    fn each_change_of_a_polls_items_has_another_digest() {
        let digest = |of_poll: Vec<Item>| RowsRead { of_poll, tallies: Vec::new() }.poll_digest();
        let mut changed = rows();
        changed[0].insert("version".to_owned(), string("3"));
        assert_eq!(digest(rows()), digest(rows()));
        assert_ne!(digest(rows()), digest(changed));
    }

    #[test]
    fn types_that_are_not_read_and_too_many_bytes_are_not_packed() {
        let set = AttributeValue::Ss(vec!["a".to_owned()]);
        assert_eq!(packed(&[Item::from([("set".to_owned(), set)])]), None);
        let large = AttributeValue::B(Blob::new(vec![0; PACKED_BYTES_MAX]));
        assert_eq!(packed(&[Item::from([("large".to_owned(), large)])]), None);
    }

    #[test]
    fn lists_that_lie_too_deep_are_refused() {
        let nested = |depth| (0..depth).fold(number(1), |inner, _| AttributeValue::L(vec![inner]));
        let read = |depth| unpack(&packed(&[Item::from([("list".to_owned(), nested(depth))])]).unwrap()).is_ok();
        assert_eq!([DEPTH_MAX - 1, DEPTH_MAX].map(read), [true, false]);
    }

    proptest! {
        #[test]
        fn whatever_is_cut_or_changed_is_read_or_refused(cut in 0_usize..200, at in 0_usize..200, byte: u8) {
            let mut bytes = packed(&rows()).unwrap();
            let (length, at) = (bytes.len(), at % bytes.len());
            prop_assert!(unpack(&bytes[..cut.min(length - 1)]).is_err());
            bytes[at] = byte;
            let _read_or_refused: bool = unpack(&bytes).is_ok();
        }
    }
}
