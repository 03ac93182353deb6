//! The integration suite: one binary over the driver in `support`, run against a deployed stack.
//!
//! `make test-it` runs it; by hand: `cargo test --profile fast -p landslide-tests` while a stack is up. Tests own
//! their polls and run in parallel. What they wait for they ask for again and again, up to a named limit.

// A test fails by panicking, in the driver as in the tests themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

mod audit;
mod bad_input;
mod caching;
mod calls;
mod changes;
mod chaos;
mod closing;
mod counting;
mod crashes;
mod device_keys;
mod devices;
mod dynamodb;
mod event_sources;
mod frozen;
mod gateway;
mod hot_lane;
mod identity;
mod leaks;
mod lost_answers;
mod opening;
mod owners;
mod polls;
mod preflight;
mod promises;
mod races;
mod results;
mod roles;
mod tokens;
mod visibility;
mod votes;
