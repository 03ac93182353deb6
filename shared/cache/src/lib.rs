//! Counts that processes share for a second in a Valkey (or Redis), so that few of them read the tables.
//!
//! The cache only ever saves reads. If it is away, slow, wrong or not configured right, it is left alone for a while, its log
//! says why, and each process reads for itself. No request waits longer than [`ANSWER_MS_MAX`] for it.

mod connection;
mod entry;
mod iam;
mod settings;
mod valkey;

#[cfg(test)] // apart, as clippy knows tests by it
#[cfg(feature = "servers")]
mod servers;

pub use self::{
    connection::{ANSWER_MS_MAX, Trust},
    settings::{Login, Settings, SettingsError},
    valkey::Valkey,
};
