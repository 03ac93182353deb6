//! `GET /v1/polls/{poll_id}/votes/mine`: shows voters their own vote, at once and always.

use std::sync::Arc;

use landslide_shared::{
    clock,
    http::{CacheControl, Error, Reply, Request},
    voting::Voting,
};

/// 200 with the caller's vote, 404 if there is none.
pub async fn handle(voting: Arc<Voting>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.caller(clock::now())?;
    let stored = voting.vote_of(&poll_id, &caller).await?;
    let vote = stored.filter(|vote| vote.choices.is_some()).ok_or(Error::NO_VOTE)?;
    Ok(Reply::ok(&vote.view(&poll_id))?.etag(vote.revision).cache(CacheControl::Private))
}
