//! What fields are read from, and what mutations call: the services that the REST API uses.

use std::sync::Arc;

use landslide_aws::{
    config::{self, ConfigError},
    sdk,
    store::{AssembledStore, LimitStore, PollStore, ResultsStore, VoteStore},
};
use landslide_domain::error::Error;
use landslide_service::{
    analytics::TenantAnalytics,
    limits::TenantLimits,
    polls::{CurrentPolls, PollChanges, PollCreation, TenantPolls},
    results::{AssemblyQueue, CurrentResults},
    usage::TenantUsage,
};
use tokio::sync::OnceCell;

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
    /// Figures over a tenant's polls.
    pub analytics: Analytics,
    /// What tenants use.
    pub usage: TenantUsage,
    /// What changes polls.
    pub changes: PollChanges,
    /// What creates polls.
    pub creation: Creation,
    /// What counts tenants' requests.
    pub limits: Arc<TenantLimits>,
}

/// What creates polls, made when the first one is to be created. It reads a secret, which no query needs.
#[derive(Default)]
pub struct Creation(OnceCell<PollCreation>);

impl Creation {
    /// This one.
    pub fn of(creation: PollCreation) -> Self {
        Self(OnceCell::new_with(Some(creation)))
    }

    /// The service.
    pub async fn get(&self) -> Result<&PollCreation, Error> {
        let made = self.0.get_or_try_init(PollCreation::from_env).await;
        made.map_err(|error| Error::Unavailable(format!("what creates polls is not there: {error}")))
    }
}

/// Analytics, connected when the first figure is asked for: no other query needs them, nor waits for their database.
#[derive(Default)]
pub struct Analytics(OnceCell<TenantAnalytics>);

impl Analytics {
    /// The service.
    pub async fn get(&self) -> Result<&TenantAnalytics, Error> {
        let made = self.0.get_or_try_init(TenantAnalytics::from_env).await;
        made.map_err(|error| Error::Unavailable(format!("what analytics are read from is not there: {error}")))
    }
}

impl Services {
    /// Over the tables and the queue that the environment names, with an open connection.
    pub async fn from_env(limits: Arc<TenantLimits>) -> Result<Self, ConfigError> {
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
            analytics: Analytics::default(),
            usage: TenantUsage::new(polls()?, ResultsStore::from_env(&aws)?, LimitStore::from_env(&aws)?),
            changes: PollChanges::new(polls()?).taking(config::value("BALLOT_KINDS")?),
            creation: Creation::default(),
            limits,
        })
    }
}
