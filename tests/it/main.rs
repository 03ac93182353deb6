//! The integration suite: one binary over the driver in `support`, run against a deployed stack.
//!
//! `make test-it` runs it; by hand: `cargo test --profile fast -p landslide-tests` while a stack is up. Tests own
//! their polls and run in parallel. What they wait for they ask for again and again, up to a named limit.

// A test fails by panicking, in the driver as in the tests themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

mod api;
mod faults;
mod operator;
mod pages;
mod pipeline;
mod platform;
mod promises;
