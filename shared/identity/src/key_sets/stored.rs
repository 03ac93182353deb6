//! Issuers' key sets as one secret stores them: a new process starts with these, and needs no issuer to respond.
//!
//! A scheduled function renews them. Each is used only for the issuer and address that it came from.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use landslide_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Fetch, FetchedKeys, KeysAt, KeysUnavailable, STALE_MS};
use crate::token;

/// The most bytes in a secret (Secrets Manager's quotas).
pub const STORED_BYTES_MAX: usize = 65_536;

/// Each issuer's last good key set, by its name.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKeySets {
    issuers: BTreeMap<String, StoredKeySet>,
}

/// One issuer's usable keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKeySet {
    /// Where they were fetched.
    #[serde(flatten)]
    pub at: KeysAt,
    /// When they were fetched, sampled before the fetch.
    pub fetched_at: Timestamp,
    /// The keys, reduced to what verifying needs.
    pub keys: Vec<Value>,
}

impl StoredKeySets {
    /// Parses a secret's text.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The text for a secret.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// An issuer's key set, if it came from the issuer's current address.
    pub fn of(&self, issuer: &str, at: &KeysAt) -> Option<&StoredKeySet> {
        self.issuers.get(issuer).filter(|set| set.at == *at)
    }

    /// Fetches these issuers' key sets. An issuer that does not respond keeps its stored one for a day. Other issuers'
    /// sets are dropped.
    pub async fn refreshed<'a>(
        &self,
        issuers: impl IntoIterator<Item = &'a FetchedKeys>,
        fetch: &impl Fetch,
        now: Timestamp,
    ) -> Self {
        let sets = issuers.into_iter().map(async |issuer| (issuer.name(), self.latest(issuer, fetch, now).await));
        let mut refreshed = Self::default();
        for (issuer, set) in join_all(sets).await {
            if let Some(set) = set {
                refreshed.add(issuer, set);
            }
        }
        refreshed
    }

    async fn latest(&self, issuer: &FetchedKeys, fetch: &impl Fetch, now: Timestamp) -> Option<StoredKeySet> {
        let unavailable = match issuer.publication(fetch, now).await {
            Ok(published) => return Some(published),
            Err(unavailable) => unavailable,
        };
        let kept = self.of(issuer.name(), &issuer.at).filter(|set| now.millis_apart(set.fetched_at) < STALE_MS);
        let age_seconds = kept.map(|set| now.millis_apart(set.fetched_at) / 1_000);
        let outcome =
            if kept.is_some() { "its stored keys are kept for a day at most" } else { "it has no stored keys" };
        tracing::warn!(issuer = issuer.name(), age_seconds, "{unavailable}; {outcome}");
        kept.cloned()
    }

    /// Skips a key set for which the secret has no room: one issuer's keys must not cost the others theirs.
    fn add(&mut self, issuer: &str, set: StoredKeySet) {
        let keys = set.keys.len();
        self.issuers.insert(issuer.to_owned(), set);
        if self.to_json().is_ok_and(|text| text.len() <= STORED_BYTES_MAX) {
            return;
        }
        self.issuers.remove(issuer);
        tracing::error!(
            issuer,
            keys,
            "keys of issuer {issuer:?} are not stored, as a secret has at most {STORED_BYTES_MAX} bytes"
        );
    }
}

impl FetchedKeys {
    /// The usable keys that the issuer publishes, reduced to what verifying needs.
    async fn publication(&self, fetch: &impl Fetch, now: Timestamp) -> Result<StoredKeySet, KeysUnavailable> {
        let published = self.published(fetch).await.map_err(|error| self.unavailable(error.to_string()))?;
        let keys = published.iter().filter_map(token::reduced).collect();
        Ok(StoredKeySet { at: self.at.clone(), fetched_at: now, keys })
    }
}

#[cfg(test)]
mod tests;
