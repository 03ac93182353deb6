//! Folding: of too many different texts, the most frequent are kept, and all others are counted as one.

use super::{Entries, EntriesBuilder, keys::folded};

impl Entries {
    /// The same entries in at most `bytes_max` bytes, and the greatest count, up or down, among the texts that were folded:
    /// by no more is any text's count wrong afterwards. `None` if what is no text does not fit either.
    ///
    /// Texts with the greatest counts are kept; among equal ones, those whose bytes come first. Totals stay as they are.
    pub fn folded(&self, bytes_max: usize) -> Option<(Self, u64)> {
        let mut room = bytes_max.checked_sub(self.bytes_besides_texts())?;
        let mut texts: Vec<(&[u8], i64)> = self.iter().filter(|(key, _)| folded(key).is_some()).collect();
        texts.sort_unstable_by(|(one, its), (other, others)| others.cmp(its).then_with(|| one.cmp(other)));
        let fits = |(key, count): &(&[u8], i64)| {
            let left = if *count > 0 { room.checked_sub(entry_bytes(key, *count)) } else { None };
            room = left.unwrap_or_default();
            left.is_some()
        };
        let kept = texts.iter().take_while({
            let mut fits = fits;
            move |text| fits(text)
        });
        let kept = kept.count();
        let (kept, others) = texts.split_at_checked(kept)?;
        let mut entries = EntriesBuilder::default();
        let besides = self.iter().filter(|(key, _)| folded(key).is_none());
        besides.chain(kept.iter().copied()).for_each(|(key, count)| entries.add(key, count));
        let mut missed = 0;
        for (key, count) in others {
            folded(key).iter().for_each(|all| entries.add(all, *count));
            missed = missed.max(count.unsigned_abs());
        }
        Some((entries.build(), missed))
    }

    /// The bytes of all entries that are no texts, and of the two that all folded ones are counted in.
    fn bytes_besides_texts(&self) -> usize {
        let besides = self.iter().filter(|(key, _)| folded(key).is_none());
        besides.map(|(key, count)| entry_bytes(key, count)).sum::<usize>() + 2 * FOLDED_BYTES_MAX
    }
}

/// The most bytes of the entry of all folded texts: its length, its key and its count.
const FOLDED_BYTES_MAX: usize = 1 + 1 + 10;

/// The bytes of an entry: its key's length, its key, and its count.
fn entry_bytes(key: &[u8], count: i64) -> usize {
    number_bytes(key.len() as u64) + key.len() + number_bytes(super::zigzag(count))
}

fn number_bytes(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()).div_ceil(7).max(1) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(texts: &[(&str, i64)]) -> Entries {
        let mut entries = EntriesBuilder::default();
        texts.iter().for_each(|(text, count)| entries.add(text.as_bytes(), *count));
        entries.build()
    }

    #[test]
    fn the_most_frequent_texts_are_kept_and_equal_ones_by_their_bytes() {
        let all = entries(&[("ta", 3), ("tb", 9), ("tc", 3), ("td", -7), ("te", 1)]);
        let room = 2 * FOLDED_BYTES_MAX + 8;
        assert_eq!(all.folded(room), Some((entries(&[("t", -3), ("ta", 3), ("tb", 9)]), 7)));
        assert_eq!(all.folded(room - 1), Some((entries(&[("tb", 9)]), 7)), "3 + 3 - 7 + 1 is none");
    }

    #[test]
    fn what_was_folded_before_stays_and_what_is_no_text_is_never_folded() {
        let all = entries(&[("t", 5), ("ta", 1), ("r\u{1}\u{2}", 1), ("w", -2), ("wx", 2)]);
        let least = 5 + 4 + 4 - 1 + 2 * FOLDED_BYTES_MAX;
        let (folded, missed) = all.folded(least).unwrap();
        assert_eq!((folded, missed), (entries(&[("t", 6), ("r\u{1}\u{2}", 1)]), 2));
        assert_eq!(entries(&[("r\u{1}", 1)]).folded(3), None);
    }

    proptest! {
        #[test]
        fn totals_stay_and_no_text_is_wrong_by_more_than_is_missed(
            texts in proptest::collection::btree_map("[tw][a-c]{1,3}", -20i64..100, 0..60), room in 24usize..400,
        ) {
            let texts: Vec<(&str, i64)> = texts.iter().map(|(text, count)| (text.as_str(), *count)).collect();
            let all = entries(&texts);
            let (folded, missed) = all.folded(room).unwrap();
            prop_assert!(folded.as_bytes().len() <= room);
            let total = |entries: &Entries, kind: u8| -> i64 {
                entries.iter().filter(|(key, _)| key.first() == Some(&kind)).map(|(_, count)| count).sum()
            };
            for kind in [b't', b'w'] {
                prop_assert_eq!(total(&folded, kind), total(&all, kind));
            }
            for (key, count) in all.iter() {
                let shown = folded.iter().find(|(known, _)| *known == key).map_or(0, |(_, count)| count);
                prop_assert!(shown == count || shown == 0 && count.unsigned_abs() <= missed);
            }
        }

        #[test]
        fn an_entrys_bytes_are_as_written(key in proptest::collection::vec(any::<u8>(), 1..300), count in any::<i64>()) {
            prop_assume!(count != 0);
            let mut entries = EntriesBuilder::default();
            entries.add(&key, count);
            prop_assert_eq!(entries.build().as_bytes().len(), entry_bytes(&key, count));
        }
    }
}
