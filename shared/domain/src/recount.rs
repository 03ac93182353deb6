//! Recounting: computes a poll's counts from its vote items alone.

use super::{
    ballot::Ballot,
    entries::{Entries, PerSet},
    tally::{Counters, sums_of},
};

/// The counters for all votes that stand, each voter's last ballot given once.
pub fn recount(votes: impl IntoIterator<Item = Ballot>) -> Counters {
    sums_of(votes).0
}

/// The counters and entries for all votes that stand, each voter's last ballot given once.
pub fn recount_whole(votes: impl IntoIterator<Item = Ballot>) -> (Counters, PerSet<Entries>) {
    sums_of(votes)
}
