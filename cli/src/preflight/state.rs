//! What a stack's status means for the next deploy. `make deploy` says what to do about it.

/// What a deploy may do with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Creates it: there is no stack, or only a change set for one.
    New,
    /// Updates it.
    Usable,
    /// Removes the record of a first create that was rolled back, then creates it.
    RolledBack,
    /// Nothing, until someone has repaired it or another operation has finished.
    Stuck,
}

impl State {
    /// The state for CloudFormation's status. `None` if there is no stack.
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
