//! `POST /v1/polls`: makes a poll for the account that calls.

use std::sync::Arc;

use landslide_shared::{
    aws,
    clock::{self, SystemClock},
    config,
    domain::{
        ids::PollId,
        poll::Poll,
        poll_request::{CreatePoll, NewPoll},
    },
    http::{CacheControl, Error, POLL_BODY_BYTES_MAX, Reply, Request, StatusCode},
    random, secret,
    store::{Created, PollStore},
};

/// What the endpoint needs.
pub struct App {
    polls: PollStore,
    poll_id_secret: Vec<u8>,
    lanes_min: u8,
}

impl App {
    /// The endpoint as the environment sets it, its connections made.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let aws = aws::sdk_config()?;
        let poll_id_secret = secret::read(&aws, &config::text("POLL_ID_SECRET")?).await?;
        let polls = PollStore::from_env(&aws)?;
        polls.prime().await;
        Ok(Self { polls, poll_id_secret, lanes_min: config::value("MIN_LANES")? })
    }
}

/// 201 with the new poll. With an `Idempotency-Key`, a repeat is 200 with the poll as it is now.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let now = clock::now();
    let owner = request.account(now)?;
    let key = request.idempotency_key()?;
    let new = request.json::<CreatePoll>(POLL_BODY_BYTES_MAX)?.validate().map_err(Error::invalid_fields)?;
    let poll_id = match key {
        Some(key) => PollId::of_idempotency_key(&app.poll_id_secret, &owner.owner(), key),
        None => PollId::from_bytes(random::bytes()?),
    };
    if key.is_some()
        && let Some(poll) = app.polls.poll(&poll_id, &SystemClock).await?
    {
        return repeated(&poll, &new);
    }
    let poll = new
        .clone()
        .create(poll_id.clone(), &owner, random::bytes()?, app.lanes_min, now)
        .map_err(|error| Error::invalid_fields(vec![error]))?;
    match app.polls.create(&poll).await? {
        Created::New => shown(&poll, StatusCode::CREATED),
        Created::Exists => {
            // A query is not isolated from a transaction: the other one may still be landing.
            let landing = || Error::Unavailable("a poll of this id is being made".to_owned());
            repeated(&app.polls.poll(&poll_id, &SystemClock).await?.ok_or_else(landing)?, &new)
        }
    }
}

fn repeated(poll: &Poll, new: &NewPoll) -> Result<Reply, Error> {
    if poll.rules.request_hash == new.hash() { shown(poll, StatusCode::OK) } else { Err(Error::IdempotencyConflict) }
}

fn shown(poll: &Poll, status: StatusCode) -> Result<Reply, Error> {
    let reply = Reply::poll(status, poll, clock::now())?;
    Ok(reply.location(&format!("polls/{}", poll.rules.settings.poll_id)).cache(CacheControl::Private))
}
