//! `GET /v1/polls/{poll_id}`: shows a poll to anyone.

use std::sync::Arc;

use landslide_shared::{
    aws,
    clock::{self, SystemClock},
    domain::{ids::PollId, poll::Poll, time::Timestamp},
    http::{CacheControl, Error, Reply, Request, StatusCode},
    memory::Memory,
    store::PollStore,
};

/// Seconds for which anyone may keep a poll: it is read as often as it is voted in.
const MAX_AGE_SECONDS: u32 = 2;
/// Milliseconds for which a process keeps it.
const FRESH_MS: u64 = 1_000;
/// How many polls a process keeps.
const POLLS_MAX: usize = 100;
/// How many ids a process keeps that no poll has.
const UNKNOWN_MAX: usize = 1_000;

/// What the endpoint needs.
pub struct App {
    polls: PollStore,
    kept: Memory<PollId, Arc<Poll>>,
    /// Ids that no poll has. Apart, so that they never push out a poll.
    unknown: Memory<PollId, ()>,
}

impl App {
    /// The endpoint as the environment sets it, its connection made.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let polls = PollStore::from_env(&aws::sdk_config()?)?;
        polls.prime().await;
        Ok(Self::new(polls))
    }

    /// The endpoint over its table.
    pub fn new(polls: PollStore) -> Self {
        Self { polls, kept: Memory::new(POLLS_MAX), unknown: Memory::new(UNKNOWN_MAX) }
    }
}

/// 200 with the poll, 304 to who has it as it is.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let now = clock::now();
    let poll = current(&app, &request.poll_id()?, now).await?;
    let tag = poll.rules.settings.tag(now);
    let reply = match request.has_current(&tag) {
        true => Reply::empty(StatusCode::NOT_MODIFIED).etag(tag),
        false => Reply::poll(StatusCode::OK, &poll, now)?,
    };
    Ok(reply.cache(CacheControl::Public(MAX_AGE_SECONDS)))
}

/// The poll as it may be shown at `now`, a time before this call.
async fn current(app: &App, poll_id: &PollId, now: Timestamp) -> Result<Arc<Poll>, Error> {
    if let Some(kept) = app.kept.get(poll_id)
        && kept.is_younger_than(FRESH_MS, now)
        // Until it opens or closes its times may change: nobody is told of a closing that was moved away.
        && kept.value.rules.status(kept.read_at) == kept.value.rules.status(now)
    {
        return Ok(kept.value);
    }
    if app.unknown.get(poll_id).is_some_and(|unknown| unknown.is_younger_than(FRESH_MS, now)) {
        return Err(Error::poll_not_found());
    }
    let Some(poll) = app.polls.poll(poll_id, &SystemClock).await?.map(Arc::new) else {
        app.unknown.put(poll_id, (), now);
        return Err(Error::poll_not_found());
    };
    app.kept.put(poll_id, poll.clone(), now);
    Ok(poll)
}

#[cfg(test)]
mod tests;
