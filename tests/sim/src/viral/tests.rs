//! The model against the real code: the same arrivals through both.

use std::rc::Rc;

use landslide_counting::tallies::TallyLimits;
use landslide_domain::{
    ballot::SentBallot,
    caller::{Caller, TokenKind},
    heat::HEAT_LIMITS,
    poll::Poll,
    time::Timestamp,
};
use landslide_service::votes::Wish;
use serde_json::json;

use crate::{
    cloud::Cloud,
    faults::Fault,
    owners,
    scenario::Scenario,
    viral::{model::Model, parameters::Parameters, run},
    world::World,
};

const VOTES_PER_SECOND: u64 = 2_000;
const SECONDS: u64 = 20;
const SHARDS: usize = 16;
const READERS: usize = 4;
/// Two lanes.
const DECLARED: u64 = 16_000;

#[test]
fn the_model_counts_as_many_messages_writes_and_units_as_the_real_code_makes() {
    let model = run(same_in_the_model());
    let world = real();
    let (counts, numbers) = (&model.measures.counts, &world.numbers);
    let pairs = [
        ("votes", counts.counted.get(), world.ledger.votes.get(), 0.03),
        ("messages", counts.messages.get(), numbers.messages.get(), 0.05),
        ("HEADs", counts.heads.get(), numbers.flushes.get(), 0.10),
        ("SEEN rows", counts.spills.get(), numbers.spills.get(), 0.10),
        ("COUNTs", counts.copies.get(), numbers.copies.get(), 0.10),
        ("write units", counts.tally_units.get(), numbers.tally_units.get(), 0.10),
    ];
    for (what, modelled, real, tolerance) in pairs {
        println!("{what:<12} model {modelled:>8}  real {real:>8}");
        assert!(
            real > 0 && modelled.abs_diff(real) as f64 <= tolerance * real as f64,
            "{what}: {modelled}, real {real}"
        );
    }
}

#[test]
fn the_same_parameters_give_the_same_run() {
    let told =
        || Parameters { peak_votes_per_second: 500.0, ramp_s: 2, peak_s: 5, partitions: 8, ..Parameters::default() };
    let numbers = |model: Rc<Model>| format!("{:?} {:?}", model.measures.counts, model.measures.seconds());
    assert_eq!(numbers(run(told())), numbers(run(told())));
}

/// The simulation's cloud, which takes no time but for its calls to DynamoDB, told to the model.
fn same_in_the_model() -> Parameters {
    Parameters {
        // Few shards would else be read in step.
        tick_ms: 5,
        peak_votes_per_second: VOTES_PER_SECOND as f64,
        declared_votes_per_second: DECLARED,
        ramp_s: 0,
        peak_s: SECONDS,
        partitions: SHARDS,
        relay_invocation_ms: 0,
        relay_us_a_record: 0.0,
        queue_ms_least: 0,
        queue_ms_most: 0,
        tally_concurrency: READERS,
        tally_readers_at_first: READERS,
        tally_cold_ms: 0,
        tally_invocation_ms: 0,
        tally_us_a_vote: 0.0,
        tally_us_an_id: 0.0,
        read_ms_least: 0,
        read_ms_most: 10,
        write_ms_least: 0,
        write_ms_most: 10,
        database_ms_a_kb: 0.0,
        ..Parameters::default()
    }
}

/// The same arrivals through the real code of cast-vote, relay-votes and tally-votes, without faults.
fn real() -> Rc<World> {
    let scenario = Scenario {
        polls: 1,
        span_ms: SECONDS * 1_000,
        shards: SHARDS,
        window_ms: 1_000,
        batch_records_max: 10_000,
        is_plain: true,
        queue_readers: READERS,
        visibility_ms: 60_000,
        counting: TallyLimits::remembering(640 << 20),
        processes_max: usize::MAX,
        partition_units: 1_000,
        heat_limits: HEAT_LIMITS,
        queue_outage_ms: 0,
        tallies_outage_ms: 0,
        rates: Fault::ALL.iter().map(|_| 0.0).collect(),
        ..Scenario::of(1)
    };
    let world = World::new(scenario, false);
    let cloud = Cloud::new(&world);
    let body = json!({"question": "Which?", "options": ["A", "B", "C", "D"], "peak_votes_per_second": DECLARED});
    let poll = Rc::new(owners::make_poll(&world, 0, body));
    world.executor.spawn(owners::create(world.clone(), poll.clone()));
    assert!(world.executor.run(1_000));
    cloud.start();
    (0..VOTES_PER_SECOND * SECONDS).for_each(|voter| {
        world.executor.spawn(vote(cloud.clone(), poll.clone(), voter));
    });
    assert!(world.executor.run(u64::MAX));
    world.executor.clear();
    world
}

async fn vote(cloud: Rc<Cloud>, poll: Rc<Poll>, voter: u64) {
    let world = &cloud.world;
    world.executor.sleep(world.draw(world.scenario.span_ms)).await;
    let caller = Caller {
        issuer: "landslide".to_owned(),
        subject: format!("device {voter}"),
        kind: TokenKind::Device,
        expires_at: Timestamp::EPOCH.plus_millis(u64::MAX),
    };
    let wish = Wish::Cast(SentBallot { choices: vec![world.draw(4)] });
    let id = poll.rules.settings.poll_id.clone();
    let settled = cloud.request(&cloud.votes, async move |votes| votes.submit(&id, &caller, None, &wish).await).await;
    assert!(matches!(settled, Some(Ok(_))), "{settled:?}");
}
