//! What a process remembers of SEEN rows, so that it reads only what others wrote since.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::domain::{
    change::{VOTE_ID_BYTES, VoteId},
    lane::LaneKey,
    tally::{Bucket, Seen, SeenRow},
};

/// Bytes that a remembered bucket takes besides its ids, with its share of the lane's maps: the most, for a lane's only one.
const BUCKET_BYTES: usize = 1_024;
/// Bytes that a place for an id takes: the id, and the set's own byte.
const PLACE_BYTES: usize = VOTE_ID_BYTES + 1;

/// The newest buckets of the lanes served last, within a bound.
pub struct SeenCache {
    bytes_max: usize,
    bytes: usize,
    uses: u64,
    lanes: HashMap<LaneKey, LaneView>,
    /// Lanes by their last use, the longest ago first.
    by_use: BTreeMap<u64, LaneKey>,
}

#[derive(Default)]
struct LaneView {
    last_use: u64,
    buckets: BTreeMap<Bucket, BucketView>,
}

struct BucketView {
    ids: HashSet<VoteId>,
    /// Every row of this version and below is in `ids`.
    high_water: u64,
}

/// A bucket as it is remembered, taken out of the cache.
pub struct Known {
    /// Which.
    pub bucket: Bucket,
    /// Ids that are counted.
    pub ids: HashSet<VoteId>,
    /// The rows of this version and below are in `ids`; 0: none is.
    pub high_water: u64,
}

impl SeenCache {
    /// An empty cache that holds at most that many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, uses: 0, lanes: HashMap::new(), by_use: BTreeMap::new() }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.lanes.clear();
        self.by_use.clear();
        self.bytes = 0;
    }

    /// Takes what is known of a bucket out of the cache; nothing known: no ids, high water 0.
    pub fn take(&mut self, lane: &LaneKey, bucket: Bucket) -> Known {
        match self.lanes.get_mut(lane).and_then(|view| view.buckets.remove(&bucket)) {
            Some(view) => {
                self.bytes -= view.bytes();
                Known { bucket, ids: view.ids, high_water: view.high_water }
            }
            None => Known { bucket, ids: HashSet::new(), high_water: 0 },
        }
    }

    /// Keeps buckets that were read after HEAD of `head_version`: rows of lower versions are all among them. Not
    /// of that version itself, as others may be writing those.
    pub fn keep(&mut self, lane: &LaneKey, seen: Seen, head_version: u64) {
        if seen.is_empty() {
            return;
        }
        self.uses += 1;
        let view = self.lanes.entry(lane.clone()).or_default();
        self.by_use.remove(&view.last_use);
        self.by_use.insert(self.uses, lane.clone());
        view.last_use = self.uses;
        for (bucket, ids) in seen {
            let kept = BucketView { ids, high_water: head_version.saturating_sub(1) };
            self.bytes += kept.bytes();
            if let Some(replaced) = view.buckets.insert(bucket, kept) {
                self.bytes -= replaced.bytes();
            }
        }
        self.shrink();
    }

    /// Notes our own flush, which made HEAD's version `head_version`: buckets that had all rows up to the one
    /// before now have these too.
    pub fn spilled(&mut self, lane: &LaneKey, head_version: u64, spill: &[SeenRow]) {
        let Some(view) = self.lanes.get_mut(lane) else { return };
        let before = head_version.saturating_sub(2);
        for (bucket, known) in view.buckets.iter_mut().filter(|(_, known)| known.high_water == before) {
            self.bytes -= known.bytes();
            known.ids.extend(spill.iter().filter(|row| row.bucket == *bucket).flat_map(|row| &row.ids));
            known.high_water = head_version.saturating_sub(1);
            self.bytes += known.bytes();
        }
        self.shrink();
    }

    /// Drops the oldest buckets of the lanes that were served longest ago.
    fn shrink(&mut self) {
        while self.bytes > self.bytes_max {
            let Some(longest_ago) = self.by_use.first_entry() else { return };
            let dropped = self.lanes.get_mut(longest_ago.get()).and_then(|view| view.buckets.pop_first());
            match dropped {
                Some((_, dropped)) => self.bytes -= dropped.bytes(),
                None => {
                    self.lanes.remove(&longest_ago.remove());
                }
            }
        }
    }
}

impl BucketView {
    fn bytes(&self) -> usize {
        // A hash set keeps a quarter to half of its places free.
        BUCKET_BYTES + self.ids.capacity() * 8 / 7 * PLACE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{poll::PollId, time::Timestamp, vote::VoterKey};

    fn lane(number: u8) -> LaneKey {
        LaneKey { poll: PollId::parse("poll").unwrap(), lane: number }
    }

    fn bucket(minute: u64) -> Bucket {
        Bucket::of(Timestamp::from_millis(1_790_000_000_000 + minute * 60_000).unwrap())
    }

    fn ids(numbers: std::ops::Range<u128>) -> HashSet<VoteId> {
        numbers.map(|number| VoteId::new(&VoterKey::from_bytes(number.to_be_bytes()), 1)).collect()
    }

    #[test]
    fn the_bound_keeps_the_newest_buckets_of_the_lanes_served_last() {
        // Room for three buckets of three ids, and not for four.
        let mut cache = SeenCache::new(4 * BUCKET_BYTES);
        for minute in 0..3 {
            cache.keep(&lane(0), Seen::from([(bucket(minute), ids(0..3))]), 1);
            cache.keep(&lane(1), Seen::from([(bucket(minute), ids(0..3))]), 1);
        }
        assert!(cache.bytes <= cache.bytes_max);
        let known = |cache: &mut SeenCache, number, minute| !cache.take(&lane(number), bucket(minute)).ids.is_empty();
        assert_eq!([0, 1, 2].map(|minute| known(&mut cache, 0, minute)), [false, false, true]);
        assert_eq!([0, 1, 2].map(|minute| known(&mut cache, 1, minute)), [false, true, true]);
    }

    #[test]
    fn what_is_taken_or_cleared_weighs_nothing() {
        let mut cache = SeenCache::new(1 << 20);
        cache.keep(&lane(0), Seen::from([(bucket(0), ids(0..100))]), 7);
        let known = cache.take(&lane(0), bucket(0));
        assert_eq!((known.high_water, known.ids.len(), cache.bytes), (6, 100, 0));
        cache.keep(&lane(0), Seen::from([(bucket(0), known.ids)]), 7);
        cache.clear();
        assert_eq!((cache.bytes, cache.take(&lane(0), bucket(0)).high_water), (0, 0));
    }

    #[test]
    fn a_cache_without_room_keeps_nothing_and_no_lane() {
        let mut cache = SeenCache::new(0);
        cache.keep(&lane(0), Seen::from([(bucket(0), ids(0..100))]), 1);
        cache.keep(&lane(1), Seen::from([(bucket(0), ids(0..100))]), 1);
        assert_eq!(cache.bytes, 0);
        assert!(cache.lanes.len() <= 2 && cache.by_use.len() == cache.lanes.len());
    }

    #[test]
    fn our_own_flush_extends_the_buckets_that_were_caught_up() {
        let mut cache = SeenCache::new(1 << 20);
        cache.keep(&lane(0), Seen::from([(bucket(0), ids(0..2))]), 5);
        let row = SeenRow { bucket: bucket(0), version: 5, ids: ids(2..4).into_iter().collect() };
        cache.spilled(&lane(0), 6, std::slice::from_ref(&row));
        let known = cache.take(&lane(0), bucket(0));
        assert_eq!((known.high_water, known.ids.len()), (5, 4));
        // One that was not caught up stays as it was.
        cache.keep(&lane(0), Seen::from([(bucket(0), ids(0..2))]), 3);
        cache.spilled(&lane(0), 6, &[row]);
        assert_eq!(cache.take(&lane(0), bucket(0)).high_water, 2);
    }
}
