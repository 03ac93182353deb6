//! Exact counting: from the votes' stream to the tally queue, and from there into the lanes' tallies.

#[cfg(any(test, feature = "assembly"))]
pub mod assembly;
#[cfg(any(test, feature = "tally"))]
pub mod heat_watch;
#[cfg(any(test, feature = "relay"))]
pub mod relay;
#[cfg(any(test, feature = "tally", feature = "assembly"))]
pub mod tallies;
#[cfg(any(test, feature = "tally"))]
pub mod tally;
