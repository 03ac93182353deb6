//! Problem documents (RFC 9457): the body when a request fails.

use std::borrow::Cow;

use http::StatusCode;
use landslide_domain::{
    error::Error as Failure,
    field_error::{FieldError, shortened},
};
use serde::Serialize;

use super::{CacheControl, Error, Reply, Unsupported};

/// Seconds after which a caller may retry.
const RETRY_AFTER: &str = "1";
/// The same for a vote in a paused poll. Its owner takes longer than a dependency.
const RETRY_AFTER_PAUSED: &str = "30";
/// The most characters in a problem's detail, whatever was sent.
const DETAIL_CHARS_MAX: usize = 500;

/// The body of a problem.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Error {
    /// The problem document.
    pub(super) fn into_reply(self, request_id: &str) -> Reply {
        let (status, code) = self.kind();
        let detail = shortened(self.detail(), DETAIL_CHARS_MAX);
        let problem = Problem {
            r#type: "about:blank",
            title: title(status),
            status: status.as_u16(),
            detail: &detail,
            code,
            request_id,
            errors: self.fields(),
        };
        // It has only strings and numbers, so it always serialises.
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let reply = Reply::with_body(status, "application/problem+json", body).cache(CacheControl::Private);
        let reply = match &self {
            Error::UseCase(Failure::LimitExceeded(quota)) => reply.quota(*quota),
            _ => reply,
        };
        self.headers().into_iter().fold(reply, |reply, (name, value)| reply.header(name, value))
    }

    /// Headers that tell the caller what to do next.
    fn headers(&self) -> Vec<(&'static str, Cow<'static, str>)> {
        match self {
            Error::Unauthorized(_) => vec![("www-authenticate", "Bearer".into())],
            // RFC 6750, section 3.
            Error::InvalidToken(detail) => {
                let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{detail}\"");
                vec![("www-authenticate", challenge.into())]
            }
            Error::UseCase(Failure::LimitExceeded(quota)) => {
                vec![("retry-after", quota.renewed_in_seconds.to_string().into())]
            }
            Error::UseCase(Failure::Unavailable(_)) => vec![("retry-after", RETRY_AFTER.into())],
            Error::UseCase(Failure::PollPaused) => vec![("retry-after", RETRY_AFTER_PAUSED.into())],
            Error::Unsupported { what, is_patch } => {
                let accept_encoding = (*what == Unsupported::Encoding).then(|| ("accept-encoding", "identity".into()));
                let accept_patch = is_patch.then(|| ("accept-patch", "application/json".into()));
                accept_encoding.into_iter().chain(accept_patch).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The status's phrase from RFC 9110, where the `http` crate has an older one.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        _ => status.canonical_reason().unwrap_or_default(),
    }
}
