//! How long a process believes what it has read of a poll, and the times that follow from it.

/// How long a process believes a poll that it has read, counted by the wall clock from before the read is sent.
pub const CONFIG_LEASE_MS: u64 = 5_000;
/// The most that two clocks may differ.
pub const CLOCK_SKEW_MS: u64 = 1_000;
/// The longest time between deciding a change and its write landing.
pub const CONFIG_WRITE_MS: u64 = 3_000;
/// After this time, every process knows a change.
pub const PROPAGATION_MS: u64 = CONFIG_LEASE_MS + CLOCK_SKEW_MS + CONFIG_WRITE_MS;
/// A closing or a pause nearer than this is not moved: the write might land after someone was told that the poll is closed
/// or paused.
pub const CLOSING_FIXED_MS: u64 = CONFIG_WRITE_MS + CLOCK_SKEW_MS;
