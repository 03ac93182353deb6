//! Results, at most a second old, for callers who may see them.

mod assembled;
#[cfg(feature = "results")]
mod assembly_queue;
mod shared;

use std::{future::Future, sync::Arc};

use landslide_aws::{
    config::ConfigError,
    sdk,
    store::{AssembledSnapshot, AssembledStore, ResultsStore, RowsRead, Snapshot, VoteStore},
};
use landslide_domain::{
    error::Error,
    ids::PollId,
    method::Method,
    poll::{Poll, ResultsVisibility, Rules},
    results::{
        poll_after::{Watched, poll_after_seconds},
        reading::{Counted, Reading, Reuse},
        results,
    },
    time::Timestamp,
    viewer::Viewer,
};
use sha2::{Digest, Sha256};

pub use self::assembled::SeriesQuery;
use self::assembled::{AssembledPoll, NO_SEGMENTS, NO_SERIES, NOT_RANKED};
#[cfg(feature = "results")]
pub use self::assembly_queue::AssemblyQueue;
use self::shared::{Draw, Sharing};
pub use self::shared::{NotShared, SharedCache, SharedCounts};
use crate::current::{Current, Read};

/// The most polls whose results a process caches.
const POLLS_MAX: usize = 1_000;
/// How long the process that renews a ranked poll's results has for it, in milliseconds. Then the next reader asks for it.
const LEASE_MS: u64 = 3_000;

/// Who renews a ranked poll's results.
pub trait Renewal {
    /// Asks for it. Returns once that is taken note of.
    fn ask(&self, poll: &PollId) -> impl Future<Output = Result<(), String>> + Send;
}

/// Results, at most a second old. `C` is where processes share what they have read, if they do.
pub struct CurrentResults<R, C = NotShared> {
    store: ResultsStore,
    assembled: AssembledStore,
    votes: VoteStore,
    renewal: R,
    shared: C,
    current: Current<ResultsDocument>,
    /// Whether segments and series are asked for, not the results.
    breaks_down: bool,
}

/// A poll's results as text, written once for everyone who asks within the second.
pub struct ResultsDocument {
    /// The results as JSON.
    pub text: String,
    /// The entity tag. Another text has another tag.
    pub tag: String,
    poll: Poll,
    reading: Reading,
    /// What was counted since the document before it. `None` if there is none to compare.
    counted: Option<Counted>,
    assembled: Option<AssembledPoll>,
    /// How it is shared, if it is.
    sharing: Option<Sharing>,
}

impl AsRef<Rules> for ResultsDocument {
    fn as_ref(&self) -> &Rules {
        &self.poll.rules
    }
}

impl ResultsDocument {
    /// Of a poll of which nothing is assembled. `before` is the document that it replaces.
    fn new(text: String, poll: Poll, reading: Reading, before: Option<&Self>) -> Self {
        let counted = before.and_then(|before| reading.since(&before.reading));
        Self { tag: tag_of(&text), text, poll, reading, counted, assembled: None, sharing: None }
    }

    /// The results with the count by this method: their text and its tag. Fails if the poll does not have it.
    pub fn by_method(&self, method: Method) -> Result<(String, String), Error> {
        tagged(self.assembled_or(NOT_RANKED)?.results(Some(method))?.0)
    }

    /// The votes of each value of a dimension, by default of the first: their text and its tag. Others than the poll's tenant
    /// see rows blurred. Fails if the poll does not have the dimension.
    pub fn by_segment(&self, by: Option<&str>, viewer: Option<&Viewer>) -> Result<(String, String), Error> {
        let is_own = viewer.is_some_and(|viewer| viewer.is_of_tenant(&self.poll.rules));
        tagged(self.assembled_or(NO_SEGMENTS)?.segments(by, is_own)?)
    }

    /// The votes by time: their text and its tag. Fails if the poll has no series.
    pub fn by_time(&self, query: &SeriesQuery) -> Result<(String, String), Error> {
        tagged(self.assembled_or(NO_SERIES)?.series(query)?)
    }

    /// How long it may be used.
    pub fn reuse(&self, now: Timestamp) -> Reuse {
        let (settings, as_of) = (&self.poll.rules.settings, self.reading.as_of);
        let watched = Watched { settings, is_final: self.reading.is_final, as_of, counted: self.counted };
        Reuse {
            max_age_seconds: self.reading.max_age_seconds(now),
            poll_after_seconds: poll_after_seconds(&watched, now),
        }
    }

    /// What is assembled of the poll. A poll of which nothing is assembled does not have what is asked for.
    fn assembled_or(&self, none: &str) -> Result<&AssembledPoll, Error> {
        self.assembled.as_ref().ok_or_else(|| Error::NoSuchCount(none.to_owned()))
    }
}

impl<R: Renewal> CurrentResults<R> {
    /// Uses the tables in the environment's variables, with an open connection.
    pub async fn from_env(renewal: R) -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let (assembled, votes) = (AssembledStore::from_env(&aws)?, VoteStore::from_env(&aws)?);
        let results = Self::new(ResultsStore::from_env(&aws)?, assembled, votes, renewal);
        results.store.prime().await;
        Ok(results)
    }

    /// Uses these tables.
    pub fn new(store: ResultsStore, assembled: AssembledStore, votes: VoteStore, renewal: R) -> Self {
        let current = Current::new(POLLS_MAX);
        Self { store, assembled, votes, renewal, shared: NotShared, current, breaks_down: false }
    }

    /// The same for who asks for segments and series.
    pub fn broken_down(self) -> Self {
        Self { breaks_down: true, ..self }
    }

    /// The same for processes that share what they have read. Segments and series are not shared.
    pub fn sharing<C: SharedCache>(self, shared: C) -> CurrentResults<R, C> {
        let Self { store, assembled, votes, renewal, current, breaks_down, .. } = self;
        CurrentResults { store, assembled, votes, renewal, shared, current, breaks_down }
    }
}

impl<R: Renewal, C: SharedCache> CurrentResults<R, C> {
    /// A poll's results at `now`, which must be sampled before this call, if the viewer may see them. If the viewer is
    /// `None`, if anyone may.
    pub async fn document(
        &self,
        poll_id: &PollId,
        viewer: Option<&Viewer>,
        now: Timestamp,
    ) -> Result<Arc<ResultsDocument>, Error> {
        let draw = Draw::new();
        let read = async |kept| self.renewed(poll_id, kept, now, draw).await;
        let is_due =
            |kept: &ResultsDocument| kept.sharing.as_ref().is_some_and(|it| it.is_due(kept.reading.at, now, draw));
        let document = self.current.get_or_renew(poll_id, now, is_due, read).await?;
        if self.may_see(viewer, &document.poll.rules, now).await? { Ok(document) } else { Err(Error::ResultsHidden) }
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

    /// A document in the place of the one that is cached, if there is one: what another process has read, or what the tables
    /// hold.
    async fn renewed(
        &self,
        poll_id: &PollId,
        kept: Option<Arc<ResultsDocument>>,
        now: Timestamp,
        draw: Draw,
    ) -> Result<Option<Read<ResultsDocument>>, Error> {
        if self.shared.is_on()
            && let Some(kept) = &kept
            && let Some(document) = Box::pin(self.of_others(poll_id, kept, now, draw)).await
        {
            return Ok(Some(Read { at: document.reading.at, value: document }));
        }
        let document = match &kept {
            Some(kept) if kept.assembled.is_some() => Box::pin(self.read_assembled(poll_id, Some(kept), now)).await,
            kept => self.read(poll_id, kept.as_deref(), now).await,
        };
        Ok(document?.map(|value| Read { value, at: now }))
    }

    async fn read(
        &self,
        poll_id: &PollId,
        before: Option<&ResultsDocument>,
        now: Timestamp,
    ) -> Result<Option<ResultsDocument>, Error> {
        let lanes = before.map_or(1, |before| before.poll.rules.lanes);
        let Some((snapshot, rows)) = self.store.read_with_rows(poll_id, lanes).await? else { return Ok(None) };
        if self.is_assembled(&snapshot.poll.rules) {
            return Box::pin(self.read_assembled(poll_id, before, now)).await;
        }
        let document = counted(snapshot, before, now)?;
        Ok(Some(self.shared(document, &rows).await))
    }

    /// Whether what is asked for is in what is assembled of a poll.
    fn is_assembled(&self, rules: &Rules) -> bool {
        let spec = &rules.settings.spec;
        spec.has_assembled_results() || self.breaks_down && !spec.has_plain_votes()
    }

    async fn read_assembled(
        &self,
        poll_id: &PollId,
        before: Option<&ResultsDocument>,
        now: Timestamp,
    ) -> Result<Option<ResultsDocument>, Error> {
        let Some((snapshot, rows)) = self.store.read_assembled(poll_id).await? else { return Ok(None) };
        // Boxed, as it is rare and large.
        Box::pin(self.have_renewed(&snapshot, poll_id, now)).await;
        let document = assembled(snapshot, before, now)?;
        Ok(Some(self.shared(document, &rows).await))
    }

    /// The document, once others can read what it is made from.
    async fn shared(&self, document: ResultsDocument, rows: &RowsRead) -> ResultsDocument {
        if self.shared.is_on() { Box::pin(self.share(document, rows)).await } else { document }
    }

    /// Has the results renewed if they are old, by the one reader who gets the lease. All others, and it too, are served
    /// what is there.
    async fn have_renewed(&self, snapshot: &AssembledSnapshot, poll_id: &PollId, now: Timestamp) {
        let seen = snapshot.lease_until;
        if seen.is_some_and(|until| now < until) {
            return;
        }
        let asked = match self.assembled.take_lease(poll_id, seen, now.plus_millis(LEASE_MS)).await {
            Ok(true) => self.renewal.ask(poll_id).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = asked {
            tracing::warn!(%poll_id, error, "results of poll {poll_id} are not renewed now: {error}");
        }
    }
}

/// A poll's results from its lanes' counts, as they were read at a time.
fn counted(snapshot: Snapshot, before: Option<&ResultsDocument>, at: Timestamp) -> Result<ResultsDocument, Error> {
    let view = results(&snapshot.poll, &snapshot.counts, at);
    let text = serde_json::to_string(&view).map_err(|error| Error::Internal(format!("write results: {error}")))?;
    let reading = view.reading(at);
    Ok(ResultsDocument::new(text, snapshot.poll, reading, before))
}

/// A poll's results from what is assembled of it, as it was read at a time.
fn assembled(
    snapshot: AssembledSnapshot,
    before: Option<&ResultsDocument>,
    at: Timestamp,
) -> Result<ResultsDocument, Error> {
    let poll = snapshot.poll.clone();
    let assembled = AssembledPoll::new(snapshot, at)?;
    let (text, reading) = assembled.results(None)?;
    let document = ResultsDocument::new(text, poll, reading, before);
    Ok(ResultsDocument { assembled: Some(assembled), ..document })
}

fn tagged(text: String) -> Result<(String, String), Error> {
    let tag = tag_of(&text);
    Ok((text, tag))
}

/// The entity tag of a text: the first half of its SHA-256.
pub fn tag_of(text: &str) -> String {
    let hash = Sha256::digest(text);
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
