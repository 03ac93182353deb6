//! `POST /v1/polls/{poll_id}/votes`: stores a vote, once, by one conditional write.

use std::sync::Arc;

use landslide_shared::{
    clock,
    domain::{poll::Rules, vote::CastVote},
    http::{BODY_BYTES_MAX, CacheControl, Error, Reply, Request, StatusCode},
    voting::Voting,
};

/// 201 with a first or changed vote, 200 with a repeat of the stored choices, also after closing.
pub async fn handle(voting: Arc<Voting>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.caller(clock::now())?;
    let only_over = request.if_match()?;
    let sent: CastVote = request.json(BODY_BYTES_MAX)?;
    let choose =
        |rules: &Rules| rules.choices(&sent.choices).map(Some).map_err(|error| Error::InvalidChoice(error.to_string()));
    let settled = voting.settle(&poll_id, &caller, only_over, choose).await?;
    let status = if settled.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let view = settled.vote.view(&poll_id);
    Ok(Reply::json(status, &view)?.etag(settled.vote.revision).location("votes/mine").cache(CacheControl::Private))
}
