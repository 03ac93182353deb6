//! What an operator does with the stack that is up: by the program, or by a deploy.

mod audit;
mod audit_log;
mod device_keys;
mod preflight;
mod tenant;
mod updates;
