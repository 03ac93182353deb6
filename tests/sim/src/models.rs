//! AWS in memory, a model a service: what the product calls, and what calls it.

pub mod account;
pub mod client;
pub mod database;
pub mod lambda;
pub mod process;
pub mod queue;
pub mod stream;
mod throughput;
