//! What a tenant has used in a month.

use landslide_aws::{
    config::ConfigError,
    sdk,
    store::{LimitStore, PollStore, ResultsStore},
};
use landslide_domain::{
    error::Error,
    member::Member,
    role::Operation,
    tenant::TenantKey,
    usage::{Month, Usage},
};

/// The most polls whose ballots are added up; with 1,000 polls a day a month has 31,000.
const POLLS_MAX: usize = 40_000;

/// The tables of polls, counts and limits.
pub struct TenantUsage {
    polls: PollStore,
    results: ResultsStore,
    limits: LimitStore,
}

impl TenantUsage {
    /// Uses the tables in the environment's variables.
    pub fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        Ok(Self::new(PollStore::from_env(&aws)?, ResultsStore::from_env(&aws)?, LimitStore::from_env(&aws)?))
    }

    /// Uses these tables.
    pub fn new(polls: PollStore, results: ResultsStore, limits: LimitStore) -> Self {
        Self { polls, results, limits }
    }

    /// What the member's tenant has used in a month.
    pub async fn of_member(&self, member: &Member, month: Month) -> Result<Usage, Error> {
        member.must(Operation::GetUsage)?;
        self.of(&member.tenant.key(), month).await
    }

    /// What a tenant has used in a month. Eventually consistent.
    pub async fn of(&self, tenant: &TenantKey, month: Month) -> Result<Usage, Error> {
        let requests = self.limits.requests_in(tenant, month).await?;
        let mut usage = Usage { month, polls: 0, ballots: 0, requests, is_complete: true };
        let (mut after, mut left) = (None, POLLS_MAX);
        loop {
            let mut page = self.polls.created_in(tenant, month, after).await?;
            usage.is_complete = page.ids.len() <= left && (page.next.is_none() || page.ids.len() < left);
            page.ids.truncate(left);
            left -= page.ids.len();
            usage.polls += page.ids.len() as u64;
            usage.ballots += self.results.ballots(&page.ids).await?;
            after = page.next;
            if after.is_none() || !usage.is_complete {
                return Ok(usage);
            }
        }
    }
}
