//! What the fields are read from: the services that the REST API uses.

use landslide_aws::{
    config::ConfigError,
    sdk,
    store::{AssembledStore, LimitStore, PollStore, ResultsStore, VoteStore},
};
use landslide_service::{
    polls::{CurrentPolls, TenantPolls},
    results::{AssemblyQueue, CurrentResults},
    usage::TenantUsage,
};

/// The services.
pub struct Services {
    /// Polls, for anyone.
    pub polls: CurrentPolls,
    /// A tenant's polls.
    pub lists: TenantPolls,
    /// Results.
    pub results: CurrentResults<AssemblyQueue>,
    /// Segments and series.
    pub broken_down: CurrentResults<AssemblyQueue>,
    /// What tenants use.
    pub usage: TenantUsage,
}

impl Services {
    /// Over the tables and the queue that the environment names, with an open connection.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let polls = || PollStore::from_env(&aws);
        let results = || {
            let (store, assembled) = (ResultsStore::from_env(&aws)?, AssembledStore::from_env(&aws)?);
            Ok(CurrentResults::new(store, assembled, VoteStore::from_env(&aws)?, AssemblyQueue::from_env()?))
        };
        polls()?.prime().await;
        Ok(Self {
            polls: CurrentPolls::new(polls()?),
            lists: TenantPolls::new(polls()?),
            results: results()?,
            broken_down: results()?.broken_down(),
            usage: TenantUsage::new(polls()?, ResultsStore::from_env(&aws)?, LimitStore::from_env(&aws)?),
        })
    }
}
