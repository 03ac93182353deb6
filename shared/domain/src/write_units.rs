//! About how many write units counting takes, by the lengths of what it writes. DynamoDB bills one for each KB, and for an
//! item that replaces a longer one those of the longer.

use super::{
    runs::{Kept, LaneEntries, NewRun},
    tally::{Flush, Head, SeenRow},
};

const UNIT_BYTES: usize = 1_024;
/// An id in HEAD or a row, whose revision is written once for all.
const ID_BYTES: usize = 16;
/// What each item has besides: names, keys, numbers.
const ITEM_BYTES: usize = 110;
/// A counter's name and number.
const COUNTER_BYTES: usize = 7;
/// What a minute takes in HEAD besides its ids.
const MINUTE_BYTES: usize = 14;
/// What a run's name takes in HEAD and in COUNT.
const RUN_NAME_BYTES: usize = 23;
/// The names and numbers beside a multiset.
const KEPT_BYTES: usize = 25;
/// A run's row is written, and deleted later.
const WRITES_OF_A_RUN: u64 = 2;

fn units(bytes: usize) -> u64 {
    bytes.div_ceil(UNIT_BYTES).max(1) as u64
}

impl Flush {
    /// For all that it writes over the HEAD that it was planned for. A run counts twice, as it is deleted later; what
    /// merging takes is not in it.
    pub fn write_units(&self, before: &Head) -> u64 {
        let rows: u64 = self.spill.iter().map(|row| units(row.bytes())).sum();
        let runs: u64 = self.runs.iter().map(NewRun::write_units).sum();
        rows + WRITES_OF_A_RUN * runs + units(self.head.bytes().max(before.bytes()))
    }
}

impl Head {
    /// For the copy that readers see.
    pub fn count_write_units(&self) -> u64 {
        units(self.count_bytes())
    }

    fn bytes(&self) -> usize {
        let ids = |ids: &Vec<_>| MINUTE_BYTES + ids.len() * ID_BYTES;
        self.count_bytes() + self.recent.values().map(ids).sum::<usize>()
    }

    fn count_bytes(&self) -> usize {
        ITEM_BYTES + self.counters.iter().count() * COUNTER_BYTES + self.entries.bytes()
    }
}

impl SeenRow {
    fn bytes(&self) -> usize {
        ITEM_BYTES + self.ids.len() * ID_BYTES
    }
}

impl NewRun {
    fn write_units(&self) -> u64 {
        self.chunks().map(|chunk| units(ITEM_BYTES + chunk.len())).sum()
    }
}

impl LaneEntries {
    fn bytes(&self) -> usize {
        self.kept.cells.bytes() + self.kept.ballots.bytes()
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        if *self == Self::default() {
            return 0;
        }
        KEPT_BYTES + self.near.as_bytes().len() + self.runs.len() * RUN_NAME_BYTES
    }
}
