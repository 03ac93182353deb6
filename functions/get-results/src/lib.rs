//! `GET /v1/polls/{poll_id}/results` and `…/results/mine`: what is counted, at most a second old, for anyone or for
//! the caller.

use std::sync::Arc;

use landslide_shared::{
    aws, clock,
    domain::{
        caller::Caller,
        ids::PollId,
        poll::{Results, Rules},
        results::{results, results_tag},
        time::Timestamp,
    },
    http::{CacheControl, Error, Reply, Request, StatusCode},
    memory::Memory,
    store::{ResultsStore, VoteStore},
};

/// Seconds for which anyone may keep results.
const MAX_AGE_SECONDS: u32 = 1;
/// Milliseconds for which a process keeps them.
const FRESH_MS: u64 = 1_000;
/// How many polls' results a process keeps.
const POLLS_MAX: usize = 1_000;
/// How many ids a process keeps that no poll has.
const UNKNOWN_MAX: usize = 1_000;

/// What the endpoint needs.
pub struct App {
    store: ResultsStore,
    votes: VoteStore,
    kept: Memory<PollId, Arc<Document>>,
    /// Ids that no poll has. Apart, so that they never push out a poll's results.
    unknown: Memory<PollId, ()>,
}

/// Results written out once for all who ask within the second.
struct Document {
    text: String,
    tag: String,
    rules: Rules,
}

impl App {
    /// The endpoint as the environment sets it, its connections made.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let aws = aws::sdk_config()?;
        let app = Self::new(ResultsStore::from_env(&aws)?, VoteStore::from_env(&aws)?);
        app.store.prime().await;
        Ok(app)
    }

    /// The endpoint over its tables.
    pub fn new(store: ResultsStore, votes: VoteStore) -> Self {
        Self { store, votes, kept: Memory::new(POLLS_MAX), unknown: Memory::new(UNKNOWN_MAX) }
    }
}

/// 200 with the results, 304 to who has them, 403 to who may not see them.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let (poll_id, now) = (request.poll_id()?, clock::now());
    let cache = if request.is_mine() { CacheControl::Private } else { CacheControl::Public(MAX_AGE_SECONDS) };
    let caller = if request.is_mine() { Some(request.caller(now)?) } else { None };
    let document = current(&app, &poll_id, now).await?;
    if !may_see(&app, caller.as_ref(), &document.rules, now).await? {
        return Err(Error::ResultsHidden);
    }
    let reply = match request.has_current(&document.tag) {
        true => Reply::empty(StatusCode::NOT_MODIFIED),
        false => Reply::json_text(StatusCode::OK, document.text.clone()),
    };
    Ok(reply.etag(&document.tag).cache(cache))
}

/// Whether the caller (none: anyone) may see the results now.
async fn may_see(app: &App, caller: Option<&Caller>, rules: &Rules, now: Timestamp) -> Result<bool, Error> {
    if rules.results_are_public(now) {
        return Ok(true);
    }
    let Some(caller) = caller else { return Ok(false) };
    if rules.is_owned_by(caller) {
        return Ok(true);
    }
    if rules.settings.results != Results::AfterVote {
        return Ok(false);
    }
    let vote = app.votes.vote(rules, &rules.voter(caller)).await?;
    Ok(vote.is_some_and(|vote| vote.choices.is_some()))
}

async fn current(app: &App, poll_id: &PollId, now: Timestamp) -> Result<Arc<Document>, Error> {
    if app.unknown.get(poll_id).is_some_and(|unknown| unknown.is_younger_than(FRESH_MS, now)) {
        return Err(Error::poll_not_found());
    }
    let kept = app.kept.get(poll_id);
    if let Some(kept) = &kept
        && kept.is_younger_than(FRESH_MS, now)
        // Until it opens or closes its times may change: nobody is shown a closing that was moved away.
        && kept.value.rules.status(kept.read_at) == kept.value.rules.status(now)
    {
        return Ok(kept.value.clone());
    }
    let lanes = kept.map_or(1, |kept| kept.value.rules.lanes);
    let Some(document) = read(app, poll_id, lanes, now).await?.map(Arc::new) else {
        app.unknown.put(poll_id, (), now);
        return Err(Error::poll_not_found());
    };
    app.kept.put(poll_id, document.clone(), now);
    Ok(document)
}

async fn read(app: &App, poll_id: &PollId, lanes: u8, now: Timestamp) -> Result<Option<Document>, Error> {
    let Some(snapshot) = app.store.read(poll_id, lanes).await? else { return Ok(None) };
    let view = results(&snapshot.poll, &snapshot.counts, now);
    let text = serde_json::to_string(&view).map_err(|error| Error::Internal(format!("write results: {error}")))?;
    let tag = results_tag(&snapshot.poll, &snapshot.counts, now);
    Ok(Some(Document { text, tag, rules: snapshot.poll.rules }))
}

#[cfg(test)]
mod tests;
