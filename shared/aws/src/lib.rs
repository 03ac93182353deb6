//! AWS as a function needs it, and its process: clock, randomness, environment, log, metrics and caches.

pub mod cache;
pub mod clock;
pub mod config;
pub mod log_limit;
pub mod metrics;
#[cfg(feature = "queue")]
pub mod queue;
pub mod random;
pub mod sdk;
#[cfg(feature = "secret")]
pub mod secret;
#[cfg(feature = "store")]
pub mod store;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
