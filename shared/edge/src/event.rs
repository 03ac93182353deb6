//! A request's event as API Gateway sends it (REST API, Lambda proxy integration): the parts that the API reads, and no
//! more.
//!
//! Voters' functions parse it here, with serde in one pass. Functions that need a whole request (every header, binary
//! bodies, forms, cookies) parse it with `lambda_http`, in the crate `landslide-lambda-http`, which fills in the same
//! type.

use std::{borrow::Cow, collections::HashMap, fmt};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderMap;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

/// The headers that the API reads, in lower case.
const HEADERS: [&str; 7] =
    ["content-encoding", "content-type", "idempotency-key", "if-match", "if-none-match", COUNTRY, ORIGIN_VERIFY];
/// Where CloudFront says that the viewer is, in a behaviour whose cache policy names this header. Elsewhere it is whatever
/// the viewer sent.
pub(crate) const COUNTRY: &str = "cloudfront-viewer-country";
/// The proof that a request came through our CDN, by a behaviour that sets the country (infra/cdn.yaml).
pub(crate) const ORIGIN_VERIFY: &str = "landslide-origin-verify";

/// The event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The headers. If a name is repeated, the gateway sends its last value.
    #[serde(default)]
    pub headers: Option<Headers>,
    /// The query's parameters, decoded. If a name is repeated, the last value.
    #[serde(default)]
    pub query_string_parameters: Option<HashMap<String, String>>,
    /// The path's parameters.
    #[serde(default)]
    pub path_parameters: Option<PathParameters>,
    /// What the gateway and the authorizer add.
    #[serde(default)]
    pub request_context: RequestContext,
    /// The body.
    #[serde(default)]
    pub body: Option<Body>,
    /// Whether the body's text is base64.
    #[serde(default)]
    pub is_base64_encoded: bool,
}

/// The parameters of a path, as they were sent.
#[derive(Debug, Default, Deserialize)]
pub struct PathParameters {
    /// The poll's id.
    pub poll_id: Option<String>,
    /// The kept query's id.
    pub query_id: Option<String>,
    /// The API key's id. In no path of voters, whose requests are parsed here.
    #[serde(skip)]
    pub key_id: Option<String>,
    /// The view link's id. As `key_id`.
    #[serde(skip)]
    pub view_id: Option<String>,
}

/// What the gateway knows about a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext {
    /// The gateway's request id.
    #[serde(default)]
    pub request_id: String,
    /// The request's method, such as `GET`.
    #[serde(default)]
    pub http_method: String,
    /// The path with its parameters' names, such as `/v1/polls/{poll_id}`.
    #[serde(default)]
    pub resource_path: String,
    /// The authorizer's answer, if it was asked.
    #[serde(default)]
    pub authorizer: Option<Authorizer>,
}

/// What the authorizer says about the caller.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "as the authorizer's own context has them")]
pub struct Authorizer {
    pub issuer: Option<String>,
    pub subject: Option<String>,
    pub kind: Option<String>,
    pub expires_at: Option<String>,
    pub tenant_kind: Option<String>,
    pub tenant: Option<String>,
    pub role: Option<String>,
    pub poll_id: Option<String>,
    pub released_claims: Option<String>,
}

impl Event {
    /// The body, empty if there is none. Returns `None` if it should be base64 and is not.
    pub fn body(&self) -> Option<Cow<'_, [u8]>> {
        match &self.body {
            Some(Body::Text(text)) if self.is_base64_encoded => BASE64_STANDARD.decode(text).ok().map(Cow::from),
            Some(Body::Text(text)) => Some(text.as_bytes().into()),
            Some(Body::Bytes(bytes)) => Some(bytes.into()),
            None => Some([].as_slice().into()),
        }
    }
}

/// A request's body.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub enum Body {
    /// As the gateway sends it.
    Text(String),
    /// Decoded already.
    Bytes(Vec<u8>),
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// The headers of a request.
#[derive(Debug)]
pub enum Headers {
    /// Only the values of [`HEADERS`].
    Few([Option<String>; HEADERS.len()]),
    /// All headers, as `lambda_http` parses them.
    All(HeaderMap),
}

impl Headers {
    /// A header's value, by its lower-case name.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self {
            Headers::Few(values) => {
                let mut values = HEADERS.iter().zip(values);
                values.find(|(header, _)| **header == name).and_then(|(_, value)| value.as_deref())
            }
            Headers::All(map) => map.get(name).and_then(|value| str::from_utf8(value.as_bytes()).ok()),
        }
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut values = [const { None }; HEADERS.len()];
        while let Some(Name(place)) = map.next_key()? {
            match place.and_then(|place| values.get_mut(place)) {
                Some(value) => *value = map.next_value()?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Headers::Few(values))
    }
}

/// A header's place in [`HEADERS`], if it has one.
struct Name(Option<usize>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(Name(HEADERS.iter().position(|header| header.eq_ignore_ascii_case(name))))
    }
}
