//! What happened, in numbers.

use std::cell::Cell;

use landslide_domain::entries::Set;

use crate::{entries::LaneEntries, item::Item};

/// Counts of what happened.
#[derive(Default)]
pub struct Numbers {
    /// Requests of voters and owners, retries included.
    pub requests: Cell<u64>,
    /// Calls that were done after their caller had given them up.
    pub late_calls: Cell<u64>,
    /// Refusals of a condition because somebody else came first.
    pub conflicts: Cell<u64>,
    /// Doublings of a poll's lanes.
    pub doublings: Cell<u64>,
    /// SEEN rows written.
    pub spills: Cell<u64>,
    /// HEADs written.
    pub flushes: Cell<u64>,
    /// Rows of runs written.
    pub run_rows: Cell<u64>,
    /// Merges of runs that HEAD took over.
    pub merges: Cell<u64>,
    /// Merges that folded texts.
    pub folds: Cell<u64>,
    /// Sweeps that HEAD was told of.
    pub sweeps: Cell<u64>,
    /// Multisets of lanes that were dropped.
    pub dropped: Cell<u64>,
    /// HEADs that somebody deleted by hand.
    pub lost_heads: Cell<u64>,
    /// Rows of runs that somebody deleted by hand.
    pub lost_rows: Cell<u64>,
    /// Readings of a lane's entries that ended.
    pub readings: Cell<u64>,
    /// Readings that began again because runs were replaced meanwhile.
    pub begun_again: Cell<u64>,
    /// COUNTs written.
    pub copies: Cell<u64>,
    /// Write units of the Tallies table, of writes that were done.
    pub tally_units: Cell<u64>,
    /// Messages that the tally queue took.
    pub messages: Cell<u64>,
    /// Messages delivered again.
    pub redeliveries: Cell<u64>,
    /// Messages that the queue's deduplication dropped.
    pub deduplicated: Cell<u64>,
    /// Messages that came back from dead letters.
    pub redriven: Cell<u64>,
    /// Batches that the stream's readers gave up, and an operator replayed.
    pub replayed: Cell<u64>,
    /// Messages that were put aside because their votes were too old.
    pub too_old: Cell<u64>,
    /// Rebuilds of a poll's counts that were done.
    pub rebuilds: Cell<u64>,
    /// Tries of a rebuild that failed.
    pub rebuild_failures: Cell<u64>,
    /// Polls whose counts were made final.
    pub finals: Cell<u64>,
    /// Of these in several parts.
    pub finals_of_parts: Cell<u64>,
    /// Tries of a step of these that failed.
    pub step_failures: Cell<u64>,
    /// Readings of final counts.
    pub final_readings: Cell<u64>,
    /// Invocations that ran out of time.
    pub timeouts: Cell<u64>,
    /// Calls refused because a partition had too much to do.
    pub partition_throttles: Cell<u64>,
    /// Invocations refused because a function had as many as it may have.
    pub throttled: Cell<u64>,
    /// Messages that a function had come again at another time than the queue's.
    pub hidden: Cell<u64>,
}

impl Numbers {
    /// Counts what a HEAD says that the one before did not.
    pub fn note_head(&self, former: Option<&Item>, head: &Item) {
        count(&self.flushes);
        if !LaneEntries::are_in(head) {
            return;
        }
        let (former, now) = (former.map(LaneEntries::of).unwrap_or_default(), LaneEntries::of(head));
        if now.sweeps > former.sweeps {
            count(&self.sweeps);
        }
        for set in Set::ALL {
            let (former, now) = (former.kept.of(set), now.kept.of(set));
            if now.merged_since(former).is_some() && !head.contains_key("sealed") {
                count(&self.merges);
                if now.missed() > former.missed() {
                    count(&self.folds);
                }
            }
            if now.dropped.is_some() && former.dropped.is_none() {
                count(&self.dropped);
            }
        }
    }
}

/// Adds one.
pub fn count(number: &Cell<u64>) {
    number.set(number.get() + 1);
}
