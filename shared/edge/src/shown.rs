//! The response with results that are shown.

use http::StatusCode;

use super::{
    reply::{CacheControl, Reply},
    request::Request,
};

/// How long public results may be cached, in seconds.
const MAX_AGE_SECONDS: u32 = 1;

/// 304 if the caller's copy has this tag, else 200 with the text. What anyone may see may be cached for a second.
pub fn shown(request: &Request, text: String, tag: &str) -> Reply {
    let cache = if request.is_of_mine() { CacheControl::Private } else { CacheControl::Public(MAX_AGE_SECONDS) };
    let reply = match request.has_current(tag) {
        true => Reply::empty(StatusCode::NOT_MODIFIED),
        false => Reply::json_text(StatusCode::OK, text),
    };
    reply.etag(tag).cache(cache)
}
