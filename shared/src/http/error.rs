//! Every way in which a request can fail, and the one place that says which status and code that is.

use std::borrow::Cow;

use http::StatusCode;
use serde::Serialize;

use super::{CacheControl, Reply};
use crate::{
    domain::{
        caller::Caller,
        field_error::{FieldError, shortened},
        poll::Poll,
    },
    store::StoreError,
};

/// Seconds after which a caller may try again.
const RETRY_AFTER: &str = "1";
/// The most characters of a problem's detail, whatever was sent.
const DETAIL_CHARS_MAX: usize = 500;

/// Why a request fails.
#[derive(Debug)]
pub enum Error {
    /// 400: the request is not what the API takes.
    InvalidRequest {
        /// What is wrong.
        detail: String,
        /// The fields to blame, if any.
        errors: Vec<FieldError>,
    },
    /// 401: no token.
    Unauthorized(&'static str),
    /// 401: a token that is not valid now.
    InvalidToken(&'static str),
    /// 403: a token that may not do this.
    Forbidden(&'static str),
    /// 403: results that the caller may not see, or not yet.
    ResultsHidden,
    /// 404.
    NotFound(&'static str),
    /// 409: the voter has a vote with other choices.
    AlreadyVoted,
    /// 409: before the poll's opening.
    PollNotOpen,
    /// 409: after the poll's closing.
    PollClosed,
    /// 409: the idempotency key was used for another body.
    IdempotencyConflict,
    /// 409: votes in the poll can't be taken back.
    VoteChangeNotAllowed,
    /// 409: the poll can't be changed so, or not any more.
    NotEditable(String),
    /// 412: another revision stands than the request names.
    RevisionMismatch,
    /// 413: the body is longer than so many bytes.
    BodyTooLarge(usize),
    /// 415: the body is of a form that is not taken.
    Unsupported {
        /// What about it is not.
        what: Unsupported,
        /// Whether the request is a `PATCH`, whose reply names what is taken (RFC 5789).
        is_patch: bool,
    },
    /// 422: choices that this poll does not take.
    InvalidChoice(String),
    /// 428: a change must name the revision that it changes.
    PreconditionRequired,
    /// 500: a fault of ours, whose cause goes to the log only.
    Internal(String),
    /// 503: something that we need is away for now; its name goes to the log only.
    Unavailable(String),
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
    /// The caller has no vote in the poll.
    pub const NO_VOTE: Error = Error::NotFound("you have no vote in this poll");

    /// A bad request without a field to blame.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::InvalidRequest { detail: detail.into(), errors: Vec::new() }
    }

    /// A bad request with the fields to blame.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{} {}", only.pointer, only.detail),
            all => format!("{} fields are not valid", all.len()),
        };
        Self::InvalidRequest { detail, errors }
    }

    /// No poll has the id.
    pub fn poll_not_found() -> Self {
        Self::NotFound("there is no such poll")
    }

    /// What the log says of it, for failures of ours.
    pub(super) fn cause(&self) -> Option<&str> {
        match self {
            Error::Internal(cause) | Error::Unavailable(cause) => Some(cause),
            Error::InvalidRequest { .. }
            | Error::Unauthorized(_)
            | Error::InvalidToken(_)
            | Error::Forbidden(_)
            | Error::NotFound(_)
            | Error::AlreadyVoted
            | Error::PollNotOpen
            | Error::PollClosed
            | Error::IdempotencyConflict
            | Error::VoteChangeNotAllowed
            | Error::NotEditable(_)
            | Error::RevisionMismatch
            | Error::ResultsHidden
            | Error::PreconditionRequired
            | Error::BodyTooLarge(_)
            | Error::Unsupported { .. }
            | Error::InvalidChoice(_) => None,
        }
    }

    /// The stable word for it.
    pub(super) fn code(&self) -> &'static str {
        self.kind().2
    }

    /// Status, title (the status phrase of RFC 9110) and code: stable, part of the API.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Error::InvalidRequest { .. } => (StatusCode::BAD_REQUEST, "Bad Request", "invalid_request"),
            Error::Unauthorized(_) | Error::InvalidToken(_) => {
                (StatusCode::UNAUTHORIZED, "Unauthorized", "unauthorized")
            }
            Error::Forbidden(_) => (StatusCode::FORBIDDEN, "Forbidden", "forbidden"),
            Error::NotFound(_) => (StatusCode::NOT_FOUND, "Not Found", "not_found"),
            Error::AlreadyVoted => (StatusCode::CONFLICT, "Conflict", "already_voted"),
            Error::PollNotOpen => (StatusCode::CONFLICT, "Conflict", "poll_not_open"),
            Error::PollClosed => (StatusCode::CONFLICT, "Conflict", "poll_closed"),
            Error::IdempotencyConflict => (StatusCode::CONFLICT, "Conflict", "idempotency_conflict"),
            Error::VoteChangeNotAllowed => (StatusCode::CONFLICT, "Conflict", "vote_change_not_allowed"),
            Error::NotEditable(_) => (StatusCode::CONFLICT, "Conflict", "not_editable"),
            Error::RevisionMismatch => (StatusCode::PRECONDITION_FAILED, "Precondition Failed", "revision_mismatch"),
            Error::ResultsHidden => (StatusCode::FORBIDDEN, "Forbidden", "results_hidden"),
            Error::PreconditionRequired => {
                (StatusCode::PRECONDITION_REQUIRED, "Precondition Required", "precondition_required")
            }
            Error::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large", "body_too_large"),
            Error::Unsupported { .. } => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type", "unsupported_media_type")
            }
            Error::InvalidChoice(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Unprocessable Content", "invalid_choice"),
            Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error", "internal"),
            Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", "unavailable"),
        }
    }

    fn detail(&self) -> String {
        match self {
            Error::InvalidRequest { detail, .. } | Error::InvalidChoice(detail) | Error::NotEditable(detail) => {
                detail.clone()
            }
            Error::Unauthorized(detail)
            | Error::InvalidToken(detail)
            | Error::Forbidden(detail)
            | Error::NotFound(detail) => (*detail).to_owned(),
            Error::AlreadyVoted => "you have voted in this poll, and votes in it can't be changed".to_owned(),
            Error::PollNotOpen => "the poll is not open yet".to_owned(),
            Error::PollClosed => "the poll is closed".to_owned(),
            Error::IdempotencyConflict => "this Idempotency-Key was used for a poll of another body".to_owned(),
            Error::VoteChangeNotAllowed => "votes in this poll can't be taken back".to_owned(),
            Error::RevisionMismatch => "it has another revision than If-Match names: read it again".to_owned(),
            Error::ResultsHidden => "the results of this poll are not for you, or not yet".to_owned(),
            Error::PreconditionRequired => "a change must name the revision that it changes, in If-Match".to_owned(),
            Error::BodyTooLarge(bytes_max) => format!("the body has more than {bytes_max} bytes"),
            Error::Unsupported { what: Unsupported::MediaType, .. } => {
                "the body must be JSON, with Content-Type: application/json".to_owned()
            }
            Error::Unsupported { what: Unsupported::Encoding, .. } => {
                "the body must not be compressed: send it without Content-Encoding".to_owned()
            }
            Error::Internal(_) => "something went wrong on our side".to_owned(),
            Error::Unavailable(_) => "something that this needs is away for the moment: try again".to_owned(),
        }
    }

    /// The problem document.
    pub(super) fn into_reply(self, request_id: &str) -> Reply {
        let (status, title, code) = self.kind();
        let detail = shortened(self.detail(), DETAIL_CHARS_MAX);
        let errors = match &self {
            Error::InvalidRequest { errors, .. } => errors.as_slice(),
            _ => &[],
        };
        let problem = Problem {
            r#type: "about:blank",
            title,
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
            Error::Unavailable(_) => vec![("retry-after", RETRY_AFTER.into())],
            Error::Unsupported { what, is_patch } => {
                let accept_encoding = (*what == Unsupported::Encoding).then(|| ("accept-encoding", "identity".into()));
                let accept_patch = is_patch.then(|| ("accept-patch", "application/json".into()));
                accept_encoding.into_iter().chain(accept_patch).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Poll {
    /// Refuses a caller whose poll it is not.
    pub fn must_be_of(&self, caller: &Caller) -> Result<(), Error> {
        if self.rules.is_owned_by(caller) { Ok(()) } else { Err(Error::Forbidden("this poll is another account's")) }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::Unavailable(cause),
            StoreError::Broken(cause) => Self::Internal(cause),
        }
    }
}

impl From<getrandom::Error> for Error {
    fn from(error: getrandom::Error) -> Self {
        Self::Internal(format!("draw random bytes: {error}"))
    }
}
