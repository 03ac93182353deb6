//! The deterministic simulation: the real code of voting, relaying, counting and editing over models of DynamoDB, its
//! stream, SQS, Lambda and clocks, driven by one seed.
//!
//! Public is what the program needs, and what the capacity model (`tests/capacity`) shares: virtual time, lengths of items, and
//! a run without faults.

// A simulation is a test: it fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod actors;
pub mod channel;
mod checkers;
mod cloud;
mod entries;
mod event_sources;
mod events;
pub mod executor;
mod facts;
mod faults;
pub mod item;
mod ledger;
mod models;
mod names;
mod numbers;
pub mod plain;
mod program;
pub mod run;
mod scenario;
pub mod shrink;
pub mod spec;
pub mod summary;
#[cfg(test)]
mod tests;
mod world;
