//! The program from outside: run as a process, against files and a stack in memory.

// The helpers of tests are tests too, though clippy sees that only of what stands in a `#[test]`.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod demo;
mod fake_stack;
mod tokens;

use std::process::{Command, Output};

/// Runs `landslide` with `arguments`, to its end.
fn landslide(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_landslide")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
