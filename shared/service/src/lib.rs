//! The use cases of polls and votes, without HTTP: each says in the domain's words what came of it.

mod current;
pub mod polls;
pub mod results;
pub mod votes;
