//! Names of the stack's tables and queues.

/// The Polls table.
pub const POLLS: &str = "polls";
/// The Votes table.
pub const VOTES: &str = "votes";
/// The Tallies table.
pub const TALLIES: &str = "tallies";
/// The Jobs table.
pub const JOBS: &str = "jobs";
/// The tally queue.
pub const TALLY_QUEUE: &str = "tally-queue";
/// Its dead letters.
pub const TALLY_DLQ: &str = "tally-dlq";
/// The relay's.
pub const RELAY_DLQ: &str = "relay-dlq";
