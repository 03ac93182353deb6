//! An operator who rebuilds a closed poll, whose counts somebody may have changed by hand: as soon as that may be, again until
//! it is done, and now and then beside others who do the same.

use std::{cell::Cell, pin::pin, rc::Rc};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::{Either, select};
use landslide_aws::{
    clock::Clock,
    store::{PollStore, TallyStore, VoteStore},
};
use landslide_counting::tallies::rebuild::{LANDED_MS, Rebuild, may_be_rebuilt};
use landslide_domain::{
    ids::PollId,
    poll::{Poll, Rules},
};

use crate::{
    channel::Signal,
    client::Client,
    cloud::Cloud,
    events::Event,
    executor::Doom,
    faults::Fault,
    item::{Item, number, outline},
    lambda::Work,
    names::{POLLS, TALLIES, VOTES},
    owners,
    world::{Process, ProcessClock, World, count},
};

/// How many partitions are read at once: as many as the program reads by itself.
const PARTITIONS_AT_ONCE: usize = 32;
/// The most operators at the same poll.
const OPERATORS_MAX: u64 = 2;
/// The longest pause before it is looked again whether the poll may be rebuilt, in milliseconds.
const LOOK_PAUSE_MS: u64 = 15_000;
/// The longest pause before a second try, in milliseconds. Four times as long with each further one, up to the other.
const RETRY_PAUSE_MS: u64 = 1_000;
const RETRY_PAUSE_MAX_MS: u64 = 30 * 60_000;
/// How long after the last vote is read a process may crash on purpose, in milliseconds.
const WRITING_MS: u64 = 60;
/// A machine falls asleep at one of the first so many awaits, for so long at most, in milliseconds, and is stopped at one of the
/// first so many after it has woken.
const ASLEEP_AWAITS: u64 = 6;
const ASLEEP_MS: u64 = 20_000;
const AWAKE_AWAITS: u64 = 3;
/// By how much a counter is changed by hand at most.
const TAMPERED_MAX: u64 = 50;
/// How many versions ahead of HEAD a readers' copy is put by hand at most.
const AHEAD_MAX: u64 = 50;

/// An operator's program, started once.
pub struct Program {
    polls: PollStore<Client>,
    votes: VoteStore<Client>,
    tallies: TallyStore<Client>,
    clock: ProcessClock,
}

impl Program {
    /// The program, over a process's connections.
    pub fn new(client: Client, clock: ProcessClock) -> Self {
        Self {
            polls: PollStore::over(client.clone(), POLLS.to_owned()),
            votes: VoteStore::over(client.clone(), VOTES.to_owned()),
            tallies: TallyStore::over(client, TALLIES.to_owned()),
            clock,
        }
    }

    /// What the program does for a poll, from its start on; whether the counts are made anew.
    async fn run(&self, poll: &PollId) -> bool {
        let Ok(Some(rules)) = self.polls.rules(poll).await else { return false };
        may_be_rebuilt(&rules.settings, self.clock.now()) && self.rebuild(&rules).await
    }

    /// Whether it comes to its end, and well.
    async fn rebuild(&self, rules: &Rules) -> bool {
        let world = &self.clock.world;
        let rebuild = Rebuild {
            tallies: &self.tallies,
            votes: &self.votes,
            clock: self.clock.clone(),
            partitions_at_once: PARTITIONS_AT_ONCE,
        };
        let (partitions, all_read) = (Cell::new(0), Signal::default());
        let is_read = || {
            partitions.set(partitions.get() + 1);
            if partitions.get() == rules.partitions.number() {
                all_read.ring();
            }
        };
        let work = async {
            let outcome = rebuild.run(rules, is_read).await;
            world.tell(&self.clock.process.name, || format!("rebuilds {}: {outcome:?}", rules.settings.poll_id));
            outcome.is_ok()
        };
        let crash = async {
            all_read.wait().await;
            world.executor.sleep(world.draw(WRITING_MS)).await;
        };
        // The executor's dooms come at a given await, and hardly ever at one of the last.
        if !world.faults.strikes(Fault::Crash) {
            return work.await;
        }
        matches!(select(pin!(work), pin!(crash)).await, Either::Left((true, _)))
    }
}

/// Has a poll rebuilt as soon as it may be.
pub async fn rebuild(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let world = &cloud.world;
    world.executor.sleep(world.scenario.span_ms + owners::OPENED_MS).await;
    if world.once_in(2) {
        world.executor.sleep(world.draw(LANDED_MS)).await;
        tamper(world, poll.rules.settings.poll_id.as_str());
    }
    wait_until_it_may_be(&cloud, &poll).await;
    if world.once_in(2) {
        begin_and_fall_asleep(world, &poll);
    }
    for _ in 0..1 + world.draw(OPERATORS_MAX) {
        world.executor.spawn(rebuild_until_done(cloud.clone(), poll.clone()));
    }
}

/// Waits until the poll may be rebuilt, and has it closed if its owner leaves it open.
async fn wait_until_it_may_be(cloud: &Rc<Cloud>, poll: &Poll) {
    let (world, program) = (&cloud.world, program(&cloud.world));
    loop {
        match program.polls.rules(&poll.rules.settings.poll_id).await {
            Ok(Some(rules)) if may_be_rebuilt(&rules.settings, program.clock.now()) => return,
            Ok(Some(rules)) if rules.settings.spec.closes_at.is_none() => owners::close(cloud, poll).await,
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
fn begin_and_fall_asleep(world: &Rc<World>, poll: &Poll) {
    let (program, id) = (program(world), poll.rules.settings.poll_id.clone());
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
fn program(world: &Rc<World>) -> Program {
    let process = Process::new("operator");
    let clock = ProcessClock { world: world.clone(), process: process.clone() };
    Program::new(Client { world: world.clone(), process }, clock)
}

/// Somebody changes counters of the poll by hand, in HEADs and in readers' copies.
fn tamper(world: &World, poll: &str) {
    let mut tables = world.tables.borrow_mut();
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
