//! Every way in which a request can fail, and the one place that says which status and code that is.

use std::borrow::Cow;

use http::StatusCode;
use landslide_domain::{
    error::Error as Failure,
    field_error::{FieldError, shortened},
};
use serde::Serialize;

use super::{CacheControl, Reply};

/// Seconds after which a caller may try again.
const RETRY_AFTER: &str = "1";
/// The most characters of a problem's detail, whatever was sent.
const DETAIL_CHARS_MAX: usize = 500;

/// Why a request fails.
#[derive(Debug)]
pub enum Error {
    /// 400: the request is not what the API takes, and no field is to blame.
    InvalidRequest(String),
    /// 401: no token.
    Unauthorized(&'static str),
    /// 401: a token that is not valid now.
    InvalidToken(&'static str),
    /// 403: a token that may not do this.
    Forbidden(&'static str),
    /// 413: the body has more bytes than this.
    BodyTooLarge(usize),
    /// 415: the body is of a form that is not taken.
    Unsupported {
        /// What about it is not.
        what: Unsupported,
        /// Whether the request is a `PATCH`, whose reply names what is taken (RFC 5789).
        is_patch: bool,
    },
    /// 428: a change must name the revision that it changes.
    PreconditionRequired,
    /// The request could be read, and what it asks for failed.
    UseCase(Failure),
}

/// What about a body is not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// It is not JSON by its content type.
    MediaType,
    /// It is compressed.
    Encoding,
}

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
    /// A bad request without a field to blame.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::InvalidRequest(detail.into())
    }

    /// A bad request with the fields to blame.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        Self::UseCase(Failure::InvalidFields(errors))
    }

    /// A fault of ours; its cause goes to the log only.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self::UseCase(Failure::Internal(cause.into()))
    }

    /// What the log says about it, for failures of ours.
    pub(super) fn cause(&self) -> Option<&str> {
        match self {
            Error::UseCase(Failure::Internal(cause) | Failure::Unavailable(cause)) => Some(cause),
            Error::UseCase(_)
            | Error::InvalidRequest(_)
            | Error::Unauthorized(_)
            | Error::InvalidToken(_)
            | Error::Forbidden(_)
            | Error::BodyTooLarge(_)
            | Error::Unsupported { .. }
            | Error::PreconditionRequired => None,
        }
    }

    /// The stable word for it.
    pub(super) fn code(&self) -> &'static str {
        self.kind().1
    }

    /// Status and code: stable, part of the API.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Error::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Error::Unauthorized(_) | Error::InvalidToken(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Error::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Error::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Error::Unsupported { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Error::PreconditionRequired => (StatusCode::PRECONDITION_REQUIRED, "precondition_required"),
            Error::UseCase(failure) => kind_of(failure),
        }
    }

    fn detail(&self) -> String {
        match self {
            Error::InvalidRequest(detail) => detail.clone(),
            Error::Unauthorized(detail) | Error::InvalidToken(detail) | Error::Forbidden(detail) => {
                (*detail).to_owned()
            }
            Error::BodyTooLarge(bytes_max) => format!("the body has more than {bytes_max} bytes"),
            Error::Unsupported { what: Unsupported::MediaType, .. } => {
                "the body must be JSON, with Content-Type: application/json".to_owned()
            }
            Error::Unsupported { what: Unsupported::Encoding, .. } => {
                "the body must not be compressed: send it without Content-Encoding".to_owned()
            }
            Error::PreconditionRequired => "a change must name the revision that it changes, in If-Match".to_owned(),
            Error::UseCase(failure) => detail_of(failure),
        }
    }

    /// The problem document.
    pub(super) fn into_reply(self, request_id: &str) -> Reply {
        let (status, code) = self.kind();
        let detail = shortened(self.detail(), DETAIL_CHARS_MAX);
        let errors = match &self {
            Error::UseCase(Failure::InvalidFields(errors)) => errors.as_slice(),
            _ => &[],
        };
        let problem = Problem {
            r#type: "about:blank",
            title: title(status),
            status: status.as_u16(),
            detail: &detail,
            code,
            request_id,
            errors,
        };
        // Strings and numbers only: nothing in it can fail to serialise.
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let reply = Reply::with_body(status, "application/problem+json", body).cache(CacheControl::Private);
        self.headers().into_iter().fold(reply, |reply, (name, value)| reply.header(name, value))
    }

    /// The headers that say what to do next.
    fn headers(&self) -> Vec<(&'static str, Cow<'static, str>)> {
        match self {
            Error::Unauthorized(_) => vec![("www-authenticate", "Bearer".into())],
            // RFC 6750, section 3.
            Error::InvalidToken(detail) => {
                let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{detail}\"");
                vec![("www-authenticate", challenge.into())]
            }
            Error::UseCase(Failure::Unavailable(_)) => vec![("retry-after", RETRY_AFTER.into())],
            Error::Unsupported { what, is_patch } => {
                let accept_encoding = (*what == Unsupported::Encoding).then(|| ("accept-encoding", "identity".into()));
                let accept_patch = is_patch.then(|| ("accept-patch", "application/json".into()));
                accept_encoding.into_iter().chain(accept_patch).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Status and code of a failed use case.
fn kind_of(failure: &Failure) -> (StatusCode, &'static str) {
    match failure {
        Failure::InvalidFields(_) | Failure::UnknownCursor => (StatusCode::BAD_REQUEST, "invalid_request"),
        Failure::NotOwner | Failure::AccountRequired => (StatusCode::FORBIDDEN, "forbidden"),
        Failure::ResultsHidden => (StatusCode::FORBIDDEN, "results_hidden"),
        Failure::NoSuchPoll | Failure::NoVote => (StatusCode::NOT_FOUND, "not_found"),
        Failure::AlreadyVoted => (StatusCode::CONFLICT, "already_voted"),
        Failure::PollNotOpen => (StatusCode::CONFLICT, "poll_not_open"),
        Failure::PollClosed => (StatusCode::CONFLICT, "poll_closed"),
        Failure::IdempotencyConflict => (StatusCode::CONFLICT, "idempotency_conflict"),
        Failure::VoteChangeNotAllowed => (StatusCode::CONFLICT, "vote_change_not_allowed"),
        Failure::NotEditable(_) => (StatusCode::CONFLICT, "not_editable"),
        Failure::RevisionMismatch => (StatusCode::PRECONDITION_FAILED, "revision_mismatch"),
        Failure::InvalidChoice(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_choice"),
        Failure::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        Failure::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    }
}

fn detail_of(failure: &Failure) -> String {
    let detail = match failure {
        Failure::InvalidFields(errors) => return blamed(errors),
        Failure::NotEditable(detail) | Failure::InvalidChoice(detail) => detail,
        Failure::UnknownCursor => "the query's cursor is not one of this list",
        Failure::NotOwner => "this poll is another account's",
        Failure::AccountRequired => "this poll takes votes of accounts only",
        Failure::ResultsHidden => "the results of this poll are not for you, or not yet",
        Failure::NoSuchPoll => "there is no such poll",
        Failure::NoVote => "you have no vote in this poll",
        Failure::AlreadyVoted => "you have voted in this poll, and votes in it can't be changed",
        Failure::PollNotOpen => "the poll is not open yet",
        Failure::PollClosed => "the poll is closed",
        Failure::IdempotencyConflict => "this Idempotency-Key was used for a poll of another body",
        Failure::VoteChangeNotAllowed => "votes in this poll can't be taken back",
        Failure::RevisionMismatch => "it has another revision than If-Match names: read it again",
        Failure::Internal(_) => "something went wrong on our side",
        Failure::Unavailable(_) => "something that this needs is away for the moment: try again",
    };
    detail.to_owned()
}

/// The status's phrase in RFC 9110, where the `http` crate has one of an older RFC.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        _ => status.canonical_reason().unwrap_or_default(),
    }
}

fn blamed(errors: &[FieldError]) -> String {
    match errors {
        [only] => format!("{} {}", only.pointer, only.detail),
        all => format!("{} fields are not valid", all.len()),
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::UseCase(failure)
    }
}
