//! Replies: a status, a JSON body, and the headers of section 7 of the design.

use lambda_http::{
    Body, Response,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};
use serde::Serialize;

use super::Error;

/// Response headers that a browser's script may read.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("ETag, Location, Retry-After");

/// How long and by whom a reply may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheControl {
    /// By anyone, for so many seconds.
    Public(u32),
    /// By nobody but the caller, and not even there.
    Private,
    /// By nobody.
    NoStore,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Option<String>,
}

impl Reply {
    /// A reply without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: None }
    }

    /// A reply with a JSON body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Error> {
        let text = serde_json::to_string(body).map_err(|error| Error::Internal(format!("write body: {error}")))?;
        Ok(Self::with_body(status, "application/json", text))
    }

    /// A reply with JSON text that is there already.
    pub fn json_text(status: StatusCode, text: String) -> Self {
        Self::with_body(status, "application/json", text)
    }

    pub(super) fn with_body(status: StatusCode, media_type: &'static str, body: String) -> Self {
        let reply = Self { body: Some(body), ..Self::empty(status) };
        reply.header(header::CONTENT_TYPE, HeaderValue::from_static(media_type))
    }

    /// 200 with a JSON body.
    pub fn ok(body: &impl Serialize) -> Result<Self, Error> {
        Self::json(StatusCode::OK, body)
    }

    /// 201 with a JSON body.
    pub fn created(body: &impl Serialize) -> Result<Self, Error> {
        Self::json(StatusCode::CREATED, body)
    }

    /// Sets a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets the entity tag: `tag` in quotes.
    pub fn etag(self, tag: impl std::fmt::Display) -> Self {
        self.text_header(header::ETAG, &format!("\"{tag}\""))
    }

    /// Sets where the resource is, relative to the request, as a stage is part of the path.
    pub fn location(self, place: &str) -> Self {
        self.text_header(header::LOCATION, place)
    }

    /// Sets how the reply may be kept.
    pub fn cache(self, cache: CacheControl) -> Self {
        let value = match cache {
            CacheControl::Public(seconds) => {
                return self.text_header(header::CACHE_CONTROL, &format!("public, max-age={seconds}"));
            }
            CacheControl::Private => "private, no-store",
            CacheControl::NoStore => "no-store",
        };
        self.header(header::CACHE_CONTROL, HeaderValue::from_static(value))
    }

    /// A header from text of ours: ids, numbers, tags. What is no header value is left out.
    fn text_header(self, name: HeaderName, text: &str) -> Self {
        match HeaderValue::from_str(text) {
            Ok(value) => self.header(name, value),
            Err(_) => self,
        }
    }

    /// The HTTP response, with the headers that let a browser's page of that origin read it.
    pub(super) fn into_response(mut self, allowed_origin: &str) -> Response<Body> {
        if allowed_origin != "*" {
            self = self.header(header::VARY, HeaderValue::from_static("Origin"));
        }
        self = self
            .text_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed_origin)
            .header(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        let mut response = Response::new(self.body.map_or(Body::Empty, Body::Text));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
