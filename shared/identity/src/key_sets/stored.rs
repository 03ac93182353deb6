//! Issuers' key sets as one secret holds them: a new process begins with these, and needs no issuer to answer.
//!
//! A scheduled function fetches them again and again. Each is used only for the issuer and the address that it is of.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use landslide_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Fetch, FetchedKeys, KeysAt, KeysUnavailable, STALE_MS};
use crate::token;

/// The longest text of a secret, in bytes (Secrets Manager's quotas).
pub const STORED_BYTES_MAX: usize = 65_536;

/// The last good key set of each issuer, by its name.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKeySets {
    issuers: BTreeMap<String, StoredKeySet>,
}

/// The usable keys of one issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKeySet {
    /// Where they come from.
    #[serde(flatten)]
    pub at: KeysAt,
    /// A time before they were fetched.
    pub fetched_at: Timestamp,
    /// The keys, with what verifying needs of them.
    pub keys: Vec<Value>,
}

impl StoredKeySets {
    /// Those of a secret's text.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The text that `parse` reads.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The key set of an issuer, if it comes from where the issuer's keys are now.
    pub fn of(&self, issuer: &str, at: &KeysAt) -> Option<&StoredKeySet> {
        self.issuers.get(issuer).filter(|set| set.at == *at)
    }

    /// The key sets of these issuers as they are published now. An issuer that can't be asked keeps its stored one for
    /// a day; of other issuers nothing stays.
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
        let outcome = if kept.is_some() { "those stored are kept for a day at most" } else { "none are stored" };
        tracing::warn!(issuer = issuer.name(), age_seconds, "{unavailable}; {outcome}");
        kept.cloned()
    }

    /// Leaves out what a secret has no room for: one issuer's keys must not cost the others theirs.
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
            "issuer {issuer:?}: its keys are not stored, as a secret has {STORED_BYTES_MAX} bytes at most"
        );
    }
}

impl FetchedKeys {
    /// The usable keys that the issuer publishes, with what verifying needs of them.
    async fn publication(&self, fetch: &impl Fetch, now: Timestamp) -> Result<StoredKeySet, KeysUnavailable> {
        let published = self.published(fetch).await.map_err(|error| self.unavailable(error.to_string()))?;
        let keys = published.iter().filter_map(token::reduced).collect();
        Ok(StoredKeySet { at: self.at.clone(), fetched_at: now, keys })
    }
}

#[cfg(test)]
mod tests;
