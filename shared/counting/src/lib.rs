//! Counting, exactly: the lanes' tallies over their store, and their rebuild.

pub mod tallies;
