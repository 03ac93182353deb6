//! A run without faults: the same votes through the real code of cast-vote, relay-votes and tally-votes. The capacity model is
//! held against what it counts.

use std::rc::Rc;

use landslide_counting::tallies::TallyLimits;
use landslide_domain::{
    ballot::SentBallot,
    caller::{Caller, TokenKind},
    claims::Claims,
    heat::HeatLimits,
    poll::Poll,
    runs::RUN_LIMITS,
    time::Timestamp,
};
use landslide_service::votes::Wish;
use serde_json::{Value, json};

use crate::{actors::owners, cloud::Cloud, event_sources, faults::Fault, scenario::Scenario, world::World};

/// What comes, and on how much of a cloud.
pub struct Plain {
    /// New voters a second, one vote each.
    pub votes_per_second: u64,
    /// The poll's `peak_votes_per_second`.
    pub declared_votes_per_second: u64,
    /// For how long they come.
    pub seconds: u64,
    /// Shards of the stream.
    pub shards: usize,
    /// How many batches of the queue are counted at once.
    pub queue_readers: usize,
    /// The poll's settings besides.
    pub settings: Value,
    /// Draws what a voter says.
    pub ballot: fn(&mut fastrand::Rng) -> SentBallot,
}

/// What came of it.
pub struct Counted {
    /// Votes stored.
    pub votes: u64,
    /// Messages that the tally queue took.
    pub messages: u64,
    /// HEADs written.
    pub heads: u64,
    /// SEEN rows written.
    pub seen_rows: u64,
    /// COUNTs written.
    pub counts: u64,
    /// Write units of the Tallies table.
    pub tally_units: u64,
}

/// Runs it until everything is counted.
pub fn run(plain: &Plain) -> Counted {
    let world = World::new(scenario(plain), false);
    let cloud = Cloud::new(&world);
    let peak = plain.declared_votes_per_second;
    let mut body = plain.settings.clone();
    body["question"] = json!("Which?");
    body["peak_votes_per_second"] = json!(peak);
    let poll = Rc::new(owners::make_poll(&world, 0, body));
    world.executor.spawn(owners::create(cloud.account.clone(), poll.clone()));
    assert!(world.executor.run(1_000));
    event_sources::start(&cloud);
    let mut random = fastrand::Rng::with_seed(1);
    (0..plain.votes_per_second * plain.seconds).for_each(|voter| {
        world.executor.spawn(vote(cloud.clone(), poll.clone(), voter, (plain.ballot)(&mut random)));
    });
    assert!(world.executor.run(u64::MAX));
    world.executor.clear();
    let numbers = &world.numbers;
    Counted {
        votes: world.ledger().votes(),
        messages: numbers.messages.get(),
        heads: numbers.flushes.get(),
        seen_rows: numbers.spills.get(),
        counts: numbers.copies.get(),
        tally_units: numbers.tally_units.get(),
    }
}

fn scenario(plain: &Plain) -> Scenario {
    Scenario {
        polls: 1,
        span_ms: plain.seconds * 1_000,
        shards: plain.shards,
        window_ms: 1_000,
        batch_records_max: 10_000,
        is_plain: true,
        queue_readers: plain.queue_readers,
        visibility_ms: 60_000,
        counting: TallyLimits::remembering(640 << 20),
        run_limits: vec![RUN_LIMITS],
        processes_max: usize::MAX,
        partition_units: 1_000,
        // Lanes do not grow.
        heat_limits: HeatLimits { write_units_per_second: u64::MAX, full_batches: u32::MAX },
        queue_outage_ms: 0,
        tallies_outage_ms: 0,
        rates: Fault::ALL.iter().map(|_| 0.0).collect(),
        ..Scenario::of(1)
    }
}

async fn vote(cloud: Rc<Cloud>, poll: Rc<Poll>, voter: u64, ballot: SentBallot) {
    let world = &cloud.world;
    world.executor.sleep(world.draw(world.scenario.span_ms)).await;
    let caller = Caller {
        issuer: "landslide".to_owned(),
        subject: format!("device {voter}"),
        kind: TokenKind::Device,
        expires_at: Timestamp::EPOCH.plus_millis(u64::MAX),
        claims: Claims::default(),
    };
    let wish = Wish::Cast(ballot, None);
    let id = poll.rules.settings.poll_id.clone();
    let settled = cloud.request(&cloud.votes, async move |votes| votes.submit(&id, &caller, None, &wish).await).await;
    assert!(matches!(settled, Some(Ok(_))), "{settled:?}");
}
