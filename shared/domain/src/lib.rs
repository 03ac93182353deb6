//! The rules of polls and of counting, free of clocks, randomness, I/O and AWS.

pub mod api_key;
pub mod audit;
pub mod ballot;
pub mod caller;
pub mod change;
pub mod claims;
pub mod due;
pub mod entries;
pub mod error;
pub mod field_error;
pub mod fold;
pub mod heat;
pub mod ids;
pub mod keys;
pub mod lane;
pub mod lease;
pub mod limits;
pub mod member;
pub mod message;
pub mod method;
pub mod opaque_token;
pub mod poll;
pub mod recount;
pub mod results;
pub mod role;
pub mod runs;
pub mod series;
pub mod tally;
pub mod tenant;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod usage;
pub mod view_link;
pub mod viewer;
pub mod vote;
