//! Results, at most a second old, for callers who may see them.

use std::sync::Arc;

use landslide_aws::{
    config::ConfigError,
    sdk,
    store::{ResultsStore, VoteStore},
};
use landslide_domain::{
    error::Error,
    ids::PollId,
    poll::{ResultsVisibility, Rules},
    results::{results, results_tag},
    time::Timestamp,
    viewer::Viewer,
};

use crate::current::Current;

/// The most polls whose results a process caches.
const POLLS_MAX: usize = 1_000;

/// Results, at most a second old.
pub struct CurrentResults {
    store: ResultsStore,
    votes: VoteStore,
    current: Current<ResultsDocument>,
}

/// A poll's results as text, written once for everyone who asks within the second.
pub struct ResultsDocument {
    /// The results as JSON.
    pub text: String,
    /// The entity tag. Another text has another tag.
    pub tag: String,
    rules: Rules,
}

impl AsRef<Rules> for ResultsDocument {
    fn as_ref(&self) -> &Rules {
        &self.rules
    }
}

impl CurrentResults {
    /// Uses the tables in the environment's variables, with an open connection.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let results = Self::new(ResultsStore::from_env(&aws)?, VoteStore::from_env(&aws)?);
        results.store.prime().await;
        Ok(results)
    }

    /// Uses these tables.
    pub fn new(store: ResultsStore, votes: VoteStore) -> Self {
        Self { store, votes, current: Current::new(POLLS_MAX) }
    }

    /// A poll's results at `now`, which must be sampled before this call, if the viewer may see them. If the viewer is
    /// `None`, if anyone may.
    pub async fn document(
        &self,
        poll_id: &PollId,
        viewer: Option<&Viewer>,
        now: Timestamp,
    ) -> Result<Arc<ResultsDocument>, Error> {
        let read = async |kept: Option<Arc<ResultsDocument>>| {
            self.read(poll_id, kept.map_or(1, |kept| kept.rules.lanes), now).await
        };
        let document = self.current.get(poll_id, now, read).await?;
        if self.may_see(viewer, &document.rules, now).await? { Ok(document) } else { Err(Error::ResultsHidden) }
    }

    async fn may_see(&self, viewer: Option<&Viewer>, rules: &Rules, now: Timestamp) -> Result<bool, Error> {
        if rules.results_are_public(now) {
            return Ok(true);
        }
        let Some(viewer) = viewer else { return Ok(false) };
        if viewer.sees_hidden_results(rules) {
            return Ok(true);
        }
        let Some(caller) = viewer.voter() else { return Ok(false) };
        if rules.settings.spec.results != ResultsVisibility::AfterVote {
            return Ok(false);
        }
        let vote = self.votes.vote(rules, &rules.voter(caller)).await?;
        Ok(vote.is_some_and(|vote| vote.ballot.is_some()))
    }

    async fn read(&self, poll_id: &PollId, lanes: u8, now: Timestamp) -> Result<Option<ResultsDocument>, Error> {
        let Some(snapshot) = self.store.read(poll_id, lanes).await? else { return Ok(None) };
        let view = results(&snapshot.poll, &snapshot.counts, now);
        let text = serde_json::to_string(&view).map_err(|error| Error::Internal(format!("write results: {error}")))?;
        let tag = results_tag(&snapshot.poll, &snapshot.counts, now);
        Ok(Some(ResultsDocument { text, tag, rules: snapshot.poll.rules }))
    }
}

#[cfg(test)]
mod tests;
