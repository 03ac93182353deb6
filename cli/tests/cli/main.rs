//! The program from outside: run as a process, with files and an in-memory stack.

// Test helpers are tests too, though clippy recognises only the inside of a `#[test]`.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod demo;
mod fake_stack;
mod tabulate;
mod tokens;

use std::process::{Command, Output};

/// Runs `landslide` with these arguments, to its end.
fn landslide(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_landslide")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
