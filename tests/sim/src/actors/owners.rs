//! Owners: they make polls, raise the peak, move the closing, close early, pause and resume.

use std::rc::Rc;

use landslide_aws::store::{Created, PollStore};
use landslide_domain::{
    error::Error,
    ids::PollId,
    lease::PROPAGATION_MS,
    member::{Action, Author, Member},
    method::LotSeed,
    poll::Poll,
    poll::edit::EditPoll,
    poll::request::{CreatePoll, Drawn, PEAK_VOTES_PER_SECOND_MAX},
    role::Role,
    tenant::Tenant,
    vote::Revisions,
};
use serde_json::{Value, json};

use crate::{
    cloud::{Cloud, PollChangesApp},
    events::{Event, OwnerTold},
    models::{account::Account, client::Client, process::Process},
    names::POLLS,
    world::{World, timestamp},
};

/// The most that an owner does with a poll.
const ACTS_MAX: u64 = 8;
/// The most that a busy owner does with a poll.
const BUSY_ACTS_MAX: u64 = 40;
/// A busy owner's pauses are shorter by this factor.
const BUSY: u64 = 20;
/// How long before its opening a poll is made whose owner still changes all of it, in milliseconds.
const AHEAD_MS: std::ops::Range<u64> = 10_000..30_000;
/// How long after the voters' time every poll is open, by any clock, in milliseconds.
pub const OPENED_MS: u64 = 1_000 + AHEAD_MS.end;
/// How long before a closing an owner changes it in the last moment, in milliseconds.
const SOON_MS: u64 = 7_000;
/// How long after asking for a pause an owner asks for its end at most, in milliseconds: often before it has begun.
const PAUSED_MS: u64 = 25_000;
/// How long before a pause begins an owner asks for its end in the last moment, in milliseconds.
const JUST_MS: u64 = 1_500;
/// The claim by which some polls count.
pub const CLAIM: &str = "region";
/// How often an owner tries again.
const TRIES_MAX: u64 = 5;
/// The longest pause before the next try, in milliseconds.
const RETRY_PAUSE_MS: u64 = 3_000;

/// The owner of all polls.
pub fn owner() -> Member {
    let author = Author::Account { issuer: "https://id.example.org".to_owned(), subject: "owner".to_owned() };
    let tenant = Tenant::account("https://id.example.org", "owner");
    Member { tenant, role: Some(Role::Owner), author, request_id: "request".to_owned() }
}

/// A poll as one of the run's owners wishes it.
pub fn draw_poll(world: &World, number: usize) -> Poll {
    let span = world.scenario.span_ms;
    let now = world.executor.now_ms();
    let options = 2 + world.draw_index(5);
    let opens_in = match world.draw(10) {
        0 | 1 => Some(100 + world.draw(span / 3)),
        2 | 3 if world.scenario.owners_act => Some(AHEAD_MS.start + world.draw(AHEAD_MS.end - AHEAD_MS.start)),
        _ => None,
    };
    let opens_at = opens_in.map(|opens_in| timestamp(now + opens_in));
    let closes_in = 100 + span / 2 + world.draw(span) + opens_in.unwrap_or_default();
    let closes_at = world.once_in(3).then(|| timestamp(now + closes_in));
    let labels: Vec<String> = (0..options).map(|option| format!("Option {option}")).collect();
    let mut body = json!({
        "question": "Which?",
        "options": labels,
        "kind": if world.once_in(2) { "multiple" } else { "single" },
        "results": if world.once_in(3) { "after_close" } else { "always" },
        "vote_change": if world.scenario.votes_change && world.once_in(2) { "until_close" } else { "never" },
        "opens_at": opens_at,
        "closes_at": closes_at,
        "peak_votes_per_second": peak(world),
    });
    if world.scenario.has_entries && (number == 0 || world.once_in(2)) {
        make_full(world, &mut body);
    }
    make_poll(world, number, body)
}

/// Makes a poll one whose votes have entries: of any kind, broken down or not.
fn make_full(world: &World, body: &mut Value) {
    // Texts and write-ins more often: of all merges, theirs alone fold.
    let kind = [0, 1, 2, 2, 3, 4, 4, 5][world.draw_index(8)];
    match kind {
        0 => body["kind"] = json!("ranked"),
        1 => {
            body["kind"] = json!("rating");
            body["scale"] = json!({"min": -1, "max": 1 + world.draw(3)});
        }
        2 => {
            body["kind"] = json!("text");
            body.as_object_mut().expect("an object").remove("options");
        }
        3 => body["correct"] = json!([world.draw(2)]),
        4 => body["write_in"] = json!(true),
        _ => {}
    }
    let dimensions = if kind == 5 { 1 + world.draw(2) } else { world.draw(3) };
    body["segments"] = (0..dimensions).map(|number| dimension(world, number)).collect();
    // By minutes, of which a run has some, or by days, of which there would be too many for levels.
    body["series"] = json!(world.once_in(2) && (kind != 1 || !body["closes_at"].is_null()));
    // Fewer of them are as much work.
    let weight = [2, 2, 8, 2, 4, 2][kind];
    body["peak_votes_per_second"] = json!(1 + peak(world) / weight);
}

/// A dimension's value, from 1 on.
pub fn value(place: u8) -> String {
    format!("Value {place}")
}

fn dimension(world: &World, number: u64) -> Value {
    let values: Vec<String> = (1..=2 + world.draw_index(3) as u8).map(value).collect();
    let from = if world.once_in(3) { format!("claim:{CLAIM}") } else { "vote".to_owned() };
    json!({"name": format!("dimension_{number}"), "values": values, "from": from})
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
    let drawn = Drawn { salt, lot_seed: LotSeed::from_bytes(salt) };
    let id = PollId::parse(&format!("poll-{number}")).expect("a poll's id");
    let stamp = owner().stamp(Action::PollCreated, world.now());
    let valid = asked.validate().expect("a valid poll");
    valid.create(id, &owner().tenant, stamp, drawn, 1, world.now()).expect("a poll that opens")
}

/// Stores a poll, however often it takes.
pub async fn create(account: Rc<Account>, poll: Rc<Poll>) {
    let process = Process::new("create-poll");
    let polls = PollStore::over(Client { account, process }, POLLS.to_owned());
    while !matches!(polls.create(&poll, &[]).await, Ok(Created::New | Created::Exists)) {}
}

/// Acts on a poll now and then.
pub async fn act(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let world = &cloud.world;
    let (acts_max, haste) = if world.once_in(4) { (BUSY_ACTS_MAX, BUSY) } else { (ACTS_MAX, 1) };
    for _ in 0..1 + world.draw(acts_max) {
        let pause = if opens_later(world, &poll) { AHEAD_MS.start / 2 } else { world.scenario.span_ms / haste };
        world.executor.sleep(world.draw(pause)).await;
        let in_time = || timestamp(world.executor.now_ms() + 8_000 + world.draw(30_000));
        let wish = match world.draw(8) {
            0 if world.once_in(haste) => Wish::Close,
            0 | 1 => Wish::Edit(json!({"peak_votes_per_second": higher_peak(world, &poll, haste)})),
            2 => Wish::Edit(json!({"closes_at": in_time()})),
            3 => Wish::Edit(json!({"options": relabelled(&poll, world.draw(1_000))})),
            4 => Wish::Edit(json!({"options": relabelled(&poll, world.draw(1_000)), "closes_at": in_time()})),
            5 | 6 => {
                ask_again(&cloud, &poll, &Wish::Pause).await;
                if world.once_in(3) {
                    wait_until_its_pause_begins(world, &poll).await;
                } else {
                    world.executor.sleep(world.draw(PAUSED_MS)).await;
                }
                Wish::Resume
            }
            _ => {
                wait_until_it_closes_soon(world, &poll).await;
                Wish::Edit(json!({"closes_at": world.once_in(2).then(in_time)}))
            }
        };
        ask_again(&cloud, &poll, &wish).await;
    }
}

/// Asks until there is an answer, or patience is over.
async fn ask_again(cloud: &Rc<Cloud>, poll: &Poll, wish: &Wish) {
    let world = &cloud.world;
    for _ in 0..1 + world.draw(TRIES_MAX) {
        if ask(cloud, poll, wish).await {
            return;
        }
        world.executor.sleep(world.draw(RETRY_PAUSE_MS)).await;
    }
}

/// Raises the peak a little just when the lanes of some poll are doubled, again and again.
pub async fn raise_beside_doublings(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let world = &cloud.world;
    for _ in 0..BUSY_ACTS_MAX {
        cloud.account.doubling.wait().await;
        let wish = Wish::Edit(json!({"peak_votes_per_second": higher_peak(world, &poll, BUSY)}));
        ask(&cloud, &poll, &wish).await;
    }
}

/// Raises the peak a little, which may be done after the closing as well.
pub async fn raise(cloud: &Rc<Cloud>, poll: &Poll) {
    let wish = Wish::Edit(json!({"peak_votes_per_second": higher_peak(&cloud.world, poll, BUSY)}));
    ask_again(cloud, poll, &wish).await;
}

/// A peak for the poll, perhaps a higher one; in haste just a little higher, which leaves it lanes to grow by itself.
fn higher_peak(world: &World, poll: &Poll, haste: u64) -> u64 {
    let declared = u64::from(poll.rules.settings.spec.peak_votes_per_second);
    let peak =
        if haste > 1 { declared + world.draw(BUSY * 10) } else { 1 + world.draw(u64::from(PEAK_VOTES_PER_SECOND_MAX)) };
    peak.min(u64::from(PEAK_VOTES_PER_SECOND_MAX))
}

/// Whether all of the poll may still be changed.
fn opens_later(world: &World, poll: &Poll) -> bool {
    let opens_at = world.ledger().poll(poll.rules.settings.poll_id.as_str()).times_now().opens_at;
    opens_at.is_some_and(|opens_at| opens_at > world.executor.now_ms() + PROPAGATION_MS)
}

/// Waits until some seconds before the poll closes, if it does.
async fn wait_until_it_closes_soon(world: &World, poll: &Poll) {
    let closes_at = world.ledger().poll(poll.rules.settings.poll_id.as_str()).times_now().closes_at;
    let left = closes_at.map_or(0, |closes_at| closes_at.saturating_sub(world.executor.now_ms()));
    world.executor.sleep(left.saturating_sub(world.draw(SOON_MS))).await;
}

/// Waits until just before the poll's pause begins, if it does.
async fn wait_until_its_pause_begins(world: &World, poll: &Poll) {
    let paused_from = world.ledger().poll(poll.rules.settings.poll_id.as_str()).times_now().paused_from;
    let left = paused_from.map_or(0, |paused_from| paused_from.saturating_sub(world.executor.now_ms()));
    world.executor.sleep(left.saturating_sub(world.draw(JUST_MS))).await;
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
    Pause,
    Resume,
    Edit(Value),
}

fn relabelled(poll: &Poll, number: u64) -> Vec<String> {
    poll.options.iter().map(|label| format!("{label} ({number})")).collect()
}

/// Whether there was an answer.
async fn ask(cloud: &Rc<Cloud>, poll: &Poll, wish: &Wish) -> bool {
    let world = &cloud.world;
    let (id, invocation) = (poll.rules.settings.poll_id.clone(), world.next_invocation());
    let began = world.executor.now_ms();
    let answer = match wish {
        Wish::Pause => {
            let pause = async move |changes: Rc<PollChangesApp>| changes.pause(&id, &owner()).await;
            cloud.numbered_request(invocation, &cloud.poll_changes, pause).await
        }
        Wish::Resume => {
            let resume = async move |changes: Rc<PollChangesApp>| changes.resume(&id, &owner()).await;
            cloud.numbered_request(invocation, &cloud.poll_changes, resume).await
        }
        Wish::Close => {
            let close = async move |changes: Rc<PollChangesApp>| changes.close(&id, &owner()).await;
            cloud.numbered_request(invocation, &cloud.poll_changes, close).await
        }
        Wish::Edit(body) => {
            let edit: EditPoll = serde_json::from_value(body.clone()).expect("a change's body");
            let seen = world.ledger().poll(id.as_str()).revision.to_string();
            let expected = if world.once_in(2) { Revisions::Any } else { Revisions::Of(vec![seen]) };
            let edit = async move |changes: Rc<PollChangesApp>| changes.edit(&id, &owner(), &expected, &edit).await;
            cloud.numbered_request(invocation, &cloud.poll_changes, edit).await
        }
    };
    world.tell("owner", || match (wish, &answer) {
        (Wish::Close, _) => format!("closes the poll: {}", told(&answer)),
        (Wish::Pause, _) => format!("pauses the poll: {}", told(&answer)),
        (Wish::Resume, _) => format!("resumes the poll: {}", told(&answer)),
        (Wish::Edit(body), _) => format!("changes the poll by {body}: {}", told(&answer)),
    });
    let poll = poll.rules.settings.poll_id.as_str();
    match &answer {
        None | Some(Err(Error::Unavailable(_))) => return false,
        Some(Ok(changed)) => {
            let settings = &changed.rules.settings;
            let [closes_at, paused_from] =
                [settings.spec.closes_at, settings.paused_from].map(|time| time.map(|time| time.as_millis()));
            let asked_for_pause = match wish {
                Wish::Pause => Some(true),
                Wish::Resume => Some(false),
                Wish::Close | Wish::Edit(_) => None,
            };
            world.observe(&Event::OwnerTold(OwnerTold { poll, began, closes_at, paused_from, asked_for_pause }));
        }
        Some(Err(refusal)) => world.observe(&Event::OwnerRefused { poll, by: invocation, refusal }),
    }
    true
}

fn told(answer: &Option<Result<Poll, Error>>) -> String {
    match answer {
        None => "no answer".to_owned(),
        Some(Ok(Poll { rules, .. })) => {
            format!("closes_at {:?}, paused_from {:?}", rules.settings.spec.closes_at, rules.settings.paused_from)
        }
        Some(Err(error)) => format!("{error:?}"),
    }
}
