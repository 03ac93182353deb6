//! From the tables to their copies in PostgreSQL: marks say which polls have changed, and the sync copies these.
//!
//! A mark is a row in Jobs, once a minute and poll. Who reads a stream writes it after the change; who copies a poll reads
//! it after the mark. So no change is missed, whatever is delivered twice, late or out of order.

pub mod announce;
#[cfg(feature = "sync")]
pub mod comparison;
#[cfg(feature = "sync")]
pub mod copying;
#[cfg(feature = "sync")]
pub mod reading;
#[cfg(feature = "sync")]
pub mod sync;
