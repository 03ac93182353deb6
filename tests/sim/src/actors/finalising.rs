//! The counts of a closed poll are made final, and read: each step is delivered at least once, to processes that crash, are held
//! up, and have other limits than those before.

use std::rc::Rc;

use landslide_aws::store::{LaneReader, PollStore, TallyStore};
use landslide_domain::{due::LANDED_MS, lane::LaneKey, poll::Poll, time::MINUTE_MS};
use landslide_jobs::{
    finalise::{FinaliseError, Finalised},
    step::{Step, Steps, What},
    tick::AGAIN_MINUTES,
};

use crate::{
    actors::{operator, owners},
    cloud::{Cloud, FinaliseApp},
    events::Event,
    faults::Fault,
    models::{
        client::Client,
        lambda::{NoOutcome, Work},
        process::Process,
    },
    names::{POLLS, TALLIES},
    numbers::count,
};

/// How often the minutes find the poll at most.
const FOUND_MAX: u64 = 3;
/// The longest time until a step is delivered, in milliseconds.
const DELIVERY_MS: u64 = 2_000;
/// The longest pause before a step comes again, in milliseconds.
const AGAIN_MS: u64 = 20_000;
/// When a step comes again of which nobody knows what became of it, in milliseconds: `VisibilityTimeout` in `template.yaml`.
const VISIBILITY_MS: u64 = 360_000;
/// The longest pause before it is looked again whether the poll is due, in milliseconds.
const LOOK_PAUSE_MS: u64 = 5_000;
/// How often its owner changes a poll that is due, and the longest pause before each time, in milliseconds.
const RAISES: u64 = 4;
const RAISE_PAUSE_MS: u64 = 30_000;
/// How often somebody reads.
const READINGS: u64 = 6;
/// The longest pause between two reads of a lane, in milliseconds.
const READ_PAUSE_MS: u64 = 300;

/// Has a poll's counts made final as soon as that may be.
pub async fn finalise(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let world = &cloud.world;
    let again = Rc::downgrade(&cloud);
    let deliver = move |step: Step| {
        if let Some(cloud) = again.upgrade() {
            cloud.world.executor.spawn(delivered(cloud.clone(), step));
        }
    };
    *cloud.account.deliver.borrow_mut() = Some(Box::new(deliver));
    if world.once_in(4) {
        world.executor.sleep(world.scenario.span_ms + owners::OPENED_MS + world.draw(LANDED_MS)).await;
        operator::tamper(&cloud.account, poll.rules.settings.poll_id.as_str());
    }
    wait_until_it_is_due(&cloud, &poll).await;
    world.executor.spawn(raise_now_and_then(cloud.clone(), poll.clone()));
    find(&cloud, &poll).await;
    for minutes in AGAIN_MINUTES {
        world.executor.sleep(minutes * MINUTE_MS).await;
        find(&cloud, &poll).await;
    }
}

/// Waits until the poll is due, and has it closed after the voters' time if its owner leaves it open.
async fn wait_until_it_is_due(cloud: &Rc<Cloud>, poll: &Poll) {
    let world = &cloud.world;
    let client = Client { account: cloud.account.clone(), process: Process::new("tick") };
    let polls = PollStore::over(client, POLLS.to_owned());
    let voted_at = world.scenario.span_ms + owners::OPENED_MS;
    loop {
        if let Ok(Some(rules)) = polls.rules(&poll.rules.settings.poll_id).await {
            match rules.due() {
                Some((_, due)) if due <= world.now() => return,
                None if world.elapsed_ms() > voted_at => owners::close(cloud, poll).await,
                _ => {}
            }
        }
        world.executor.sleep(1 + world.draw(LOOK_PAUSE_MS)).await;
    }
}

/// The owner changes the poll while its counts are made final, and after that.
async fn raise_now_and_then(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    for _ in 0..RAISES {
        cloud.world.executor.sleep(cloud.world.draw(RAISE_PAUSE_MS)).await;
        owners::raise(&cloud, &poll).await;
    }
}

/// The minute tick finds the poll, as long as it is due.
async fn find(cloud: &Rc<Cloud>, poll: &Rc<Poll>) {
    let world = &cloud.world;
    let tick = Client { account: cloud.account.clone(), process: Process::new("tick") };
    for _ in 0..1 + world.draw(FOUND_MAX) {
        if world
            .ledger()
            .find_poll(poll.rules.settings.poll_id.as_str())
            .is_some_and(|poll| poll.final_record.is_some())
        {
            return;
        }
        let first = Step::first(poll.rules.settings.poll_id.clone());
        while tick.send(std::slice::from_ref(&first)).await.is_err() {}
        world.executor.spawn(read(cloud.clone(), poll.clone()));
        world.executor.sleep(world.draw(DELIVERY_MS)).await;
    }
}

/// Delivers a step until it is done, and now and then once more.
async fn delivered(cloud: Rc<Cloud>, step: Step) {
    let world = &cloud.world;
    loop {
        world.executor.sleep(world.draw(DELIVERY_MS)).await;
        match outcome(&cloud, &step).await {
            Ok(Ok(_)) if world.faults.strikes(Fault::DeleteLost) => {}
            Ok(Ok(_)) => return,
            Ok(Err(_)) => {
                count(&world.numbers.step_failures);
                world.executor.sleep(world.draw(AGAIN_MS)).await;
            }
            // Nobody has it come again sooner.
            Err(_) => world.executor.sleep(VISIBILITY_MS).await,
        }
    }
}

async fn outcome(cloud: &Rc<Cloud>, step: &Step) -> Result<Result<Finalised, FinaliseError>, NoOutcome> {
    let world = &cloud.world;
    let again = step.clone();
    let work = |app: Rc<FinaliseApp>, _| -> Work<Result<Finalised, FinaliseError>> {
        Box::pin(async move { app.step(&again).await })
    };
    let outcome = cloud.finalise.invoke(work).await;
    world.tell("finalise-poll", || format!("does {step:?}: {outcome:?}"));
    if let Ok(Ok(Finalised::Final(_))) = &outcome {
        count(&world.numbers.finals);
        if matches!(step.what, What::Finish { .. }) {
            count(&world.numbers.finals_of_parts);
        }
    }
    outcome
}

/// Reads the poll's rules and counts now and then, lane by lane, and shows them as final where they are.
async fn read(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let world = &cloud.world;
    let client = Client { account: cloud.account.clone(), process: Process::new("reader") };
    let (polls, tallies) =
        (PollStore::over(client.clone(), POLLS.to_owned()), TallyStore::over(client, TALLIES.to_owned()));
    let poll_id = &poll.rules.settings.poll_id;
    for _ in 0..READINGS {
        world.executor.sleep(world.draw(AGAIN_MS)).await;
        // A batch is not isolated: some lanes may be read before the rules, others after them.
        let mut counts = Vec::new();
        let read_before = world.draw(u64::from(poll.rules.lanes) + 1) as u8;
        let mut finality = None;
        for lane in 0..=landslide_domain::lane::LANES_MAX {
            if lane == read_before {
                let Ok(Some(rules)) = polls.rules(poll_id).await else { break };
                finality = rules.finality;
            }
            if lane < landslide_domain::lane::LANES_MAX {
                let Ok(count) = tallies.read_count(&LaneKey { poll: poll_id.clone(), lane }).await else { break };
                counts.push(count);
                world.executor.sleep(world.draw(READ_PAUSE_MS)).await;
            }
        }
        let Some(finality) = finality.filter(|finality| finality.covers(&counts)) else { continue };
        count(&world.numbers.final_readings);
        world.observe(&Event::FinalShown { poll: poll_id.as_str(), ballots: finality.ballots, counts: &counts });
    }
}
