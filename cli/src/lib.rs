//! What the operator's program shares with the load tool and the tests: the API's client, the local issuer's tokens, the
//! stack's names, signed requests.

pub mod api;
pub mod issuer;
pub mod progress;
pub mod signing;
pub mod signing_key;
pub mod stack;
pub mod token;
