//! Hides answers of a poll.

use landslide_aws::{clock::Clock, store::DynamoDb};
use landslide_domain::{
    error::Error,
    ids::PollId,
    member::{Action, Member},
    poll::hidden::{HiddenAnswers, HideAnswers, hide},
    role::Operation,
    vote::Revisions,
};

use super::PollChanges;

impl<D: DynamoDb, C: Clock> PollChanges<D, C> {
    /// Hides these answers of the member's poll instead of those so far, if their revision is one of those expected.
    pub async fn hide_answers(
        &self,
        poll_id: &PollId,
        member: &Member,
        expected: &Revisions,
        asked: HideAnswers,
    ) -> Result<HiddenAnswers, Error> {
        member.must(Operation::HideAnswers)?;
        let answers = asked.validate().map_err(Error::InvalidFields)?;
        // To earlier releases, which may run beside this one, an action of its own would make the poll unreadable.
        let poll = self
            .change_hiding(poll_id, member, Action::PollEdited, Some(answers.as_slice()), |poll, now, again| {
                poll.rules.must_be_of(&member.tenant)?;
                let hidden = hide(poll, &answers, now)?;
                // What is replaced may be an earlier try of ours.
                let is_expected = again || expected.include(poll.rules.hidden_revision());
                if is_expected { Ok(hidden) } else { Err(Error::RevisionMismatch) }
            })
            .await?;
        Ok(HiddenAnswers { revision: poll.rules.hidden_revision(), answers })
    }
}
