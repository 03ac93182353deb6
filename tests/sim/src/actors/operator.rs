//! An operator, who redrives dead letters and replays what the relay gave up; and who rebuilds a closed poll, whose counts somebody
//! may have changed by hand: as soon as that may be, again until it is done, and now and then beside others who do the same. An
//! operator also sweeps lanes, and somebody deletes a row of a run by hand.

use std::rc::Rc;

use aws_sdk_dynamodb::types::AttributeValue;
use landslide_domain::{
    due::LANDED_MS,
    ids::PollId,
    keys::{run, run_partition, run_place},
    lane::LaneKey,
    poll::Poll,
    runs::RunName,
};

use crate::{
    actors::{entry_readers::some_lane, owners},
    cloud::Cloud,
    events::Event,
    executor::Doom,
    item::{Item, number, outline, text},
    ledger::LaneRuns,
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
/// The most sweeps of a poll's lanes by an operator, and one.
const SWEEPS_MAX: u64 = 8;
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
    world.observe(&Event::Rebuilt { poll: poll.rules.settings.poll_id.as_str() });
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

/// Somebody changes counters of the poll by hand, in HEADs and in readers' copies, and deletes HEADs.
pub fn tamper(account: &Account, poll: &str) {
    let world = &account.world;
    let mut tables = account.tables.borrow_mut();
    let tallies = tables.of_mut(TALLIES);
    let is_of_poll = |item: &&Rc<Item>| tallies.key(item).0.split('#').next() == Some(poll);
    let is_count = |item: &&Rc<Item>| item.contains_key("version");
    // Counts in a sealed lane are made right already, or final: nobody could tell readers that they are wrong.
    let is_open = |item: &&Rc<Item>| !world.ledger().is_sealed(tallies.key(item).0);
    let counts: Vec<Rc<Item>> = tallies.all().filter(is_of_poll).filter(is_count).filter(is_open).cloned().collect();
    for before in counts.iter().filter(|_| world.once_in(2)) {
        if before.contains_key("recent") && world.once_in(3) {
            let lane = text(before, "poll_lane");
            world.tell("somebody", || format!("deletes {}", outline(before)));
            world.observe(&Event::Tampered { lane });
            world.observe(&Event::HeadLost { lane });
            count(&world.numbers.lost_heads);
            tallies.delete((lane, "HEAD"));
            continue;
        }
        let item = tampered(world, before);
        world.tell("somebody", || format!("makes it {}", outline(&item)));
        world.observe(&Event::Tampered { lane: tallies.key(&item).0 });
        tallies.seed(item);
    }
}

/// Sweeps some of a poll's lanes while they are counted, on a machine that may crash or fall asleep over it.
pub async fn sweep_now_and_then(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let world = &cloud.world;
    for _ in 0..world.draw(SWEEPS_MAX) {
        world.executor.sleep(world.draw(world.scenario.span_ms)).await;
        if let Some(lane) = some_lane(world, &poll.rules.settings.poll_id) {
            // What a sweep leaves, the next one finds.
            sweep(&cloud, &lane).await;
        }
    }
}

/// Sweeps all lanes that ever had entries, when nothing is under way and nothing goes wrong any more.
pub fn sweep_all(cloud: &Rc<Cloud>) {
    let lanes: Vec<(String, u8)> = {
        let ledger = cloud.world.ledger();
        let split =
            |lane: &str| lane.split_once('#').map(|(poll, lane)| (poll.to_owned(), lane.parse().expect("a lane")));
        ledger.runs().map(|(lane, _)| split(lane).expect("a poll and a lane")).collect()
    };
    for (poll, lane) in lanes {
        let lane = LaneKey { poll: PollId::parse(&poll).expect("a poll's id"), lane };
        let again = cloud.clone();
        cloud.world.executor.spawn(async move { while !sweep(&again, &lane).await {} });
    }
}

/// Whether it is done.
async fn sweep(cloud: &Rc<Cloud>, lane: &LaneKey) -> bool {
    let lane = lane.clone();
    let work = |program: Rc<Program>, _| -> Work<bool> { Box::pin(async move { program.sweep(&lane).await }) };
    cloud.operator.invoke(work).await.unwrap_or(false)
}

/// Deletes a row that a HEAD of the poll names, by hand, once or twice.
pub async fn lose_runs(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let world = &cloud.world;
    for _ in 0..1 + world.draw(2) {
        world.executor.sleep(world.draw(world.scenario.span_ms / 2)).await;
        let Some(lane) = some_lane(world, &poll.rules.settings.poll_id) else { continue };
        let key = lane.to_string();
        let rows: Vec<_> = world.ledger().runs_of(&key).into_iter().flat_map(LaneRuns::head).collect();
        let Some(row) = rows.get(world.draw_index(rows.len())) else { continue };
        let ((version, attempt), chunk) = *row;
        let (name, chunk) = (RunName { version, attempt }, usize::from(chunk));
        let item_keys = (run_partition(&lane, run_place(name, chunk)), run(name, chunk));
        let lost = cloud.account.tables.borrow_mut().of_mut(TALLIES).delete((&item_keys.0, &item_keys.1));
        if lost.is_some() {
            count(&world.numbers.lost_rows);
            world.tell("somebody", || format!("deletes {row:?} of {lane}"));
            world.observe(&Event::RunRowLost { lane: &key, row: *row });
        }
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
