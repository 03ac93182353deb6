//! The facts about an account, as far as they can be read.

use super::template::Parameters;

/// A fact, or why it can't be read.
pub type Reading<T> = Result<T, Unread>;

/// Why a fact can't be read, as half a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread(pub String);

/// Every fact that a deploy depends on.
pub struct Facts {
    /// The stack; `None` if there is none.
    pub stack: Reading<Option<Stack>>,
    /// Lambda's concurrency.
    pub concurrency: Reading<Concurrency>,
    /// What API Gateway accepts for the account.
    pub gateway: Reading<Gateway>,
    /// The most write units of an on-demand table.
    pub write_quota: Reading<u64>,
    /// The most read units of an on-demand table.
    pub read_quota: Reading<u64>,
    /// What the Votes table is warm for; `None` if there is no such table.
    pub votes: Reading<Option<Warm>>,
    /// What the Tallies table is warm for; `None` if there is no such table.
    pub tallies: Reading<Option<Warm>>,
}

/// A CloudFormation stack.
#[derive(Clone, Default)]
pub struct Stack {
    /// Its status, such as `UPDATE_COMPLETE`.
    pub status: String,
    /// The values of its parameters.
    pub parameters: Parameters,
    /// Its outputs.
    pub outputs: Parameters,
}

/// Lambda's concurrency in an account and region.
#[derive(Clone, Copy)]
pub struct Concurrency {
    /// How many environments may run at once.
    pub limit: u64,
    /// How many of these no function reserves.
    pub unreserved: u64,
    /// How many this stack's functions reserve.
    pub reserved_by_stack: u64,
}

/// What API Gateway accepts for an account in a region.
#[derive(Clone, Copy)]
pub struct Gateway {
    /// Requests per second.
    pub rate: u64,
    /// Concurrent requests.
    pub burst: u64,
}

/// What a table is ready to serve at once.
#[derive(Clone, Copy)]
pub struct Warm {
    /// Write units per second.
    pub writes: u64,
    /// Read units per second.
    pub reads: u64,
}
