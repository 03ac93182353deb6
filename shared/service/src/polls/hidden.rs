//! Shows the answers that a poll hides to its tenant's editors.

use landslide_aws::{clock::SystemClock, config::ConfigError, sdk, store::PollStore};
use landslide_domain::{
    error::Error,
    ids::PollId,
    member::Member,
    poll::hidden::{HiddenAnswers, must_have_answers},
    role::Operation,
};

/// The Polls table, for who looks at hidden answers.
pub struct HiddenList {
    polls: PollStore,
}

impl HiddenList {
    /// Uses the table in the environment's variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { polls: PollStore::from_env(&sdk::sdk_config()?)? })
    }

    /// The answers that the member's poll hides, as they are now.
    pub async fn answers(&self, poll_id: &PollId, member: &Member) -> Result<HiddenAnswers, Error> {
        member.must(Operation::GetHiddenAnswers)?;
        let (rules, hidden) = self.polls.hidden_answers(poll_id, &SystemClock).await?.ok_or(Error::NoSuchPoll)?;
        rules.must_be_of(&member.tenant)?;
        must_have_answers(&rules.settings.spec)?;
        Ok(hidden)
    }
}
