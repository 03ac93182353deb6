//! Every way in which a request can fail, and the one place that sets its status and code.

use http::StatusCode;
use landslide_domain::{
    error::Error as Failure,
    field_error::FieldError,
    limits::{Quota, Renewed},
};

/// Why a request failed.
#[derive(Debug)]
pub enum Error {
    /// 400: the request is not valid, and no single field is wrong.
    InvalidRequest(String),
    /// 401: there is no token.
    Unauthorized(&'static str),
    /// 401: the token is not valid now.
    InvalidToken(&'static str),
    /// 403: the token may not do this.
    Forbidden(&'static str),
    /// 413: the body has more bytes than this.
    BodyTooLarge(usize),
    /// 415: the body's form is not supported.
    Unsupported {
        /// What about it is not supported.
        what: Unsupported,
        /// Whether the request is a `PATCH`. Its reply then names what is supported (RFC 5789).
        is_patch: bool,
    },
    /// 428: a change must name the revision that it replaces.
    PreconditionRequired,
    /// The request was valid, and its use case failed.
    UseCase(Failure),
}

/// What about a body is not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// Its content type is not JSON.
    MediaType,
    /// It is compressed.
    Encoding,
}

impl Error {
    /// A bad request where no single field is wrong.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::InvalidRequest(detail.into())
    }

    /// A bad request with the fields that are wrong.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        Self::UseCase(Failure::InvalidFields(errors))
    }

    /// A fault on our side. Only the log shows its cause.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self::UseCase(Failure::Internal(cause.into()))
    }

    /// The fields that are wrong.
    pub fn fields(&self) -> &[FieldError] {
        match self {
            Error::UseCase(Failure::InvalidFields(errors)) => errors,
            Error::UseCase(Failure::InvalidBallot(error) | Failure::KindNotTaken(error)) => std::slice::from_ref(error),
            _ => &[],
        }
    }

    /// The cause for the log, for failures on our side.
    pub fn cause(&self) -> Option<&str> {
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

    /// The error code, which never changes.
    pub fn code(&self) -> &'static str {
        self.kind().1
    }

    /// Status and code. Both are part of the API and never change.
    pub(super) fn kind(&self) -> (StatusCode, &'static str) {
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

    /// What has happened, and what to do next. The caller may see it.
    pub fn detail(&self) -> String {
        match self {
            Error::InvalidRequest(detail) => detail.clone(),
            Error::Unauthorized(detail) | Error::InvalidToken(detail) | Error::Forbidden(detail) => {
                (*detail).to_owned()
            }
            Error::BodyTooLarge(bytes_max) => format!("The body has more than {bytes_max} bytes."),
            Error::Unsupported { what: Unsupported::MediaType, .. } => {
                "The body must be JSON, with Content-Type: application/json.".to_owned()
            }
            Error::Unsupported { what: Unsupported::Encoding, .. } => {
                "The body must not be compressed. Send it without Content-Encoding.".to_owned()
            }
            Error::PreconditionRequired => "A change must name the revision that it changes, in If-Match.".to_owned(),
            Error::UseCase(failure) => detail_of(failure),
        }
    }
}

/// A failed use case's status and code.
fn kind_of(failure: &Failure) -> (StatusCode, &'static str) {
    match failure {
        Failure::InvalidFields(_) | Failure::UnknownCursor => (StatusCode::BAD_REQUEST, "invalid_request"),
        Failure::NotOwner | Failure::RoleForbids(_) | Failure::NoRole | Failure::AccountRequired => {
            (StatusCode::FORBIDDEN, "forbidden")
        }
        Failure::ResultsHidden => (StatusCode::FORBIDDEN, "results_hidden"),
        Failure::NoSuchPoll
        | Failure::NoSuchKey
        | Failure::NoSuchView
        | Failure::NoSuchQuery
        | Failure::NoVote
        | Failure::NoSuchCount(_)
        | Failure::NoAnalytics
        | Failure::NoAnswers => (StatusCode::NOT_FOUND, "not_found"),
        Failure::AlreadyVoted => (StatusCode::CONFLICT, "already_voted"),
        Failure::PollNotOpen => (StatusCode::CONFLICT, "poll_not_open"),
        Failure::PollPaused => (StatusCode::CONFLICT, "poll_paused"),
        Failure::PollClosed => (StatusCode::CONFLICT, "poll_closed"),
        Failure::TooManyKeys => (StatusCode::CONFLICT, "too_many_keys"),
        Failure::TooManyViews => (StatusCode::CONFLICT, "too_many_views"),
        Failure::IdempotencyConflict => (StatusCode::CONFLICT, "idempotency_conflict"),
        Failure::VoteChangeNotAllowed => (StatusCode::CONFLICT, "vote_change_not_allowed"),
        Failure::NotEditable(_) => (StatusCode::CONFLICT, "not_editable"),
        Failure::RevisionMismatch => (StatusCode::PRECONDITION_FAILED, "revision_mismatch"),
        Failure::InvalidBallot(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_choice"),
        Failure::KindNotTaken(_) => (StatusCode::UNPROCESSABLE_ENTITY, "kind_not_taken"),
        Failure::TooManyOpenPolls(_) => (StatusCode::CONFLICT, "too_many_open_polls"),
        Failure::LimitExceeded(_) => (StatusCode::TOO_MANY_REQUESTS, "limit_exceeded"),
        Failure::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        Failure::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    }
}

fn detail_of(failure: &Failure) -> String {
    let detail = match failure {
        Failure::InvalidFields(errors) => return blamed(errors),
        Failure::LimitExceeded(quota) => return used_up(quota),
        Failure::TooManyOpenPolls(max) => {
            return format!("Your tenant has {max} open polls or more, and may have {max}. Close one first.");
        }
        Failure::RoleForbids(role) => return format!("The role {} does not allow this.", role.as_str()),
        Failure::InvalidBallot(error) | Failure::KindNotTaken(error) => return blamed(std::slice::from_ref(error)),
        Failure::NotEditable(detail) | Failure::NoSuchCount(detail) => detail,
        Failure::UnknownCursor => "The query's cursor is not one of this list.",
        Failure::NotOwner => "This poll belongs to somebody else.",
        Failure::NoRole => "Your token names an organisation, but no role in it that is known here.",
        Failure::AccountRequired => "This poll takes votes from accounts only.",
        Failure::ResultsHidden => "You may not see this poll's results, or not yet.",
        Failure::NoSuchPoll => "There is no such poll.",
        Failure::NoSuchKey => "There is no such API key.",
        Failure::NoSuchView => "There is no such view link.",
        Failure::NoSuchQuery => "There is no such query that you may run.",
        Failure::NoAnalytics => "This deployment has no analytics.",
        Failure::NoAnswers => "The poll has no answers to hide: it is not of kind text, and takes no write-ins.",
        Failure::NoVote => "You have no vote in this poll.",
        Failure::AlreadyVoted => "You have voted in this poll, and votes in it can't be changed.",
        Failure::PollNotOpen => "The poll is not open yet.",
        Failure::PollPaused => "The poll is paused. Try again later.",
        Failure::PollClosed => "The poll is closed.",
        Failure::TooManyKeys => "There are 100 API keys already. Delete one that is not used any more.",
        Failure::TooManyViews => "The poll has 100 view links already. Delete one that is not used any more.",
        Failure::IdempotencyConflict => "This Idempotency-Key was already used with a different body.",
        Failure::VoteChangeNotAllowed => "Votes in this poll can't be retracted.",
        Failure::RevisionMismatch => "It has changed since the revision in If-Match. Fetch it and try again.",
        Failure::Internal(_) => "Something went wrong on our side.",
        Failure::Unavailable(_) => "The service can't answer now. Try again in a moment.",
    };
    detail.to_owned()
}

fn used_up(quota: &Quota) -> String {
    let Quota { max, renewed_in_seconds, .. } = quota;
    match quota.of {
        Renewed::Requests => {
            format!("Your tenant may make {max} management requests a minute. Try again in {renewed_in_seconds} s.")
        }
        Renewed::Polls => format!("Your tenant may create {max} polls a day. Try again after midnight (UTC)."),
    }
}

fn blamed(errors: &[FieldError]) -> String {
    match errors {
        [only] if only.pointer.is_empty() => format!("The body {}.", only.detail),
        [only] => format!("{} {}.", only.pointer, only.detail),
        all => format!("{} fields are not valid.", all.len()),
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::UseCase(failure)
    }
}
