//! Counting, exactly: from the votes' stream to the tally queue, and from there into the lanes' tallies.

pub mod heat_watch;
pub mod relay;
pub mod tallies;
pub mod tally;
