//! What the last release makes of what is stored and sent now. While a deployment is upgraded, and after a rollback, its
//! relay meets new votes, and its tally new messages and new HEADs: it must misread none, and leave all of them whole.
#![cfg(test)]

mod ballots;
mod cloud;
mod relay;
mod tally;
