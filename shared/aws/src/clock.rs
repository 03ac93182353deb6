//! The wall clock. A frozen environment's monotonic clock may stand still, so nothing here relies on one.

use std::{
    future::Future,
    pin::pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::{Either, select};
use landslide_domain::time::Timestamp;

/// The time now.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.plus_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// A process's time: the machine's, or the simulation's.
pub trait Clock {
    /// The time now, by the wall clock.
    fn now(&self) -> Timestamp;

    /// Waits that long.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()>;

    /// Waits before the n-th further attempt, for a random time below `pause_ms` times 2ⁿ.
    fn back_off(&self, pause_ms: u64, attempt: u32) -> impl Future<Output = ()> {
        self.sleep(Duration::from_millis(fastrand::u64(..pause_ms << attempt)))
    }

    /// Runs `work` for at most `time`. Returns `None` if it takes longer; it is then dropped where it waits.
    fn within<T>(&self, time: Duration, work: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
        async move {
            match select(pin!(work), pin!(self.sleep(time))).await {
                Either::Left((outcome, _)) => Some(outcome),
                Either::Right(_) => None,
            }
        }
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        now()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> {
        tokio::time::sleep(time)
    }
}
