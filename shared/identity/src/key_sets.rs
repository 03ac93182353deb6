//! Issuers' key sets (RFC 7517) fetched by URI, cached, renewed and bounded.
//!
//! A cached key is enough to accept a token, even while its issuer does not respond. A key is reported as unknown only
//! if a fetch within the last half minute succeeded without it; until then nobody knows.

mod address;
mod fetch;
mod secret;
mod stored;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    address::{AddressError, Reach, check_uri},
    fetch::{Fetch, FetchError, HttpFetch, KEY_SET_BYTES_MAX},
    secret::{KeySetsError, KeySetsSecret},
    stored::{STORED_BYTES_MAX, StoredKeySet, StoredKeySets},
};
use landslide_aws::cache::Cached;
use landslide_domain::time::{DAY_MS, MINUTE_MS, Timestamp};

use crate::token::{Expected, KeySet};

/// The shortest time for which a key set is used without fetching it again, in milliseconds.
pub const FRESH_MS: u64 = 10 * MINUTE_MS;
/// The most by which that time grows, in milliseconds. Each process draws it after each fetch, so that processes which
/// started together do not fetch together forever.
pub const FRESH_JITTER_MS: u64 = 2 * MINUTE_MS;
/// The shortest time between two fetches for one issuer, whatever they are for and however the first ended.
pub const REFETCH_MS: u64 = 30_000;
/// How long a key set is used while its issuer does not respond, in milliseconds since it was fetched.
pub const STALE_MS: u64 = DAY_MS;
/// Time limit for a fetch, from opening the connection to the last byte.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
/// The most keys in a set, usable or not.
pub const KEYS_MAX: usize = 100;

/// An issuer's keys are unavailable, so nobody knows whether its token is valid.
#[derive(Debug, thiserror::Error)]
#[error("keys of issuer {issuer:?} are not available: {cause}")]
pub struct KeysUnavailable {
    issuer: String,
    cause: String,
}

impl KeysUnavailable {
    /// The error for an issuer that is misconfigured.
    pub fn misconfigured(issuer: &str, problem: &impl std::fmt::Display) -> Self {
        Self { issuer: issuer.to_owned(), cause: problem.to_string() }
    }
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeysAt {
    /// At this address.
    #[serde(rename = "jwks_uri")]
    Uri(String),
    /// At the address in this discovery document (OpenID Connect Discovery, section 4).
    Discovery(String),
}

/// Why a fetch returned no key set.
#[derive(Debug, thiserror::Error)]
enum KeySetError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("not there after {} s", FETCH_TIMEOUT.as_secs())]
    Slow,
    #[error("not a key set")]
    NotAKeySet,
    #[error("a map of certificates, not a key set: the issuer publishes its key set at another address")]
    Certificates,
    #[error("{0} keys, more than {KEYS_MAX}")]
    TooManyKeys(usize),
    #[error("not a discovery document")]
    NotADiscovery,
    #[error("the discovery document is that of issuer {0:?}, which is not the configured one to the letter")]
    OtherIssuer(String),
    #[error("the discovery document's \"jwks_uri\" {0}")]
    Address(#[from] AddressError),
}

/// One issuer's key set, by its address.
pub struct FetchedKeys {
    expected: Arc<Expected>,
    at: KeysAt,
    known: Mutex<Known>,
    /// Held during a fetch.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    /// The keys from the last successful fetch, by this process or by the one that stored them.
    keys: Option<Cached<Arc<KeySet>>>,
    /// How long they are fresh.
    fresh_ms: u64,
    /// How the last fetch ended, and when it started.
    last: Option<Cached<Result<Arc<KeySet>, String>>>,
}

impl Known {
    fn have(&mut self, keys: Arc<KeySet>, read_at: Timestamp) {
        self.keys = Some(Cached { value: keys, read_at });
        self.fresh_ms = FRESH_MS + fastrand::u64(0..FRESH_JITTER_MS);
    }
}

impl FetchedKeys {
    /// An issuer's keys, none of them fetched yet.
    pub fn new(expected: Arc<Expected>, at: KeysAt) -> Self {
        Self { expected, at, known: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The issuer's name.
    pub fn name(&self) -> &str {
        &self.expected.issuer
    }

    /// Uses the issuer's stored keys as if fetched when they were. Does nothing if there are none, or if they are from
    /// another address.
    pub fn recall(&self, stored: &StoredKeySets) {
        let Some(stored) = stored.of(self.name(), &self.at) else { return };
        let keys = KeySet::of_accounts(self.expected.clone(), &stored.keys);
        self.lock().have(Arc::new(keys), stored.fetched_at);
    }

    /// The cached keys. Fetches them if they are not fresh, and returns stale ones if that fails.
    pub async fn keys(&self, fetch: &impl Fetch, now: Timestamp) -> Result<Arc<KeySet>, KeysUnavailable> {
        let fresh_ms = self.lock().fresh_ms;
        if let Some(keys) = self.remembered(fresh_ms, now) {
            return Ok(keys);
        }
        let latest = self.latest_keys(fetch, now).await;
        latest.or_else(|unavailable| self.remembered(STALE_MS, now).ok_or(unavailable))
    }

    /// The issuer's current keys, give or take [`REFETCH_MS`]. A token with an unknown key is refused by these only.
    pub async fn latest_keys(&self, fetch: &impl Fetch, now: Timestamp) -> Result<Arc<KeySet>, KeysUnavailable> {
        let _one_at_a_time = self.fetching.lock().await;
        let last = self.lock().last.clone().filter(|last| is_within(REFETCH_MS, last, now));
        let outcome = match last {
            Some(last) => last.value,
            None => {
                // Set in advance, as the caller may be cancelled while it waits.
                self.lock().last = Some(Cached { value: Err("the fetch was cut off".to_owned()), read_at: now });
                let outcome = self.fetch(fetch).await.map(Arc::new).map_err(|error| error.to_string());
                self.remember(outcome.clone(), now);
                outcome
            }
        };
        outcome.map_err(|cause| self.unavailable(cause))
    }

    fn unavailable(&self, cause: String) -> KeysUnavailable {
        KeysUnavailable { issuer: self.expected.issuer.clone(), cause }
    }

    async fn fetch(&self, fetch: &impl Fetch) -> Result<KeySet, KeySetError> {
        Ok(KeySet::of_accounts(self.expected.clone(), &self.published(fetch).await?))
    }

    /// The keys that the issuer publishes, usable or not.
    async fn published(&self, fetch: &impl Fetch) -> Result<Vec<Value>, KeySetError> {
        let keys = tokio::time::timeout(FETCH_TIMEOUT, self.listed(fetch)).await.map_err(|_| KeySetError::Slow)??;
        if keys.len() > KEYS_MAX { Err(KeySetError::TooManyKeys(keys.len())) } else { Ok(keys) }
    }

    async fn listed(&self, fetch: &impl Fetch) -> Result<Vec<Value>, KeySetError> {
        let uri = match &self.at {
            KeysAt::Uri(uri) => uri.clone(),
            KeysAt::Discovery(uri) => self.discovered(&fetch.fetch(uri).await?, fetch.reach())?,
        };
        published_keys(&fetch.fetch(&uri).await?)
    }

    /// The key set's address in the issuer's discovery document.
    fn discovered(&self, document: &[u8], reach: Reach) -> Result<String, KeySetError> {
        #[derive(Deserialize)]
        struct Discovery {
            issuer: String,
            jwks_uri: String,
        }
        let Discovery { issuer, jwks_uri } =
            serde_json::from_slice(document).map_err(|_| KeySetError::NotADiscovery)?;
        if issuer != self.expected.issuer {
            return Err(KeySetError::OtherIssuer(issuer));
        }
        check_uri(&jwks_uri, reach)?;
        Ok(jwks_uri)
    }

    fn remember(&self, outcome: Result<Arc<KeySet>, String>, now: Timestamp) {
        let (issuer, at) = (&self.expected.issuer, &self.at);
        let mut known = self.lock();
        match (&outcome, &known.keys) {
            (Ok(keys), before) => {
                let left_out_before = before.as_ref().map_or(&[][..], |before| before.value.left_out());
                if keys.left_out() != left_out_before {
                    log_left_out(issuer, keys);
                }
                // Accepted: an issuer that withdraws all its keys has its reasons.
                if keys.is_empty() {
                    tracing::warn!(issuer, ?at, "issuer {issuer:?} has no usable key");
                }
                known.have(keys.clone(), now);
            }
            (Err(cause), Some(before)) => {
                let age_seconds = now.millis_apart(before.read_at) / 1_000;
                tracing::warn!(
                    issuer,
                    ?at,
                    cause,
                    age_seconds,
                    "keys of issuer {issuer:?} can't be fetched, its earlier ones serve for a day at most: {cause}"
                );
            }
            (Err(_), None) => {}
        }
        known.last = Some(Cached { value: outcome, read_at: now });
    }

    fn remembered(&self, age_ms: u64, now: Timestamp) -> Option<Arc<KeySet>> {
        self.lock().keys.as_ref().filter(|keys| is_within(age_ms, keys, now)).map(|keys| keys.value.clone())
    }

    /// The state is always replaced whole, so a panic can't leave half of it.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parses the keys that an issuer publishes.
fn published_keys(body: &[u8]) -> Result<Vec<Value>, KeySetError> {
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
    let Ok(Value::Object(mut document)) = serde_json::from_slice(body) else { return Err(KeySetError::NotAKeySet) };
    if let Some(Value::Array(keys)) = document.remove("keys") {
        return Ok(keys);
    }
    let is_certificate = |value: &Value| value.as_str().is_some_and(|text| text.trim_start().starts_with(CERTIFICATE));
    let has_certificates = !document.is_empty() && document.values().all(is_certificate);
    Err(if has_certificates { KeySetError::Certificates } else { KeySetError::NotAKeySet })
}

/// Most sets also hold keys for other uses, so this is no warning.
fn log_left_out(issuer: &str, keys: &KeySet) {
    for key in keys.left_out() {
        tracing::info!(issuer, "issuer {issuer:?}: published {key}; it is left out");
    }
}

/// Whether it was read within `age_ms`, before or after `now`. Of two concurrent requests, one may store what the
/// other, which started a little earlier, then looks up. And a clock set back by hours must not stop fetches for hours.
fn is_within<V>(age_ms: u64, remembered: &Cached<V>, now: Timestamp) -> bool {
    now.millis_apart(remembered.read_at) < age_ms
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
