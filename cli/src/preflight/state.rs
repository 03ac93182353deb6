//! What a stack's status means for the next deploy. What to do about it is `make deploy`'s to say.

/// What a deploy may do with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Creates it: there is none, or one of which only a change set was made.
    New,
    /// Updates it.
    Usable,
    /// Removes the record of a first create that was rolled back, and creates it.
    RolledBack,
    /// Nothing, until somebody has mended it or another operation has ended.
    Stuck,
}

impl State {
    /// By CloudFormation's status; `None` if there is no stack.
    pub fn of(status: Option<&str>) -> Self {
        match status {
            None | Some("REVIEW_IN_PROGRESS") => Self::New,
            Some(
                "CREATE_COMPLETE"
                | "UPDATE_COMPLETE"
                | "UPDATE_ROLLBACK_COMPLETE"
                | "IMPORT_COMPLETE"
                | "IMPORT_ROLLBACK_COMPLETE",
            ) => Self::Usable,
            Some("ROLLBACK_COMPLETE") => Self::RolledBack,
            Some(_) => Self::Stuck,
        }
    }
}
