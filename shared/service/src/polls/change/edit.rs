//! Edits what a poll says.

use landslide_aws::{clock::Clock, store::DynamoDb};
use landslide_domain::{caller::Caller, error::Error, ids::PollId, poll::Poll, poll::edit::EditPoll, vote::Revisions};

use super::PollChanges;

impl<D: DynamoDb, C: Clock> PollChanges<D, C> {
    /// Edits the caller's poll, if its revision is one of those expected.
    pub async fn edit(
        &self,
        poll_id: &PollId,
        caller: &Caller,
        expected: &Revisions,
        edit: &EditPoll,
    ) -> Result<Poll, Error> {
        self.change(poll_id, |poll, now, again| {
            poll.rules.must_be_of(caller)?;
            // The current revision may be an earlier try of ours.
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
