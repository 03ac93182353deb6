//! Who puts the entries of a poll together while it is counted: reads COUNT, and then its runs, with pauses in which these are
//! merged and swept.

use std::{cell::Cell, rc::Rc};

use landslide_aws::store::{LaneReader, LaneStoreError, TallyStore};
use landslide_counting::tallies::reading::{ReadError, read_entries};
use landslide_domain::{
    entries::{Entries, PerSet},
    ids::PollId,
    lane::LaneKey,
    poll::Poll,
    runs::Run,
    tally::Count,
};

use crate::{
    cloud::Cloud,
    events::Event,
    models::{client::Client, process::Process},
    names::TALLIES,
    numbers::count,
    world::World,
};

/// How often somebody reads in all.
const READINGS_MAX: u64 = 6;
/// The longest pause before a call of the first try, in milliseconds. Each further try's is half as long.
const PAUSE_MS: u64 = 1_000;

/// Reads the entries of a poll's lanes now and then.
pub async fn read(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let world = &cloud.world;
    let readings = 1 + world.draw(READINGS_MAX);
    for _ in 0..readings {
        world.executor.sleep(world.draw(2 * world.scenario.span_ms / readings)).await;
        if let Some(lane) = some_lane(world, &poll.rules.settings.poll_id) {
            read_lane(&cloud, &lane).await;
        }
    }
}

/// One of the poll's lanes that have entries.
pub fn some_lane(world: &World, poll: &PollId) -> Option<LaneKey> {
    let ledger = world.ledger();
    let number = |lane: &str| lane.split_once('#').filter(|(of, _)| *of == poll.as_str()).map(|(_, lane)| lane.parse());
    let lanes: Vec<u8> = ledger.runs().filter_map(|(lane, _)| number(lane)).map(|lane| lane.expect("a lane")).collect();
    let lane = lanes.get(world.draw_index(lanes.len()))?;
    Some(LaneKey { poll: poll.clone(), lane: *lane })
}

async fn read_lane(cloud: &Rc<Cloud>, lane: &LaneKey) {
    let world = &cloud.world;
    let process = Process::new("reader");
    let store = TallyStore::over(Client { account: cloud.account.clone(), process }, TALLIES.to_owned());
    let store = SlowStore { world: world.clone(), store, begun: Cell::new(0), pause_ms: world.draw(PAUSE_MS) };
    let shown = read_entries(&store, lane).await;
    let again = u64::from(store.begun.get().saturating_sub(1));
    world.numbers.begun_again.set(world.numbers.begun_again.get() + again);
    world.tell("reader", || format!("sees {lane}, begun {} times: {shown:?}", store.begun.get()));
    let key = lane.to_string();
    let event = |shown| Event::EntriesShown { lane: &key, shown };
    match &shown {
        // Told to come again later.
        Err(ReadError::Tallies(LaneStoreError::Unavailable(_))) => return,
        Ok((count, entries)) => {
            let shown = PerSet { cells: entries.cells.as_ref(), ballots: entries.ballots.as_ref() };
            world.observe(&event(Ok((count, shown.map(|_, entries| entries.map_err(|why| *why))))));
        }
        Err(error) => world.observe(&event(Err(error))),
    }
    count(&world.numbers.readings);
}

/// A store whose caller takes its time before each call.
struct SlowStore {
    world: Rc<World>,
    store: TallyStore<Client>,
    /// How often COUNT was read.
    begun: Cell<u32>,
    pause_ms: u64,
}

impl SlowStore {
    async fn pause(&self) {
        let world = &self.world;
        world.executor.sleep(world.draw(self.pause_ms >> self.begun.get())).await;
    }
}

impl LaneReader for SlowStore {
    async fn read_count(&self, lane: &LaneKey) -> Result<Count, LaneStoreError> {
        self.pause().await;
        self.begun.set(self.begun.get() + 1);
        self.store.read_count(lane).await
    }

    async fn read_run(&self, lane: &LaneKey, run: &Run) -> Result<Option<Entries>, LaneStoreError> {
        self.pause().await;
        self.store.read_run(lane, run).await
    }
}
