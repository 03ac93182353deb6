//! How long a poll that was read is believed, and what follows for its changes.

/// How long a process believes a poll that it has read, counted by the wall clock from before the read is sent.
pub const CONFIG_LEASE_MS: u64 = 5_000;
/// The most by which two clocks differ.
pub const CLOCK_SKEW_MS: u64 = 1_000;
/// The longest from the time by which a change is decided until its write lands.
pub const CONFIG_WRITE_MS: u64 = 3_000;
/// After this long every process knows of a change.
pub const PROPAGATION_MS: u64 = CONFIG_LEASE_MS + CLOCK_SKEW_MS + CONFIG_WRITE_MS;
/// A closing that is nearer than this stays: a change might land after somebody was told that the poll is closed.
pub const CLOSING_FIXED_MS: u64 = CONFIG_WRITE_MS + CLOCK_SKEW_MS;
