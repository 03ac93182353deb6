//! The parts of the operator's program that the load tool and the tests use too: the API client, the local issuer's
//! tokens, the stack's names, signed requests.

pub mod api;
pub mod issuer;
pub mod progress;
pub mod signing;
pub mod signing_key;
pub mod stack;
pub mod token;
