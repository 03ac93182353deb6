//! The wall clock. A frozen environment's monotonic clock may stand still, so nothing here counts by it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// The time now.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.plus_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
