//! The edges of a function: HTTP requests and queue messages in, typed; replies, problem documents and batch reports out.

pub mod http;
