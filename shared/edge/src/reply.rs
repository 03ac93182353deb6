//! Replies: a status, a JSON body, and the headers that every response has.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, StatusCode};
use landslide_domain::{limits::Quota, poll::Poll, time::Timestamp};
use serde::{Serialize, Serializer};

use super::Error;

/// Response headers that a browser's script may read.
const EXPOSED_HEADERS: &str = "ETag, Landslide-Poll-After, Location, RateLimit, RateLimit-Policy, Retry-After";

/// Who may cache a reply, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheControl {
    /// Anyone may, for this many seconds.
    Public(u32),
    /// Anyone may, for 0 or 1 seconds. A cache may show it for a second more while it asks again, and for ten if that fails:
    /// people who watch see the counts stand still then, and no error.
    PublicResults(u64),
    /// Only the caller may, and must revalidate.
    Private,
    /// Nobody may.
    NoStore,
}

/// A reply, before common headers are added.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: Headers,
    body: Option<String>,
    quotas: Vec<Quota>,
}

/// The response in the gateway's format.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    status_code: u16,
    headers: Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl From<Response> for http::Response<String> {
    fn from(response: Response) -> Self {
        let mut converted = Self::new(response.body.unwrap_or_default());
        *converted.status_mut() =
            StatusCode::from_u16(response.status_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in response.headers.0 {
            if let Ok(value) = HeaderValue::from_maybe_shared(value.into_owned()) {
                converted.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        converted
    }
}

/// Lower-case names, each once, and their values.
#[derive(Debug, Default)]
struct Headers(Vec<(&'static str, Cow<'static, str>)>);

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Reply {
    /// A reply without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: Headers::default(), body: None, quotas: Vec::new() }
    }

    /// A reply with a JSON body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Error> {
        let text = serde_json::to_string(body).map_err(|error| Error::internal(format!("write body: {error}")))?;
        Ok(Self::with_body(status, "application/json", text))
    }

    /// A reply with ready JSON text.
    pub fn json_text(status: StatusCode, text: String) -> Self {
        Self::with_body(status, "application/json", text)
    }

    /// A reply with plain text.
    pub fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self::with_body(status, "text/plain; charset=utf-8", text.into())
    }

    pub(super) fn with_body(status: StatusCode, media_type: &'static str, body: String) -> Self {
        Self { body: Some(body), ..Self::empty(status) }.header("content-type", media_type)
    }

    /// 200 with a JSON body.
    pub fn ok(body: &impl Serialize) -> Result<Self, Error> {
        Self::json(StatusCode::OK, body)
    }

    /// A reply with the poll at `now`. Its entity tag names exactly this body, as the status changes without a
    /// revision.
    pub fn poll(status: StatusCode, poll: &Poll, now: Timestamp) -> Result<Self, Error> {
        Ok(Self::json(status, &poll.view(now))?.etag(poll.rules.settings.tag(now)))
    }

    /// A reply with the poll at `now` for a member of its tenant, which nobody may cache.
    pub fn own_poll(status: StatusCode, poll: &Poll, now: Timestamp) -> Result<Self, Error> {
        let reply = Self::json(status, &poll.own_view(now))?.etag(poll.rules.settings.tag(now));
        Ok(reply.cache(CacheControl::Private))
    }

    /// 201 with a JSON body.
    pub fn created(body: &impl Serialize) -> Result<Self, Error> {
        Self::json(StatusCode::CREATED, body)
    }

    /// Adds a header that is not set yet. The name is in lower case; the value is our own text: an id, number or tag.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.0.push((name, value.into()));
        self
    }

    /// Says what is left of a limit, unless it says so already.
    pub fn quota(mut self, quota: Quota) -> Self {
        if !self.quotas.iter().any(|known| known.of == quota.of) {
            self.quotas.push(quota);
            self.quotas.sort_by_key(|quota| quota.of);
        }
        self
    }

    /// Sets the entity tag to `tag` in quotes.
    pub fn etag(self, tag: impl std::fmt::Display) -> Self {
        self.header("etag", format!("\"{tag}\""))
    }

    /// Sets the resource's location, relative to the request, as a stage is part of the path.
    pub fn location(self, place: &str) -> Self {
        self.header("location", place.to_owned())
    }

    /// Sets who may cache the reply, and for how long.
    pub fn cache(self, cache: CacheControl) -> Self {
        let value = match cache {
            CacheControl::Public(seconds) => Cow::from(format!("public, max-age={seconds}")),
            CacheControl::PublicResults(0) => "public, max-age=0, stale-while-revalidate=1, stale-if-error=10".into(),
            // The domain knows no other.
            CacheControl::PublicResults(_) => "public, max-age=1, stale-while-revalidate=1, stale-if-error=10".into(),
            CacheControl::Private => "private, no-store".into(),
            CacheControl::NoStore => "no-store".into(),
        };
        self.header("cache-control", value)
    }

    /// Says after how many seconds to ask again.
    pub fn poll_after(self, seconds: u64) -> Self {
        self.header("landslide-poll-after", seconds.to_string())
    }

    /// Adds the headers that let this origin's pages read the response, and that stop browsers from guessing its type.
    pub(super) fn into_response(mut self, allowed_origin: &str) -> Response {
        if allowed_origin != "*" {
            self = self.header("vary", "Origin");
        }
        if !self.quotas.is_empty() {
            let (policies, limits) = rate_limits(&self.quotas);
            self = self.header("ratelimit-policy", policies).header("ratelimit", limits);
        }
        self = self
            .header("access-control-allow-origin", allowed_origin.to_owned())
            .header("access-control-expose-headers", EXPOSED_HEADERS)
            .header("x-content-type-options", "nosniff");
        Response { status_code: self.status.as_u16(), headers: self.headers, body: self.body }
    }
}

/// The values of `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
fn rate_limits(quotas: &[Quota]) -> (String, String) {
    let policies = quotas.iter().map(|it| format!("\"{}\";q={};w={}", it.of.name(), it.max, it.of.window_seconds()));
    let limits = quotas.iter().map(|it| format!("\"{}\";r={};t={}", it.of.name(), it.left, it.renewed_in_seconds));
    (policies.collect::<Vec<_>>().join(", "), limits.collect::<Vec<_>>().join(", "))
}
