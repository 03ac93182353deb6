//! Recounting: computes a poll's counts from its vote items alone.

use super::{
    ballot::Ballot,
    tally::{Counters, counters_of},
};

/// The counters for all votes that stand, each voter's last choices given once.
pub fn recount(votes: impl IntoIterator<Item = Ballot>) -> Counters {
    counters_of(votes)
}
