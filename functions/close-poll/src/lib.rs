//! `POST /v1/polls/{poll_id}/close`: closes a poll as early as can be strict, 9 s from now.

use std::sync::Arc;

use landslide_shared::{
    clock,
    domain::{poll::Status, poll_edit::close},
    editing::Editing,
    http::{CacheControl, Error, Reply, Request},
};

/// 200 with the poll and its `closes_at`, and the same again.
pub async fn handle(editing: Arc<Editing>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.account(clock::now())?;
    request.no_body()?;
    let closed = editing
        .change(&poll_id, |poll, now, again| {
            poll.must_be_of(&caller)?;
            match poll.rules.status(now) {
                Status::Scheduled => Err(Error::PollNotOpen),
                Status::Closed if !again => Ok(poll.clone()),
                // Closed by an earlier try of ours, that is: perhaps before everybody has read it.
                Status::Open | Status::Closed => Ok(close(poll, now, again)),
            }
        })
        .await?;
    Ok(Reply::ok(&closed.view(clock::now()))?.etag(closed.rules.settings.revision).cache(CacheControl::Private))
}
