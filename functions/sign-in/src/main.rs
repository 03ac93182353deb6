//! Wiring of `sign-in`.
fn main() {}
