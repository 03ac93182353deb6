//! `GET /v1/polls/{poll_id}/results` and `…/results/mine`: shows counts, at most a second old, to anyone or to the
//! caller.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_domain::method::Method;
use landslide_edge::{Error, Reply, Request, shown};
use landslide_service::results::{AssemblyQueue, CurrentResults, SharedCache};

/// 200 with the results, 304 if the caller's copy is current, 403 if the caller may not see them.
pub async fn handle<C: SharedCache>(
    results: Arc<CurrentResults<AssemblyQueue, C>>,
    request: Request,
) -> Result<Reply, Error> {
    let (poll_id, now) = (request.poll_id()?, clock::now());
    let method = method(&request)?;
    let viewer = request.viewer_of_mine(now)?;
    let document = results.document(&poll_id, viewer.as_ref(), now).await?;
    let (text, tag) = match method {
        Some(method) => document.by_method(method)?,
        None => (document.text.clone(), document.tag.clone()),
    };
    Ok(shown(&request, text, &tag, document.reuse(clock::now())))
}

/// The method in the query, by which a ranked poll is counted instead of by its own.
fn method(request: &Request) -> Result<Option<Method>, Error> {
    let Some(name) = request.query("method") else { return Ok(None) };
    let known = Method::ALL.into_iter().find(|method| method.name() == name);
    known.map(Some).ok_or_else(|| Error::invalid("The query's method must be irv, stv, condorcet or borda."))
}
