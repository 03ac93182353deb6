//! Owners: they make polls, raise the peak, move the closing and close early.

use std::rc::Rc;

use landslide_shared::{
    domain::{
        caller::{Caller, TokenKind},
        ids::PollId,
        poll::Poll,
        poll_edit::EditPoll,
        poll_request::CreatePoll,
        time::Timestamp,
        vote::Revisions,
    },
    http::Error,
    store::PollStore,
};
use serde_json::{Value, json};

use crate::{
    client::Client,
    cloud::Cloud,
    world::{POLLS, Process, World, timestamp},
};

/// The most that an owner does with a poll.
const ACTS_MAX: u64 = 8;
/// How long after the voters' time every poll is open, by any clock, in milliseconds.
pub const OPENED_MS: u64 = 1_000;
/// How often an owner tries again.
const TRIES_MAX: u64 = 5;
/// The longest pause before the next try, in milliseconds.
const RETRY_PAUSE_MS: u64 = 3_000;

/// The owner of all polls.
pub fn owner() -> Caller {
    Caller {
        issuer: "https://id.example.org".to_owned(),
        subject: "owner".to_owned(),
        kind: TokenKind::Account,
        expires_at: Timestamp::EPOCH.plus_millis(u64::MAX),
    }
}

/// A poll as one of the run's owners wishes it.
pub fn draw_poll(world: &World, number: usize) -> Poll {
    let span = world.scenario.span_ms;
    let now = world.executor.now_ms();
    let options = 2 + world.draw_index(5);
    let opens_at = world.once_in(5).then(|| timestamp(now + 100 + world.draw(span / 3)));
    let closes_at = world.once_in(3).then(|| timestamp(now + 100 + span / 2 + world.draw(span)));
    let labels: Vec<String> = (0..options).map(|option| format!("Option {option}")).collect();
    let body = json!({
        "question": "Which?",
        "options": labels,
        "kind": if world.once_in(2) { "multiple" } else { "single" },
        "vote_change": if world.scenario.votes_change && world.once_in(2) { "until_close" } else { "never" },
        "opens_at": opens_at,
        "closes_at": closes_at,
        "peak_votes_per_second": peak(world),
    });
    make_poll(world, number, body)
}

/// A peak, now and then so high that the poll has 4,096 partitions.
fn peak(world: &World) -> u64 {
    if world.once_in(4) { 60_001 + world.draw(190_000) } else { 1 + world.draw(20_000) }
}

/// The n-th poll, as a body asks for it.
pub fn make_poll(world: &World, number: usize, body: Value) -> Poll {
    let asked: CreatePoll = serde_json::from_value(body).expect("a poll's body");
    let mut salt = [0; 32];
    salt[..8].copy_from_slice(&world.draw(u64::MAX).to_be_bytes());
    let id = PollId::parse(&format!("poll-{number}")).expect("a poll's id");
    let poll = asked.validate().expect("a valid poll").create(id, &owner(), salt, 1, world.now());
    poll.expect("a poll that opens")
}

/// Stores a poll, however often it takes.
pub async fn create(world: Rc<World>, poll: Rc<Poll>) {
    let process = Rc::new(Process { name: "create-poll".to_owned(), skew_ms: 0.into() });
    let polls = PollStore::over(Client { world, process }, POLLS.to_owned());
    while polls.create(&poll).await.is_err() {}
}

/// Acts on a poll now and then.
pub async fn act(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let world = &cloud.world;
    for _ in 0..1 + world.draw(ACTS_MAX) {
        world.executor.sleep(world.draw(world.scenario.span_ms)).await;
        let wish = match world.draw(4) {
            0 => Wish::Close,
            1 => Wish::Edit(json!({"peak_votes_per_second": 1 + world.draw(250_000)})),
            2 => Wish::Edit(json!({"closes_at": timestamp(world.executor.now_ms() + 8_000 + world.draw(30_000))})),
            _ => Wish::Edit(json!({"options": relabelled(&poll, world.draw(1_000))})),
        };
        for _ in 0..1 + world.draw(TRIES_MAX) {
            if ask(&cloud, &poll, &wish).await {
                break;
            }
            world.executor.sleep(world.draw(RETRY_PAUSE_MS)).await;
        }
    }
}

/// Closes a poll, however often it takes.
pub async fn close(cloud: &Rc<Cloud>, poll: &Poll) {
    let world = &cloud.world;
    while !ask(cloud, poll, &Wish::Close).await {
        world.executor.sleep(world.draw(RETRY_PAUSE_MS)).await;
    }
}

enum Wish {
    Close,
    Edit(Value),
}

fn relabelled(poll: &Poll, number: u64) -> Vec<String> {
    poll.options.iter().map(|label| format!("{label} ({number})")).collect()
}

/// Whether there was an answer.
async fn ask(cloud: &Rc<Cloud>, poll: &Poll, wish: &Wish) -> bool {
    let world = &cloud.world;
    let id = poll.rules.settings.poll_id.clone();
    let answer = match wish {
        Wish::Close => {
            let close = cloud.request(&cloud.editing, async move |editing| editing.close(&id, &owner()).await);
            close.await
        }
        Wish::Edit(body) => {
            let edit: EditPoll = serde_json::from_value(body.clone()).expect("a change's body");
            let edit = cloud.request(&cloud.editing, async move |editing| {
                editing.edit(&id, &owner(), &Revisions::Any, &edit).await
            });
            edit.await
        }
    };
    world.tell("owner", || match (wish, &answer) {
        (Wish::Close, _) => format!("closes the poll: {}", told(&answer)),
        (Wish::Edit(body), _) => format!("changes the poll by {body}: {}", told(&answer)),
    });
    match answer {
        None | Some(Err(Error::Unavailable(_))) => false,
        // A closing before the opening is not valid.
        Some(Ok(_) | Err(Error::NotEditable(_) | Error::PollNotOpen | Error::InvalidRequest { .. })) => true,
        Some(Err(other)) => {
            world.ledger.breach("C7", format!("an owner was refused: {other:?}"));
            true
        }
    }
}

fn told(answer: &Option<Result<Poll, Error>>) -> String {
    match answer {
        None => "no answer".to_owned(),
        Some(Ok(poll)) => format!("closes_at {:?}", poll.rules.settings.closes_at),
        Some(Err(error)) => format!("{error:?}"),
    }
}
