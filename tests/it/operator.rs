//! The operator's program over the stack that is up.

mod audit;
mod device_keys;
mod preflight;
