//! What a process remembers of SEEN rows, so that it reads only what others wrote since.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::domain::{
    change::{VOTE_ID_BYTES, VoteId},
    lane::LaneKey,
    tally::{Bucket, Seen, SeenRow},
};

/// Bytes that a remembered bucket takes besides its ids.
const BUCKET_BYTES: usize = 128;
/// Bytes that a place for an id takes: the id, and the set's own byte.
const PLACE_BYTES: usize = VOTE_ID_BYTES + 1;

/// The newest buckets of the lanes served last, within a bound.
pub struct SeenCache {
    bytes_max: usize,
    bytes: usize,
    uses: u64,
    lanes: HashMap<LaneKey, LaneView>,
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
        Self { bytes_max, bytes: 0, uses: 0, lanes: HashMap::new() }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.lanes.clear();
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
        self.uses += 1;
        let view = self.lanes.entry(lane.clone()).or_default();
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
            let Some(lane) = self.lanes.iter().min_by_key(|(_, view)| view.last_use).map(|(lane, _)| lane.clone())
            else {
                return;
            };
            let Some(view) = self.lanes.get_mut(&lane) else { return };
            match view.buckets.pop_first() {
                Some((_, dropped)) => self.bytes -= dropped.bytes(),
                None => drop(self.lanes.remove(&lane)),
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
