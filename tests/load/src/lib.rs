//! Load for a running stack: voters over HTTP, how soon their votes count, and what the counting costs. The chaos test
//! (tests/it/faults/chaos) uses the same voters, and the same way between functions and their cloud.

pub mod lag;
pub mod meter;
pub mod proxy;
pub mod voters;
