//! `GET /v1/polls/{poll_id}/results`: shows anyone what is counted, at most a second old.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use landslide_shared::{
    aws, clock,
    domain::{
        poll::PollId,
        results::{results, results_tag},
        time::Timestamp,
    },
    http::{CacheControl, Error, Reply, Request, StatusCode},
    store::ResultsStore,
};

/// Seconds for which anyone may keep results.
const MAX_AGE_SECONDS: u32 = 1;
/// Milliseconds for which a process keeps them.
const FRESH_MS: u64 = 1_000;
/// How many polls' results a process keeps.
const POLLS_MAX: usize = 1_000;

/// What the endpoint needs.
pub struct App {
    store: ResultsStore,
    kept: Mutex<HashMap<PollId, Arc<Document>>>,
}

/// Results written out once for all who ask within the second.
struct Document {
    text: String,
    tag: String,
    lanes: u8,
    read_at: Timestamp,
}

impl App {
    /// The endpoint as the environment sets it, its connections made.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let store = ResultsStore::from_env(&aws::sdk_config()?)?;
        store.prime().await;
        Ok(Self { store, kept: Mutex::default() })
    }
}

/// 200 with the results, or 304 to who has them.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let document = current(&app, &request.poll_id()?).await?;
    let reply = match request.has_current(&document.tag) {
        true => Reply::empty(StatusCode::NOT_MODIFIED),
        false => Reply::json_text(StatusCode::OK, document.text.clone()),
    };
    Ok(reply.etag(&document.tag).cache(CacheControl::Public(MAX_AGE_SECONDS)))
}

async fn current(app: &App, poll_id: &PollId) -> Result<Arc<Document>, Error> {
    let now = clock::now();
    let kept = app.kept.lock().unwrap_or_else(PoisonError::into_inner).get(poll_id).cloned();
    if let Some(document) = &kept
        && document.read_at <= now
        && now.millis_since(document.read_at) < FRESH_MS
    {
        return Ok(document.clone());
    }
    let document = Arc::new(read(app, poll_id, kept.map_or(1, |kept| kept.lanes), now).await?);
    let mut all = app.kept.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= POLLS_MAX {
        all.clear();
    }
    all.insert(poll_id.clone(), document.clone());
    Ok(document)
}

async fn read(app: &App, poll_id: &PollId, lanes: u8, now: Timestamp) -> Result<Document, Error> {
    let snapshot = app.store.read(poll_id, lanes).await?.ok_or_else(Error::poll_not_found)?;
    let view = results(&snapshot.poll, &snapshot.counts, now);
    let text = serde_json::to_string(&view).map_err(|error| Error::Internal(format!("write results: {error}")))?;
    let tag = results_tag(&snapshot.poll, &snapshot.counts, now);
    Ok(Document { text, tag, lanes: snapshot.poll.rules.lanes, read_at: now })
}
