//! Changing what a poll says.

use super::Editing;
use crate::{
    clock::Clock,
    domain::{
        caller::Caller,
        ids::PollId,
        poll::Poll,
        poll_edit::{EditPoll, EditRefused},
        vote::Revisions,
    },
    http::Error,
    store::DynamoDb,
};

impl<D: DynamoDb, C: Clock> Editing<D, C> {
    /// Edits the caller's poll if its revision is one of those expected.
    pub async fn edit(
        &self,
        poll_id: &PollId,
        caller: &Caller,
        expected: &Revisions,
        edit: &EditPoll,
    ) -> Result<Poll, Error> {
        self.change(poll_id, |poll, now, again| {
            poll.must_be_of(caller)?;
            // An earlier try of ours may be the revision that stands now.
            let revision = poll.rules.settings.revision;
            if expected.include_poll(revision) || again && expected.include_poll(revision - 1) {
                Ok(edit.apply(poll, now, again)?)
            } else {
                Err(Error::RevisionMismatch)
            }
        })
        .await
    }
}

impl From<EditRefused> for Error {
    fn from(refused: EditRefused) -> Self {
        match refused {
            EditRefused::Invalid(errors) => Self::invalid_fields(errors),
            EditRefused::NotEditable(detail) => Self::NotEditable(detail),
        }
    }
}
