//! Counts tenants' management requests, and says how they stand by their limits.

use aws_sdk_dynamodb::Client;
use landslide_aws::{
    cache::Cache,
    clock::{Clock, SystemClock},
    config::{self, ConfigError},
    sdk,
    store::{Counted, DynamoDb, LimitStore},
};
use landslide_domain::{
    error::Error,
    limits::{Count, DayUse, Limits, OwnLimits, Standing},
    tenant::TenantKey,
    time::{MINUTE_MS, Timestamp},
};

/// How long a process believes what it has read of a tenant's own limits. In milliseconds.
const OWN_LIMITS_MS: u64 = MINUTE_MS;
/// How many tenants' limits a process remembers.
const TENANTS_MAX: usize = 1_000;
/// How often a request is counted because others were first, or a transaction held the row. The pauses add up to 1.8 s at
/// most.
const ATTEMPTS_MAX: u32 = 14;
/// The pause before the n-th further attempt is drawn at random below this times 2ⁿ, up to n = `PAUSE_DOUBLINGS`.
const PAUSE_MS: u64 = 5;
const PAUSE_DOUBLINGS: u32 = 5;

/// The limits of tenants, and what they have used.
pub struct TenantLimits<D = Client, C = SystemClock> {
    store: LimitStore<D>,
    of_all: Limits,
    own: Cache<TenantKey, OwnLimits>,
    /// The days whose current minute is full. A storm of requests so costs no writes.
    full: Cache<TenantKey, DayUse>,
    clock: C,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is counted.
    Admitted(Standing),
    /// It is one too many, and is not counted.
    Refused(Standing),
}

impl TenantLimits {
    /// Uses the table and the limits in the environment's variables, with an open connection.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let store = LimitStore::from_env(&sdk::sdk_config()?)?;
        store.prime().await;
        Ok(Self::over(store, config::value("LIMITS")?, SystemClock))
    }
}

impl<D: DynamoDb, C: Clock> TenantLimits<D, C> {
    /// Uses a table in any database, limits for all tenants that have no own, and any clock.
    pub fn over(store: LimitStore<D>, of_all: Limits, clock: C) -> Self {
        Self { store, of_all, own: Cache::new(TENANTS_MAX), full: Cache::new(TENANTS_MAX), clock }
    }

    /// Counts a tenant's request, unless its minute is full.
    pub async fn admit(&self, tenant: &TenantKey) -> Result<Admission, Error> {
        let now = self.clock.now();
        let limits = self.limits(tenant, now).await?;
        let max = limits.requests_per_minute;
        // Usually this minute has begun. If it has not, the row says so.
        let begun = DayUse { minute: Some(now.minute()), ..DayUse::default() };
        let mut used = self.full.get(tenant).map_or(begun, |full| full.value);
        for attempt in 0..ATTEMPTS_MAX {
            let counted = match used.next(max, now) {
                Count::Another(minute) => self.store.count_another(tenant, now, minute, max).await?,
                Count::First(minute) => self.store.count_first(tenant, now, minute).await?,
                Count::Full(_) => {
                    self.full.put(tenant, used, now);
                    return Ok(Admission::Refused(Standing { limits, used, now }));
                }
            };
            match counted {
                Counted::Done(used) => return Ok(Admission::Admitted(Standing { limits, used, now })),
                Counted::Not(found) => used = found,
                Counted::Busy => self.clock.back_off(PAUSE_MS, attempt.min(PAUSE_DOUBLINGS)).await,
            }
        }
        Err(Error::Unavailable("a request could not be counted: others were first again and again".to_owned()))
    }

    async fn limits(&self, tenant: &TenantKey, now: Timestamp) -> Result<Limits, Error> {
        let own = match self.own.get(tenant) {
            Some(own) if own.is_younger_than(OWN_LIMITS_MS, now) => own.value,
            _ => {
                let own = self.store.own_limits(tenant).await?;
                self.own.put(tenant, own, now);
                own
            }
        };
        Ok(self.of_all.with(&own))
    }
}
