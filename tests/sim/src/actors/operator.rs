//! An operator, who redrives dead letters and replays what the relay gave up; and who rebuilds a closed poll, whose counts somebody
//! may have changed by hand: as soon as that may be, again until it is done, and now and then beside others who do the same.

use std::rc::Rc;

use aws_sdk_dynamodb::types::AttributeValue;
use landslide_counting::tallies::rebuild::LANDED_MS;
use landslide_domain::poll::Poll;

use crate::{
    actors::owners,
    cloud::Cloud,
    events::Event,
    executor::Doom,
    item::{Item, number, outline},
    models::{
        account::Account,
        client::Client,
        lambda::Work,
        process::{Process, ProcessClock},
        queue::Sent,
    },
    names::TALLIES,
    numbers::count,
    program::Program,
    world::World,
};

/// The longest pause before an operator replays a batch once more, in milliseconds.
const REPLAY_PAUSE_MS: u64 = 1_000;
/// The most operators at the same poll.
const OPERATORS_MAX: u64 = 2;
/// The longest pause before it is looked again whether the poll may be rebuilt, in milliseconds.
const LOOK_PAUSE_MS: u64 = 15_000;
/// The longest pause before a second try, in milliseconds. Each try makes it four times as long, up to a maximum.
const RETRY_PAUSE_MS: u64 = 1_000;
const RETRY_PAUSE_MAX_MS: u64 = 30 * 60_000;
/// The machine falls asleep at one of this many first awaits.
const ASLEEP_AWAITS: u64 = 6;
/// The longest time that the machine sleeps, in milliseconds.
const ASLEEP_MS: u64 = 20_000;
/// After it wakes, the machine is stopped at one of this many first awaits.
const AWAKE_AWAITS: u64 = 3;
/// By how much a counter is changed by hand at most.
const TAMPERED_MAX: u64 = 50;
/// How many versions ahead of HEAD a readers' copy is put by hand at most.
const AHEAD_MAX: u64 = 50;

/// Does what an operator does: relays what lies in the bucket, and sends dead letters again. Whether there was any.
pub fn mend(cloud: &Rc<Cloud>) -> bool {
    let (world, account) = (&cloud.world, &cloud.account);
    let batches = cloud.bucket.take();
    let letters = account.tally_dlq.drain();
    let (put_aside, given_up): (Vec<Sent>, Vec<Sent>) =
        letters.into_iter().partition(|letter| letter.reason.is_some() || world.ledger().is_garbage(&letter.body));
    put_aside.into_iter().for_each(|letter| account.tally_dlq.append(letter));
    let is_mended = !batches.is_empty() || !given_up.is_empty();
    for letter in given_up {
        count(&world.numbers.redriven);
        let deduplication = Some(format!("redriven {}", world.numbers.redriven.get()).into());
        account.queue.send(Sent { deduplication, ..letter }, world.executor.now_ms());
    }
    for batch in batches {
        count(&world.numbers.replayed);
        let cloud = cloud.clone();
        world.executor.spawn(async move {
            while !cloud.relayed(&batch).await {
                cloud.world.executor.sleep(cloud.world.draw(REPLAY_PAUSE_MS)).await;
            }
        });
    }
    is_mended
}

/// Has a poll rebuilt as soon as it may be.
pub async fn rebuild(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let world = &cloud.world;
    world.executor.sleep(world.scenario.span_ms + owners::OPENED_MS).await;
    if world.once_in(2) {
        world.executor.sleep(world.draw(LANDED_MS)).await;
        tamper(&cloud.account, poll.rules.settings.poll_id.as_str());
    }
    wait_until_it_may_be(&cloud, &poll).await;
    if world.once_in(2) {
        begin_and_fall_asleep(&cloud, &poll);
    }
    for _ in 0..1 + world.draw(OPERATORS_MAX) {
        world.executor.spawn(rebuild_until_done(cloud.clone(), poll.clone()));
    }
}

/// Waits until the poll may be rebuilt, and has it closed if its owner leaves it open.
async fn wait_until_it_may_be(cloud: &Rc<Cloud>, poll: &Poll) {
    let (world, program) = (&cloud.world, program(cloud));
    loop {
        match program.look(&poll.rules.settings.poll_id).await {
            Some((_, true)) => return,
            Some((rules, false)) if rules.settings.spec.closes_at.is_none() => owners::close(cloud, poll).await,
            _ => world.executor.sleep(world.draw(LOOK_PAUSE_MS)).await,
        }
    }
}

async fn rebuild_until_done(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let world = &cloud.world;
    let mut pause = RETRY_PAUSE_MS;
    while !start(&cloud, &poll).await {
        count(&world.numbers.rebuild_failures);
        world.executor.sleep(world.draw(pause)).await;
        pause = (pause * 4).min(RETRY_PAUSE_MAX_MS);
    }
    count(&world.numbers.rebuilds);
}

/// Has a process do all of it, which may crash, be held up, or be given up by its operator while it goes on.
async fn start(cloud: &Rc<Cloud>, poll: &Poll) -> bool {
    let id = poll.rules.settings.poll_id.clone();
    let work = |program: Rc<Program>, _| -> Work<bool> { Box::pin(async move { program.run(&id).await }) };
    cloud.operator.invoke(work).await.unwrap_or(false)
}

/// Begins a rebuild on a machine that falls asleep over it. Another one may be done when it wakes, and seals what it has read
/// before; then it is stopped, and nobody begins again.
fn begin_and_fall_asleep(cloud: &Rc<Cloud>, poll: &Poll) {
    let world = &cloud.world;
    let (program, id) = (program(cloud), poll.rules.settings.poll_id.clone());
    let asleep_at = 1 + world.draw(ASLEEP_AWAITS) as u32;
    let doom = Doom {
        held_up: Some((asleep_at, world.draw(ASLEEP_MS))),
        dropped_at_poll: Some(asleep_at + 2 + world.draw(AWAKE_AWAITS) as u32),
    };
    let work = async move {
        program.run(&id).await;
    };
    world.executor.spawn_doomed(work, doom);
}

/// The program on a machine that keeps the time.
fn program(cloud: &Cloud) -> Program {
    let process = Process::new("operator");
    let clock = ProcessClock { world: cloud.world.clone(), process: process.clone() };
    Program::new(Client { account: cloud.account.clone(), process }, clock)
}

/// Somebody changes counters of the poll by hand, in HEADs and in readers' copies.
fn tamper(account: &Account, poll: &str) {
    let world = &account.world;
    let mut tables = account.tables.borrow_mut();
    let tallies = tables.of_mut(TALLIES);
    let is_of_poll = |item: &&Rc<Item>| tallies.key(item).0.split('#').next() == Some(poll);
    let is_count = |item: &&Rc<Item>| !item.contains_key("ids");
    let counts: Vec<Rc<Item>> = tallies.all().filter(is_of_poll).filter(is_count).cloned().collect();
    for before in counts.iter().filter(|_| world.once_in(2)) {
        let item = tampered(world, before);
        world.tell("somebody", || format!("makes it {}", outline(&item)));
        world.observe(&Event::Tampered { lane: tallies.key(&item).0 });
        tallies.seed(item);
    }
}

/// An item with another number in one of its counters; now and then a COUNT of a version that HEAD does not have yet.
fn tampered(world: &World, before: &Item) -> Item {
    let name = ["ballots", "o0"][world.draw_index(2)];
    let count: i64 = before.get(name).map_or(0, |count| count.as_n().expect("a number").parse().expect("a count"));
    let other = count + world.draw(2 * TAMPERED_MAX) as i64 - TAMPERED_MAX as i64;
    let mut item = before.clone();
    item.insert(name.to_owned(), AttributeValue::N(other.to_string()));
    if !before.contains_key("recent") && world.once_in(2) {
        let ahead = number(before, "version") + 1 + world.draw(AHEAD_MAX);
        item.insert("version".to_owned(), AttributeValue::N(ahead.to_string()));
    }
    item
}
