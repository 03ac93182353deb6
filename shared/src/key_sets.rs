//! Issuers' key sets (RFC 7517) by URI: fetched when they are needed, remembered, renewed, and bounded in all of it.
//!
//! A key that is remembered is enough to accept a token, even where its issuer does not answer. That a key is
//! unknown is said only after a fetch that succeeded, half a minute ago at most: until then nobody knows.

mod fetch;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;

pub use self::fetch::{Fetch, FetchError, HttpFetch, KEY_SET_BYTES_MAX};
use crate::{
    domain::time::{DAY_MS, MINUTE_MS, Timestamp},
    memory::Remembered,
    token::KeySet,
};

/// How long a key set is used without asking again, in milliseconds.
pub const FRESH_MS: u64 = 10 * MINUTE_MS;
/// The shortest time between two fetches of one issuer's keys, whatever they are for and however the first ended.
pub const REFETCH_MS: u64 = 30_000;
/// How long a key set is used while its issuer does not answer, in milliseconds since it was fetched.
pub const STALE_MS: u64 = DAY_MS;
/// How long a fetch may take, from the connection to the last byte.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
/// The most keys of a set, usable or not.
pub const KEYS_MAX: usize = 100;

/// An issuer's keys can't be had now, so nobody knows whether its token is good.
#[derive(Debug, thiserror::Error)]
#[error("keys of issuer {issuer:?} at {uri} can't be had: {cause}")]
pub struct KeysUnavailable {
    issuer: String,
    uri: String,
    cause: String,
}

/// Why a fetch gave no key set.
#[derive(Debug, thiserror::Error)]
enum KeySetError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("not there after {} s", FETCH_TIMEOUT.as_secs())]
    Slow,
    #[error("not a key set: {0}")]
    NotAKeySet(#[from] serde_json::Error),
    #[error("{0} keys, more than {KEYS_MAX}")]
    TooManyKeys(usize),
}

/// The key set of one issuer, by its URI.
pub struct FetchedKeys {
    issuer: String,
    audience: String,
    uri: String,
    known: Mutex<Known>,
    /// Held while a fetch is under way.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    /// The keys of the last fetch that succeeded.
    keys: Option<Remembered<Arc<KeySet>>>,
    /// How the last fetch ended, and when it began.
    last: Option<Remembered<Result<Arc<KeySet>, String>>>,
}

impl FetchedKeys {
    /// The keys of an issuer's tokens to an audience, none of them fetched yet.
    pub fn new(issuer: String, audience: String, uri: String) -> Self {
        Self { issuer, audience, uri, known: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The keys as they are remembered, fetched if they are not fresh, stale if that fails.
    pub async fn keys(&self, fetch: &impl Fetch, now: Timestamp) -> Result<Arc<KeySet>, KeysUnavailable> {
        if let Some(keys) = self.remembered(FRESH_MS, now) {
            return Ok(keys);
        }
        let latest = self.latest_keys(fetch, now).await;
        latest.or_else(|unavailable| self.remembered(STALE_MS, now).ok_or(unavailable))
    }

    /// The keys as the issuer has them now, give or take [`REFETCH_MS`]: what a refusal for want of a key rests on.
    pub async fn latest_keys(&self, fetch: &impl Fetch, now: Timestamp) -> Result<Arc<KeySet>, KeysUnavailable> {
        let _one_at_a_time = self.fetching.lock().await;
        let last = self.lock().last.clone().filter(|last| is_within(REFETCH_MS, last, now));
        let outcome = match last {
            Some(last) => last.value,
            None => {
                // Counts even if whoever waits for it goes away.
                self.lock().last = Some(Remembered { value: Err("the fetch was cut off".to_owned()), read_at: now });
                let outcome = self.fetch(fetch).await.map(Arc::new).map_err(|error| error.to_string());
                self.remember(outcome.clone(), now);
                outcome
            }
        };
        outcome.map_err(|cause| KeysUnavailable { issuer: self.issuer.clone(), uri: self.uri.clone(), cause })
    }

    async fn fetch(&self, fetch: &impl Fetch) -> Result<KeySet, KeySetError> {
        /// Each key is read on its own: of kinds that we don't know, there may be any (RFC 7517, section 5).
        #[derive(Deserialize)]
        struct Keys {
            keys: Vec<serde_json::Value>,
        }
        let body = tokio::time::timeout(FETCH_TIMEOUT, fetch.fetch(&self.uri)).await;
        let Keys { keys } = serde_json::from_slice(&body.map_err(|_| KeySetError::Slow)??)?;
        if keys.len() > KEYS_MAX {
            return Err(KeySetError::TooManyKeys(keys.len()));
        }
        let keys: Vec<Jwk> = keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        Ok(KeySet::of_accounts(&self.issuer, &self.audience, &keys))
    }

    fn remember(&self, outcome: Result<Arc<KeySet>, String>, now: Timestamp) {
        let mut known = self.lock();
        match (&outcome, &known.keys) {
            (Ok(keys), _) => {
                // Taken at its word: an issuer that withdraws all its keys has its reasons.
                if keys.is_empty() {
                    tracing::warn!(issuer = self.issuer, uri = self.uri, "issuer has no key for RS256, ES256 or EdDSA");
                }
                known.keys = Some(Remembered { value: keys.clone(), read_at: now });
            }
            (Err(cause), Some(before)) => {
                let age_seconds = now.millis_apart(before.read_at) / 1_000;
                tracing::warn!(
                    issuer = self.issuer,
                    uri = self.uri,
                    cause,
                    age_seconds,
                    "issuer's keys can't be fetched, those of before are used for a day at most"
                );
            }
            (Err(_), None) => {}
        }
        known.last = Some(Remembered { value: outcome, read_at: now });
    }

    fn remembered(&self, age_ms: u64, now: Timestamp) -> Option<Arc<KeySet>> {
        self.lock().keys.as_ref().filter(|keys| is_within(age_ms, keys, now)).map(|keys| keys.value.clone())
    }

    /// What is known changes whole, so what a panic left behind is as good as any.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether that was less than so long ago. Of two requests at once the one may remember what the other, a little
/// earlier, then asks for; and a clock that was set back by hours must not stop the fetches for hours.
fn is_within<V>(age_ms: u64, remembered: &Remembered<V>, now: Timestamp) -> bool {
    now.millis_apart(remembered.read_at) < age_ms
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
