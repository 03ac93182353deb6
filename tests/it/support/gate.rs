//! How many calls of all tests together are under way at once: a cloud that answers few a second would let functions
//! wait for longer than they do on AWS, and give up.

use std::sync::OnceLock;

use tokio::sync::{Semaphore, SemaphorePermit};

static CALLS: OnceLock<Semaphore> = OnceLock::new();

/// Sets how many calls may be under way at once. Does nothing if that is set already.
pub fn set(calls_at_once: usize) {
    CALLS.get_or_init(|| Semaphore::new(calls_at_once));
}

/// Waits for a call's turn, which lasts until what this gives is dropped.
pub async fn pass() -> SemaphorePermit<'static> {
    CALLS.get().expect("a stack is read before it is called").acquire().await.unwrap()
}
