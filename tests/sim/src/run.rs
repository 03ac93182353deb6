//! One run: a scenario from its first vote until everything is drained, and its results.

use std::rc::Rc;

use landslide_domain::{due::LANDED_MS, poll::Poll, tally::COUNTABLE_AGE_MS, time::DAY_MS};

use crate::{
    actors::{entry_readers, finalising, operator, owners, readers, voters::Person},
    checkers::Verdict,
    cloud::Cloud,
    event_sources,
    events::{Drained, Event},
    facts::Shape,
    faults::{Fault, SKEW_MS},
    item::Item,
    models::account::Account,
    names::{TALLIES, VOTES},
    scenario::Scenario,
    world::World,
};

/// The task polls after which a run without voters counts as hanging. Groups that wait behind messages that nobody can
/// read, one after the other, took 400,000.
const POLLS_MAX: u64 = 2_000_000;
/// How many each voter adds to that.
const POLLS_MAX_A_VOTER: u64 = 100;
/// How many a rebuild adds to that. Each try reads up to 4,096 partitions, and a day's faults can make a hundred tries
/// fail.
const POLLS_MAX_OF_REBUILDS: u64 = 3_000_000;
/// How often an operator has to mend at most.
const MENDINGS_MAX: usize = 50;
/// How long after the last voter things go wrong at most, in milliseconds.
const AFTERMATH_MS: u64 = 300_000;

/// The results of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Against the promises.
    pub verdict: Verdict,
    /// Numbers by name.
    pub numbers: Vec<(&'static str, u64)>,
    /// Faults that struck, in the order of `Fault::ALL`.
    pub faults: Vec<u64>,
    /// What happened, if it was traced.
    pub trace: Vec<String>,
}

/// Runs a scenario.
pub fn run(scenario: &Scenario, is_traced: bool) -> Report {
    let world = World::new(scenario.clone(), is_traced);
    let cloud = Cloud::new(&world);
    let polls: Vec<Rc<Poll>> = (0..scenario.polls).map(|number| Rc::new(owners::draw_poll(&world, number))).collect();
    for poll in &polls {
        world.executor.spawn(owners::create(cloud.account.clone(), poll.clone()));
    }
    go_on(&world);
    begin(&world, &cloud, &polls);
    drain(&world, &cloud);
    check(&cloud);
    if scenario.months_pass {
        pass_months(&world, &cloud);
        check(&cloud);
    }
    let report = report(&world);
    world.executor.clear();
    report
}

fn begin(world: &Rc<World>, cloud: &Rc<Cloud>, polls: &[Rc<Poll>]) {
    event_sources::start(cloud);
    for number in 0..world.scenario.voters {
        let poll = &polls[world.draw_index(polls.len())];
        world.executor.spawn(Person::new(cloud, poll, number).live());
    }
    if world.scenario.owners_act {
        // One, or two who do not know of each other.
        for poll in polls.iter().flat_map(|poll| std::iter::repeat_n(poll, 1 + world.draw_index(2))) {
            world.executor.spawn(owners::act(cloud.clone(), poll.clone()));
        }
        for poll in polls {
            world.executor.spawn(owners::raise_beside_doublings(cloud.clone(), poll.clone()));
        }
    }
    for poll in polls {
        world.executor.spawn(readers::look(cloud.clone(), poll.clone()));
    }
    for poll in polls.iter().filter(|poll| !poll.rules.settings.spec.has_plain_votes()) {
        world.executor.spawn(entry_readers::read(cloud.clone(), poll.clone()));
        world.executor.spawn(operator::sweep_now_and_then(cloud.clone(), poll.clone()));
        if world.scenario.loses_runs {
            world.executor.spawn(operator::lose_runs(cloud.clone(), poll.clone()));
        }
    }
    let again = world.clone();
    let mut calm = world.scenario.span_ms
        + world.scenario.queue_outage_ms.max(world.scenario.tallies_outage_ms)
        + world.draw(AFTERMATH_MS);
    if world.scenario.rebuilds {
        // Counts are changed by hand within this time after the voters' own, and the poll is closed then at the latest.
        calm += world.scenario.span_ms + 2 * LANDED_MS;
        world.executor.spawn(operator::rebuild(cloud.clone(), polls[world.draw_index(polls.len())].clone()));
    }
    if world.scenario.finalises {
        calm += world.scenario.span_ms + 2 * LANDED_MS;
        world.executor.spawn(finalising::finalise(cloud.clone(), polls[world.draw_index(polls.len())].clone()));
    }
    world.executor.after(calm, move || again.faults.end());
}

/// Goes on until nothing is under way.
fn go_on(world: &World) {
    let of_rebuilds = if world.scenario.rebuilds || world.scenario.finalises { POLLS_MAX_OF_REBUILDS } else { 0 };
    let polls_max = POLLS_MAX + POLLS_MAX_A_VOTER * world.scenario.voters as u64 + of_rebuilds;
    if !world.executor.run(polls_max) {
        world.observe(&Event::Stuck("the pipeline never drains"));
    }
}

/// Goes on until everything is counted, with an operator's help where dead letters lie.
fn drain(world: &Rc<World>, cloud: &Rc<Cloud>) {
    go_on(world);
    for _ in 0..MENDINGS_MAX {
        if !operator::mend(cloud) {
            return;
        }
        go_on(world);
    }
    world.observe(&Event::Stuck("the dead letters never end"));
}

/// Old batches come again after four weeks; just as their votes pass the age at which they are not counted any more; after a
/// month, when their rows are gone; and after three. The votes are deleted at one of these times.
fn pass_months(world: &Rc<World>, cloud: &Rc<Cloud>) {
    let passing = COUNTABLE_AGE_MS + world.draw(world.scenario.span_ms + 2 * SKEW_MS);
    let times = [0, 27 * DAY_MS, passing, 31 * DAY_MS, 91 * DAY_MS];
    let deleted_at = world.draw_index(times.len());
    for (step, since_beginning) in times.into_iter().enumerate() {
        world.executor.skip(since_beginning.saturating_sub(world.elapsed_ms()));
        let now = world.executor.now_ms();
        cloud.account.tables.borrow_mut().of_mut(TALLIES).expire(now);
        if step == deleted_at {
            delete_votes(&cloud.account);
        }
        event_sources::repeat_the_past(cloud);
        drain(world, cloud);
    }
}

/// Gives every vote a time to live that is over, and takes it out: two records each that are no votes.
fn delete_votes(account: &Account) {
    let votes: Vec<Rc<Item>> = account.tables.borrow().of(Some(VOTES)).all().cloned().collect();
    for vote in votes {
        let mut expiring = Item::clone(&vote);
        let expires_at =
            aws_sdk_dynamodb::types::AttributeValue::N((account.world.executor.now_ms() / 1_000).to_string());
        expiring.insert("expires_at".to_owned(), expires_at);
        account.tables.borrow_mut().of_mut(VOTES).seed(expiring.clone());
        account.write_record(Some(&vote), Some(&expiring));
    }
    let now = account.world.executor.now_ms();
    let gone = account.tables.borrow_mut().of_mut(VOTES).expire(now);
    gone.iter().for_each(|vote| account.write_record(Some(vote), None));
}

/// Holds all that was stored against all that was counted.
fn check(cloud: &Rc<Cloud>) {
    let (world, account) = (&cloud.world, &cloud.account);
    operator::sweep_all(cloud);
    go_on(world);
    let tables = account.tables.borrow();
    let tallies = tables.of(Some(TALLIES));
    let of_kind = |kind: &str| -> Vec<&Rc<Item>> {
        tallies.all().filter(|item| item["item"].as_s().is_ok_and(|item| item == kind)).collect()
    };
    let counts = of_kind("COUNT");
    let count_of = |head: &Item| counts.iter().find(|count| count["poll_lane"] == head["poll_lane"]);
    let heads = of_kind("HEAD").into_iter();
    let expected = world.ledger().recount();
    world.observe(&Event::Drained(Drained {
        lanes: heads.map(|head| (&**head, count_of(head).map(|count| &***count))).collect(),
        expected,
        is_put_aside: &|text| account.relay_dlq.hold(text) || account.tally_dlq.holds(text),
        is_queue_empty: account.queue.is_empty(),
    }));
}

fn report(world: &World) -> Report {
    let numbers = &world.numbers;
    let ledger = world.ledger();
    let polls = |is: &dyn Fn(&Shape) -> bool| ledger.polls().filter(|(_, poll)| is(&poll.shape)).count() as u64;
    let (moved_segments, moved_slots) = ledger.moved();
    let mut faults = world.faults.counts();
    faults[Fault::Crash as usize] = world.executor.drops();
    faults[Fault::HoldUp as usize] = world.executor.hold_ups();
    Report {
        verdict: world.verdict(),
        numbers: vec![
            ("votes", ledger.votes()),
            ("requests", numbers.requests.get()),
            ("timeouts", numbers.timeouts.get()),
            ("throttled invocations", numbers.throttled.get()),
            ("calls done after their caller had given up", numbers.late_calls.get()),
            ("conflicts", numbers.conflicts.get()),
            ("throttles of partitions", numbers.partition_throttles.get()),
            ("flushes", numbers.flushes.get()),
            ("spills", numbers.spills.get()),
            ("runs with polls whose votes have entries", u64::from(world.scenario.has_entries)),
            ("polls of rankings", polls(&|shape| shape.kind == "ranked")),
            ("polls of ratings", polls(&|shape| shape.kind == "rating")),
            ("polls of answers", polls(&|shape| shape.kind == "text")),
            ("quizzes", polls(&|shape| shape.is_quiz)),
            ("polls with write-ins", polls(&|shape| shape.has_write_ins)),
            ("polls with segments", polls(&|shape| !shape.dimensions.is_empty())),
            ("polls with segments by a claim", polls(&|shape| shape.dimensions.contains(&false))),
            ("polls with a series", polls(&|shape| shape.series.is_some())),
            ("votes that moved to another segment", moved_segments),
            ("votes that moved to another slot", moved_slots),
            ("rows of runs written", numbers.run_rows.get()),
            ("merges of runs", numbers.merges.get()),
            ("merges that folded texts", numbers.folds.get()),
            ("sweeps of lanes", numbers.sweeps.get()),
            ("rows of runs deleted by hand", numbers.lost_rows.get()),
            ("HEADs deleted by hand", numbers.lost_heads.get()),
            ("multisets that lanes dropped", numbers.dropped.get()),
            ("readings of a lane's entries", numbers.readings.get()),
            ("times that these began again", numbers.begun_again.get()),
            ("doublings of a poll's lanes", numbers.doublings.get()),
            ("redeliveries", numbers.redeliveries.get()),
            ("messages that a function had come again sooner", numbers.hidden.get()),
            ("deduplicated messages", numbers.deduplicated.get()),
            ("redriven messages", numbers.redriven.get()),
            ("batches replayed from the failures bucket", numbers.replayed.get()),
            ("messages put aside as too old", numbers.too_old.get()),
            ("rebuilds of a poll's counts", numbers.rebuilds.get()),
            ("failed tries of these", numbers.rebuild_failures.get()),
            ("polls whose counts were made final", numbers.finals.get()),
            ("of these in several parts", numbers.finals_of_parts.get()),
            ("steps of these that failed", numbers.step_failures.get()),
            ("readings of final counts", numbers.final_readings.get()),
            ("polls of tasks", world.executor.polls()),
        ],
        faults,
        trace: world.lines(),
    }
}
