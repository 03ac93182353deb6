//! `PATCH /v1/polls/{poll_id}`: changes a poll under its revision.

use std::sync::Arc;

use landslide_shared::{
    aws, clock,
    domain::poll_edit::EditPoll,
    editing::change,
    http::{CacheControl, Error, POLL_BODY_BYTES_MAX, Reply, Request},
    store::PollStore,
};

/// What the endpoint needs.
pub struct App {
    polls: PollStore,
}

impl App {
    /// The endpoint as the environment sets it, its connection made.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let polls = PollStore::from_env(&aws::sdk_config()?)?;
        polls.prime().await;
        Ok(Self { polls })
    }
}

/// 200 with the poll as it is then.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.account(clock::now())?;
    let expected = request.if_match()?.ok_or(Error::PreconditionRequired)?;
    let edit: EditPoll = request.json(POLL_BODY_BYTES_MAX)?;
    let changed = change(&app.polls, &poll_id, |poll, now, again| {
        poll.must_be_of(&caller)?;
        // An earlier try of ours may be the revision that stands now.
        let revision = poll.rules.settings.revision;
        if expected.include(revision) || again && expected.include(revision - 1) {
            Ok(edit.apply(poll, now, again)?)
        } else {
            Err(Error::RevisionMismatch)
        }
    })
    .await?;
    Ok(Reply::ok(&changed.view(clock::now()))?.etag(changed.rules.settings.revision).cache(CacheControl::Private))
}
