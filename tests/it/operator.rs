//! What an operator does with the stack that is up: by the program, or by a deploy.

mod audit;
mod audit_log;
mod audit_of_kinds;
mod device_keys;
mod jobs;
mod preflight;
mod tenant;
mod updates;
