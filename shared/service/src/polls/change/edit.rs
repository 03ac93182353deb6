//! Edits what a poll says.

use landslide_aws::{clock::Clock, store::DynamoDb};
use landslide_domain::{
    error::Error,
    ids::PollId,
    member::{Action, Member},
    poll::{Poll, edit::EditPoll},
    role::Operation,
    vote::Revisions,
};

use super::PollChanges;

impl<D: DynamoDb, C: Clock> PollChanges<D, C> {
    /// Edits the member's poll, if its revision is one of those expected.
    pub async fn edit(
        &self,
        poll_id: &PollId,
        member: &Member,
        expected: &Revisions,
        edit: &EditPoll,
    ) -> Result<Poll, Error> {
        member.must(Operation::UpdatePoll)?;
        self.change(poll_id, member, Action::PollEdited, |poll, now, again| {
            poll.rules.must_be_of(&member.tenant)?;
            // The current revision may be an earlier try of ours.
            let revision = poll.rules.settings.revision;
            if expected.include_poll(revision) || again && expected.include_poll(revision - 1) {
                let edited = edit.apply(poll, now, again)?;
                self.kinds.must_take_edit(&poll.rules.settings.spec, &edited.rules.settings.spec)?;
                Ok(edited)
            } else {
                Err(Error::RevisionMismatch)
            }
        })
        .await
    }
}
