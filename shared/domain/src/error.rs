//! Every failure of a use case, as an outcome. The HTTP edge maps each to a status and a text.

use crate::{field_error::FieldError, limits::Quota, role::Role};

/// Why a use case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Some fields are not valid.
    InvalidFields(Vec<FieldError>),
    /// The deployment does not take polls of this kind yet.
    KindNotTaken(FieldError),
    /// The cursor does not belong to this list.
    UnknownCursor,
    /// The poll belongs to another tenant.
    NotOwner,
    /// The member's role does not allow it.
    RoleForbids(Role),
    /// The member has no role that is known.
    NoRole,
    /// The poll takes votes from accounts only.
    AccountRequired,
    /// The caller may not see the results, or not yet.
    ResultsHidden,
    /// No poll has the id.
    NoSuchPoll,
    /// The tenant has no API key with the id.
    NoSuchKey,
    /// The poll has no view link with the id.
    NoSuchView,
    /// No kept query has the id, or none that anyone may run.
    NoSuchQuery,
    /// The caller has no vote in the poll.
    NoVote,
    /// The voter has a vote with other choices, and votes in the poll can't change.
    AlreadyVoted,
    /// The poll is not open yet.
    PollNotOpen,
    /// The poll is paused.
    PollPaused,
    /// The poll is closed.
    PollClosed,
    /// The tenant has as many API keys as it may have.
    TooManyKeys,
    /// The poll has as many view links as it may have.
    TooManyViews,
    /// The idempotency key was already used for another request.
    IdempotencyConflict,
    /// Votes in the poll can't be retracted.
    VoteChangeNotAllowed,
    /// The poll can't be changed like that, or not any longer.
    NotEditable(String),
    /// The revision differs from the one that the caller expects.
    RevisionMismatch,
    /// The poll does not take this ballot, and why.
    InvalidBallot(FieldError),
    /// The poll's votes can't be counted by the method that is asked for.
    NoSuchCount(String),
    /// The deployment has no analytics.
    NoAnalytics,
    /// Voters write nothing in the poll, so there is nothing to hide.
    NoAnswers,
    /// The tenant has used up a limit until it is renewed.
    LimitExceeded(Quota),
    /// The tenant has as many polls that are not closed as it may have.
    TooManyOpenPolls(u32),
    /// A fault on our side. Only the log shows the cause.
    Internal(String),
    /// A dependency is unavailable for now; a retry may succeed. Only the log shows the cause. For a write, it is
    /// unknown whether it took effect.
    Unavailable(String),
}
