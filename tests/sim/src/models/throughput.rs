//! What partitions have spent of the units that they get each second.

use std::{
    cell::RefCell,
    hash::{DefaultHasher, Hash, Hasher},
};

use rustc_hash::FxHashMap;

/// Units by partition.
#[derive(Default)]
pub struct Throughput(RefCell<FxHashMap<u64, Debt>>);

/// What a partition has spent and not yet paid off, in thousandths of a unit, and when that was so.
type Debt = (u64, u64);

impl Throughput {
    /// Whether a partition has units now; if so, these are spent. A second may be overdrawn by one call of any size, which is
    /// paid off before the next.
    pub fn spend(&self, partition: u64, now_ms: u64, units_per_second: u64, units: u64) -> bool {
        let mut debts = self.0.borrow_mut();
        let (debt, since) = debts.entry(partition).or_insert((0, now_ms));
        // In thousandths of a unit, as a millisecond pays off thousandths of what a second does.
        *debt = debt.saturating_sub((now_ms - *since) * units_per_second);
        *since = now_ms;
        if *debt >= units_per_second * 1_000 {
            return false;
        }
        *debt += units * 1_000;
        true
    }
}

/// The place of a key on the ring of partitions, and of shards.
pub fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
