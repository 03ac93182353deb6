//! The use cases for polls, votes, API keys and view links, without HTTP. Each reports its outcome in the domain's words.

#[cfg(feature = "analytics")]
pub mod analytics;
pub mod audit;
mod current;
pub mod keys;
pub mod limits;
pub mod polls;
#[cfg(any(test, feature = "results"))]
pub mod results;
pub mod usage;
pub mod views;
pub mod votes;
