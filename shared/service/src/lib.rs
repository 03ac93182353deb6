//! The use cases for polls and votes, without HTTP. Each reports its outcome in the domain's words.

mod current;
pub mod polls;
pub mod results;
pub mod votes;
