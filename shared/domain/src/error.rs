//! Every outcome other than success that a use case of polls and votes has. Whoever serves it decides how to say it.

use crate::field_error::FieldError;

/// Why a use case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Fields of what was asked for are not valid.
    InvalidFields(Vec<FieldError>),
    /// The cursor is not one of this list.
    UnknownCursor,
    /// The poll is another account's.
    NotOwner,
    /// The poll takes votes of accounts only.
    AccountRequired,
    /// The caller may not see the results, or not yet.
    ResultsHidden,
    /// No poll has the id.
    NoSuchPoll,
    /// The caller has no vote in the poll.
    NoVote,
    /// The voter has a vote with other choices, and votes in the poll can't change.
    AlreadyVoted,
    /// The poll is not open yet.
    PollNotOpen,
    /// The poll is closed.
    PollClosed,
    /// The idempotency key was used for another request.
    IdempotencyConflict,
    /// Votes in the poll can't be retracted.
    VoteChangeNotAllowed,
    /// The poll can't be changed like that, or not any more.
    NotEditable(String),
    /// Another revision stands than the caller expects.
    RevisionMismatch,
    /// The poll does not take these choices.
    InvalidChoice(String),
    /// Our own fault. The cause is for the log only.
    Internal(String),
    /// Something that we need is unavailable for now; trying again helps. The cause is for the log only. For a write, it is
    /// unknown whether it took place.
    Unavailable(String),
}
