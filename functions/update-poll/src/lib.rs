//! `PATCH /v1/polls/{poll_id}`: changes a poll under its revision.

use std::sync::Arc;

use landslide_shared::{
    clock,
    domain::poll_edit::EditPoll,
    editing::Editing,
    http::{CacheControl, Error, POLL_BODY_BYTES_MAX, Reply, Request, StatusCode},
};

/// 200 with the poll as it is then.
pub async fn handle(editing: Arc<Editing>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.account(clock::now())?;
    let expected = request.if_match()?.ok_or(Error::PreconditionRequired)?;
    let edit: EditPoll = request.json(POLL_BODY_BYTES_MAX)?;
    let changed = editing.edit(&poll_id, &caller, &expected, &edit).await?;
    Ok(Reply::poll(StatusCode::OK, &changed, clock::now())?.cache(CacheControl::Private))
}
