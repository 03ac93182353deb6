//! What a process remembers of SEEN rows, so that it reads only what others have written since.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use landslide_domain::{
    change::{VOTE_ID_BYTES, VoteId},
    lane::LaneKey,
    tally::{Minute, SeenRow},
};

/// The most bytes that a remembered minute takes besides its ids, for a lane with only one minute.
const MINUTE_BYTES: usize = 1_024;
/// Bytes per set entry: the id, and the set's own byte.
const PLACE_BYTES: usize = VOTE_ID_BYTES + 1;

/// The newest minutes of the most recently used lanes, within a byte limit.
pub struct SeenCache {
    bytes_max: usize,
    bytes: usize,
    uses: u64,
    lanes: HashMap<LaneKey, LaneView>,
    /// Lanes by their last use, oldest first.
    by_use: BTreeMap<u64, LaneKey>,
}

#[derive(Default)]
struct LaneView {
    last_use: u64,
    minutes: BTreeMap<Minute, Known>,
}

/// What is known about a minute. The reader holds it too, as the cache may drop it at any time.
#[derive(Clone, Default)]
pub struct Known {
    /// Ids that are counted.
    pub ids: Arc<HashSet<VoteId>>,
    /// All rows up to and including this version are in `ids`. 0 if none is.
    pub high_water: u64,
}

impl SeenCache {
    /// An empty cache with this byte limit.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, uses: 0, lanes: HashMap::new(), by_use: BTreeMap::new() }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.lanes.clear();
        self.by_use.clear();
        self.bytes = 0;
    }

    /// What is known about a minute. If nothing is, no ids and high water 0.
    pub fn known(&self, lane: &LaneKey, minute: Minute) -> Known {
        let known = self.lanes.get(lane).and_then(|view| view.minutes.get(&minute));
        known.cloned().unwrap_or_default()
    }

    /// Adds newly read ids to `known`, which came from here. All rows up to `high_water` are then among its ids. Keeps
    /// it, so that nobody reads them again if the caller is dropped now.
    pub fn extend(&mut self, lane: &LaneKey, minute: Minute, known: &mut Known, ids: Vec<VoteId>, high_water: u64) {
        // Drop our copy first: a shared set would be copied whole.
        self.remove(lane, minute);
        Arc::make_mut(&mut known.ids).extend(ids);
        known.high_water = known.high_water.max(high_water);
        self.uses += 1;
        let view = self.lanes.entry(lane.clone()).or_default();
        self.by_use.remove(&view.last_use);
        self.by_use.insert(self.uses, lane.clone());
        view.last_use = self.uses;
        self.bytes += known.bytes();
        view.minutes.insert(minute, known.clone());
        self.shrink();
    }

    fn remove(&mut self, lane: &LaneKey, minute: Minute) {
        if let Some(removed) = self.lanes.get_mut(lane).and_then(|view| view.minutes.remove(&minute)) {
            self.bytes -= removed.bytes();
        }
    }

    /// Notes our own flush, which made HEAD's version `head_version`. Minutes that had all rows up to the previous
    /// version now have these too.
    pub fn spilled(&mut self, lane: &LaneKey, head_version: u64, spill: &[SeenRow]) {
        let Some(view) = self.lanes.get_mut(lane) else { return };
        let before = head_version.saturating_sub(2);
        for (minute, known) in view.minutes.iter_mut().filter(|(_, known)| known.high_water == before) {
            self.bytes -= known.bytes();
            Arc::make_mut(&mut known.ids)
                .extend(spill.iter().filter(|row| row.minute == *minute).flat_map(|row| &row.ids));
            known.high_water = head_version.saturating_sub(1);
            self.bytes += known.bytes();
        }
        self.shrink();
    }

    /// Drops the oldest minutes of the least recently used lanes.
    fn shrink(&mut self) {
        while self.bytes > self.bytes_max {
            let Some(longest_ago) = self.by_use.first_entry() else { return };
            let dropped = self.lanes.get_mut(longest_ago.get()).and_then(|view| view.minutes.pop_first());
            match dropped {
                Some((_, dropped)) => self.bytes -= dropped.bytes(),
                None => {
                    self.lanes.remove(&longest_ago.remove());
                }
            }
        }
    }
}

impl Known {
    fn bytes(&self) -> usize {
        // A hash set leaves a quarter to half of its entries free.
        MINUTE_BYTES + self.ids.capacity() * 8 / 7 * PLACE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landslide_domain::{
        ids::{PollId, VoterKey},
        time::Timestamp,
    };

    fn lane(number: u8) -> LaneKey {
        LaneKey { poll: PollId::parse("poll").unwrap(), lane: number }
    }

    fn nth_minute(minute: u64) -> Minute {
        Minute::of(Timestamp::from_millis(1_790_000_000_000 + minute * 60_000).unwrap())
    }

    fn ids(numbers: std::ops::Range<u128>) -> Vec<VoteId> {
        numbers.map(|number| VoteId::new(&VoterKey::from_bytes(number.to_be_bytes()), 1)).collect()
    }

    /// Stores ids for a minute about which nothing was known.
    fn keep(cache: &mut SeenCache, number: u8, minute: u64, numbers: std::ops::Range<u128>, high_water: u64) {
        cache.remove(&lane(number), nth_minute(minute));
        cache.extend(&lane(number), nth_minute(minute), &mut Known::default(), ids(numbers), high_water);
    }

    #[test]
    fn the_bound_keeps_the_newest_minutes_of_the_lanes_served_last() {
        // Room for three minutes of three ids, and not for four.
        let mut cache = SeenCache::new(4 * MINUTE_BYTES);
        for minute in 0..3 {
            keep(&mut cache, 0, minute, 0..3, 0);
            keep(&mut cache, 1, minute, 0..3, 0);
        }
        assert!(cache.bytes <= cache.bytes_max);
        let known = |number, minute| !cache.known(&lane(number), nth_minute(minute)).ids.is_empty();
        assert_eq!([0, 1, 2].map(|minute| known(0, minute)), [false, false, true]);
        assert_eq!([0, 1, 2].map(|minute| known(1, minute)), [false, true, true]);
    }

    #[test]
    fn a_minute_that_is_read_on_weighs_once_and_what_is_cleared_nothing() {
        let mut cache = SeenCache::new(1 << 20);
        keep(&mut cache, 0, 0, 0..100, 6);
        let mut known = cache.known(&lane(0), nth_minute(0));
        assert_eq!((known.high_water, known.ids.len()), (6, 100));
        cache.extend(&lane(0), nth_minute(0), &mut known, ids(100..150), 9);
        assert_eq!((known.high_water, known.ids.len(), cache.bytes), (9, 150, known.bytes()));
        cache.clear();
        assert_eq!((cache.bytes, cache.known(&lane(0), nth_minute(0)).high_water), (0, 0));
    }

    #[test]
    fn a_cache_without_room_keeps_nothing_and_no_lane_and_its_user_still_has_all() {
        let mut cache = SeenCache::new(0);
        let mut known = Known::default();
        cache.extend(&lane(0), nth_minute(0), &mut known, ids(0..100), 1);
        cache.extend(&lane(0), nth_minute(0), &mut known, ids(100..150), 2);
        assert_eq!((known.high_water, known.ids.len()), (2, 150));
        keep(&mut cache, 1, 0, 0..100, 1);
        assert_eq!(cache.bytes, 0);
        assert!(cache.lanes.len() <= 2 && cache.by_use.len() == cache.lanes.len());
    }

    #[test]
    fn our_own_flush_extends_the_minutes_that_were_caught_up() {
        let mut cache = SeenCache::new(1 << 20);
        keep(&mut cache, 0, 0, 0..2, 4);
        let row = SeenRow { minute: nth_minute(0), version: 5, ids: ids(2..4) };
        cache.spilled(&lane(0), 6, std::slice::from_ref(&row));
        let known = cache.known(&lane(0), nth_minute(0));
        assert_eq!((known.high_water, known.ids.len()), (5, 4));
        // A minute that was not caught up stays unchanged.
        keep(&mut cache, 0, 0, 0..2, 2);
        cache.spilled(&lane(0), 6, &[row]);
        assert_eq!(cache.known(&lane(0), nth_minute(0)).high_water, 2);
    }
}
