//! Who calls: tokens, the issuers that may sign them and their key sets, and the keys of device tokens.

pub mod device_keys;
pub mod issuers;
pub mod key_sets;
pub mod membership;
pub mod providers;
mod released;
pub mod session;
pub mod token;
