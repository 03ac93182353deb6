//! `GET /v1/polls/{poll_id}/results` and `…/results/mine`: shows counts, at most a second old, to anyone or to the
//! caller.

use std::sync::Arc;

use landslide_aws::{
    clock,
    config::ConfigError,
    queue::{Outgoing, Queue},
    sdk,
};
use landslide_domain::{ids::PollId, method::Method};
use landslide_edge::{CacheControl, Error, Reply, Request, StatusCode};
use landslide_service::results::{CurrentResults, Renewal};

/// How long public results may be cached, in seconds.
const MAX_AGE_SECONDS: u32 = 1;

/// The queue by which `assemble-results` is asked.
pub struct AssemblyQueue(Queue);

impl AssemblyQueue {
    /// The queue in the environment's variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::new(Queue::from_env(&sdk::sdk_config()?, "ASSEMBLY_QUEUE_URL")?))
    }

    /// This queue.
    pub fn new(queue: Queue) -> Self {
        Self(queue)
    }
}

impl Renewal for AssemblyQueue {
    async fn ask(&self, poll: &PollId) -> Result<(), String> {
        let message = Outgoing { body: poll.to_string(), group: None, reason: None };
        self.0.send_all(&[message]).await.map_err(|error| error.to_string())
    }
}

/// 200 with the results, 304 if the caller's copy is current, 403 if the caller may not see them.
pub async fn handle(results: Arc<CurrentResults<AssemblyQueue>>, request: Request) -> Result<Reply, Error> {
    let (poll_id, now) = (request.poll_id()?, clock::now());
    let method = method(&request)?;
    let is_mine = request.last_segment() == "mine";
    let cache = if is_mine { CacheControl::Private } else { CacheControl::Public(MAX_AGE_SECONDS) };
    let viewer = if is_mine { Some(request.viewer(now)?) } else { None };
    let document = results.document(&poll_id, viewer.as_ref(), now).await?;
    let (text, tag) = match method {
        Some(method) => document.by_method(method)?,
        None => (document.text.clone(), document.tag.clone()),
    };
    let reply = match request.has_current(&tag) {
        true => Reply::empty(StatusCode::NOT_MODIFIED),
        false => Reply::json_text(StatusCode::OK, text),
    };
    Ok(reply.etag(&tag).cache(cache))
}

/// The method in the query, by which a ranked poll is counted instead of by its own.
fn method(request: &Request) -> Result<Option<Method>, Error> {
    let Some(name) = request.query("method") else { return Ok(None) };
    let known = Method::ALL.into_iter().find(|method| method.name() == name);
    known.map(Some).ok_or_else(|| Error::invalid("The query's method must be irv, stv, condorcet or borda."))
}
