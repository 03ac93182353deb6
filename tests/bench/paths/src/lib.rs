//! The hot paths, each ready to be measured.

// A measurement that goes wrong fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod cloud;
pub mod events;
mod paths;
pub mod poll;
pub mod polls;
pub mod tokens;
pub mod votes;

use std::hint::black_box;

pub use self::paths::PATHS;

/// Something that the functions do all the time.
pub struct Path {
    /// Its name.
    pub name: &'static str,
    /// How many requests, records or votes one run works on.
    pub units: u64,
    /// Makes all that the path needs, and the path itself.
    pub prepare: fn() -> Work,
}

/// One run of a path. It panics if what comes of it is not what should.
pub type Work = Box<dyn FnMut()>;

impl Path {
    /// The path of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PATHS.iter().find(|path| path.name == name)
    }
}

/// Runs some work, and nothing else: what callgrind counts is what happens between this function's entry and its exit.
#[inline(never)]
pub fn measured(work: &mut dyn FnMut()) {
    work();
    // So that the work's end is not this function's.
    black_box(());
}
