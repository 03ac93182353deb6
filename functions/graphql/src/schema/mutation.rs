//! What changes polls: the routes of REST that do, by the names of their operations and through the same services.

use async_graphql::{Context, InputType, Object, Value};
use landslide_aws::clock;
use landslide_domain::{
    error::Error as Failure,
    ids::PollId,
    limits::Standing,
    member::Member,
    poll::{Poll as Stored, edit},
    vote::Revisions,
};
use landslide_edge::{Error, is_idempotency_key};
use landslide_service::polls::CreatedPoll;

use super::{
    asked,
    inputs::{CopyPoll, EditPoll, NewPoll, sent},
    mirrored,
    poll::Poll,
};
use crate::asked::Asked;

/// Where a mutation begins.
pub(crate) struct Mutation;

/// What changes polls, one after the other. Each is an operation of the REST API, by its name there, and counts as a request.
#[Object(rename_args = "snake_case")]
impl Mutation {
    /// Creates a poll for the caller's tenant.
    async fn create_poll(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the body of POST /v1/polls is.")] poll: NewPoll,
        #[graphql(desc = "As the header Idempotency-Key: a repeat returns the poll that was created before.")]
        idempotency_key: Option<String>,
    ) -> Option<async_graphql::Result<Poll>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let (member, standing) = asked.change().await?;
                let key = checked(idempotency_key.as_deref())?;
                let creation = asked.services.creation.get().await?;
                let created = creation.create(&member, &standing.limits, key, sent(&poll)?).await?;
                shown_new(asked, &standing, &created)
            })
            .await
    }

    /// Changes a poll of the caller's tenant.
    async fn update_poll(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] poll_id: String,
        #[graphql(desc = "The revision that is changed, as in the header If-Match.")] revision: i64,
        #[graphql(desc = "What the body of PATCH /v1/polls/{poll_id} is.")] changes: EditPoll,
    ) -> Option<async_graphql::Result<Poll>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let (poll_id, member, _) = begin(asked, &poll_id).await?;
                let expected = Revisions::Of(vec![revision.to_string()]);
                let edit: edit::EditPoll = sent(&changes)?;
                shown(&asked.services.changes.edit(&poll_id, &member, &expected, &edit).await?)
            })
            .await
    }

    /// Closes a poll as early as every process can know it, 9 s from now. A repeat gets the same.
    async fn close_poll(&self, ctx: &Context<'_>, poll_id: String) -> Option<async_graphql::Result<Poll>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let (poll_id, member, _) = begin(asked, &poll_id).await?;
                shown(&asked.services.changes.close(&poll_id, &member).await?)
            })
            .await
    }

    /// Pauses a poll as early as every process can know it, 9 s from now. A repeat gets the same.
    async fn pause_poll(&self, ctx: &Context<'_>, poll_id: String) -> Option<async_graphql::Result<Poll>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let (poll_id, member, _) = begin(asked, &poll_id).await?;
                shown(&asked.services.changes.pause(&poll_id, &member).await?)
            })
            .await
    }

    /// Resumes a poll within a second. A repeat gets the same.
    async fn resume_poll(&self, ctx: &Context<'_>, poll_id: String) -> Option<async_graphql::Result<Poll>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let (poll_id, member, _) = begin(asked, &poll_id).await?;
                shown(&asked.services.changes.resume(&poll_id, &member).await?)
            })
            .await
    }

    /// Creates a poll with the settings and labels of another one of the caller's tenant, some of them changed.
    async fn copy_poll(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The other one's id.")] poll_id: String,
        #[graphql(desc = "What the body of POST /v1/polls/{poll_id}/copy is.")] changes: Option<CopyPoll>,
        #[graphql(desc = "As the header Idempotency-Key: a repeat returns the poll that was created before.")]
        idempotency_key: Option<String>,
    ) -> Option<async_graphql::Result<Poll>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let (source, member, standing) = begin(asked, &poll_id).await?;
                let key = checked(idempotency_key.as_deref())?;
                let creation = asked.services.creation.get().await?;
                let changes = changes.as_ref().map_or_else(|| Ok(Default::default()), sent)?;
                let created = creation.copy(&member, &standing.limits, key, &source, changes).await?;
                shown_new(asked, &standing, &created)
            })
            .await
    }
}

/// Whether a mutation takes this value for an argument. The library's validation lets anything pass for an input object, which
/// would fail only when its turn comes.
pub(crate) fn takes(mutation: &str, argument: &str, value: Value) -> bool {
    match (mutation, argument) {
        ("createPoll", "poll") => NewPoll::parse(Some(value)).is_ok(),
        ("updatePoll", "changes") => EditPoll::parse(Some(value)).is_ok(),
        ("copyPoll", "changes") => Option::<CopyPoll>::parse(Some(value)).is_ok(),
        _ => true,
    }
}

/// The mutation of a poll begins, in a member's name. An id that is not valid is reported as not found.
async fn begin(asked: &Asked, poll_id: &str) -> Result<(PollId, Member, Standing), Error> {
    let poll_id = PollId::parse(poll_id).ok_or(Failure::NoSuchPoll)?;
    let (member, standing) = asked.change().await?;
    Ok((poll_id, member, standing))
}

fn checked(key: Option<&str>) -> Result<Option<&str>, Error> {
    let refused = || Error::invalid("The argument idempotency_key takes 1 to 255 characters of visible ASCII.");
    if key.is_none_or(is_idempotency_key) { Ok(key) } else { Err(refused()) }
}

/// The poll as its own tenant sees it.
fn shown(poll: &Stored) -> Result<Poll, Error> {
    mirrored(&poll.own_view(clock::now()))
}

/// The same of one that was created now, or before with the same idempotency key.
fn shown_new(asked: &Asked, standing: &Standing, created: &CreatedPoll) -> Result<Poll, Error> {
    asked.note(standing.polls_after(created.is_new.into()));
    shown(&created.poll)
}
