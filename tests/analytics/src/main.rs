//! The database of analytics, on a real primary and a real replica that `make test-analytics` starts. Each test has a
//! database of its own; those that end a server have both servers to themselves.

// Test helpers are tests too, though clippy recognises only the inside of a `#[test]`.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod configuration;
mod convergence;
mod database;
mod faults;
mod months;
mod rates;
mod reading;
mod rights;
mod snapshots;
