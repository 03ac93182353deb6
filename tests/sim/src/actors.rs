//! Who uses the stack: voters, owners, readers of results, and an operator.

pub mod entry_readers;
pub mod finalising;
pub mod operator;
pub mod owners;
pub mod readers;
pub mod voters;
