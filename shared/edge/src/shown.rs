//! The response with results that are shown.

use http::StatusCode;
use landslide_domain::results::reading::Reuse;

use super::{
    reply::{CacheControl, Reply},
    request::Request,
};

/// 304 if the caller's copy has this tag, else 200 with the text. A cache may keep what anyone may see.
pub fn shown(request: &Request, text: String, tag: &str, reuse: Reuse) -> Reply {
    let cache = match request.is_of_mine() {
        true => CacheControl::Private,
        false => CacheControl::PublicResults(reuse.max_age_seconds),
    };
    let reply = match request.has_current(tag) {
        true => Reply::empty(StatusCode::NOT_MODIFIED),
        false => Reply::json_text(StatusCode::OK, text),
    };
    reply.etag(tag).cache(cache).poll_after(reuse.poll_after_seconds)
}
