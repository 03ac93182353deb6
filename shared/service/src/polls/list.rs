//! Lists a tenant's polls, page by page.

use landslide_aws::{config::ConfigError, sdk, store::PollStore};
use landslide_domain::{
    error::Error,
    member::Member,
    poll::Settings,
    poll::cursor::{cursor, read_cursor},
    role::Operation,
};

/// The Polls table, listed by tenant.
pub struct TenantPolls {
    polls: PollStore,
}

/// One page of a tenant's polls, newest first.
pub struct PollPage {
    /// The polls, without their options.
    pub polls: Vec<Settings>,
    /// The cursor of the next page. If `None`, this is the last one.
    pub next_cursor: Option<String>,
}

impl TenantPolls {
    /// Uses the table in the environment's variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::new(PollStore::from_env(&sdk::sdk_config()?)?))
    }

    /// Uses this table.
    pub fn new(polls: PollStore) -> Self {
        Self { polls }
    }

    /// Returns at most `limit` of the member's polls, starting at an earlier page's cursor.
    pub async fn page(&self, member: &Member, after: Option<&str>, limit: usize) -> Result<PollPage, Error> {
        member.must(Operation::ListPolls)?;
        let tenant = member.tenant.key();
        let after = after.map(|after| read_cursor(&tenant, after).ok_or(Error::UnknownCursor)).transpose()?;
        let page = self.polls.page(&tenant, after.as_ref(), limit).await?;
        let next_cursor = page.next_after.map(|last| cursor(&tenant, &last));
        Ok(PollPage { polls: page.polls, next_cursor })
    }
}
