//! What Landslide's functions share.
//!
//! `domain` is pure: values in, values out. Everything else brings those values in or takes them out:
//! `store` (DynamoDB), `queue` (SQS), `http` (API Gateway), `token` (JWTs), `issuers` and
//! `key_sets` (who is trusted to sign them, and with which keys).

pub mod aws;
pub mod batch;
pub mod clock;
pub mod config;
pub mod counting;
pub mod device_keys;
pub mod domain;
pub mod editing;
pub mod http;
pub mod issuers;
pub mod key_sets;
pub mod log_limit;
pub mod memory;
pub mod metrics;
pub mod queue;
pub mod random;
pub mod secret;
pub mod store;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod token;
pub mod voting;
