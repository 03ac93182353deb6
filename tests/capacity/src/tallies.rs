//! The Tallies table by counts: each lane's HEAD, SEEN rows and COUNT, on physical partitions with their limits.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
};

use landslide_aws::{
    sdk::{ATTEMPT_TIMEOUT, ATTEMPTS_MAX, CALL_TIMEOUT, FIRST_PAUSE},
    store::RunRow,
};
use landslide_domain::{
    entries::Entries,
    keys::RUN_PARTITIONS,
    lane::LANES_MAX,
    runs::{LaneEntries, RunName},
};
use landslide_sim::item::{read_units, write_units};

use crate::{
    allowance::Allowance,
    fifo::Votes,
    measures::{Limit, add},
    parameters::Stalled,
    world::World,
};

/// For how long a partition lets unused units gather, in milliseconds.
const BURST_MS: u64 = 1_000;

/// A lane's items.
#[derive(Default)]
pub struct Lane {
    /// HEAD's version; 0: there is none.
    pub version: u64,
    /// Ids in HEAD by minute.
    pub recent: BTreeMap<u64, u64>,
    /// SEEN rows by minute: version and number of ids.
    pub rows: BTreeMap<u64, Vec<(u64, u64)>>,
    /// Votes counted.
    pub ballots: u64,
    /// When the newest of them was stored, in milliseconds since the beginning.
    pub as_of_ms: u64,
    /// Votes in HEAD that COUNT does not show yet.
    pub unseen: Vec<Votes>,
    /// HEAD's length, 0 if there is none.
    pub head_bytes: u64,
    /// HEAD's entries.
    pub entries: LaneEntries,
    /// The lane's runs, whether HEAD names them or not.
    pub runs: BTreeMap<RunName, Entries>,
    /// The lengths of their rows.
    pub run_rows: BTreeMap<RunRow, u64>,
}

struct Partition {
    writes: Allowance,
    reads: Allowance,
}

/// The table.
pub struct Tallies {
    lanes: Vec<RefCell<Lane>>,
    /// On which partition each lane lies.
    homes: Vec<usize>,
    /// On which partitions each lane's runs lie.
    homes_of_runs: Vec<[usize; RUN_PARTITIONS]>,
    partitions: HashMap<usize, Partition>,
}

/// A call was refused or not answered at every try.
#[derive(Debug)]
pub struct Failed;

/// What a call to a lane's partition takes.
#[derive(Clone, Copy)]
pub enum Call {
    /// A read, by its bytes.
    Read(u64),
    /// A write, by the bytes of the new item and those of the item it replaces.
    Write(u64, u64),
}

impl Tallies {
    /// An empty table, its lanes laid on partitions by their hashes.
    pub fn new(world: &World) -> Self {
        let parameters = &world.parameters;
        let homes: Vec<usize> =
            (0..LANES_MAX).map(|_| world.draw(parameters.tallies_partitions as u64) as usize).collect();
        let partition = |home: &usize| {
            let writes = Allowance::new(parameters.partition_write_units, BURST_MS);
            (*home, Partition { writes, reads: Allowance::new(parameters.partition_read_units, BURST_MS) })
        };
        // Drawn by themselves, so that polls without runs come out the same.
        let mut random = fastrand::Rng::with_seed(parameters.seed ^ 15);
        let homes_of_runs: Vec<[usize; RUN_PARTITIONS]> =
            (0..LANES_MAX).map(|_| std::array::from_fn(|_| random.usize(..parameters.tallies_partitions))).collect();
        let partitions = homes.iter().chain(homes_of_runs.as_flattened()).map(partition).collect();
        Self { lanes: (0..LANES_MAX).map(|_| RefCell::default()).collect(), homes, homes_of_runs, partitions }
    }

    /// A lane's items.
    pub fn lane(&self, lane: u8) -> &RefCell<Lane> {
        &self.lanes[usize::from(lane)]
    }

    /// A call to a lane's own items.
    pub async fn call(&self, world: &World, lane: u8, call: Call) -> Result<(), Failed> {
        self.call_at(world, self.homes[usize::from(lane)], call).await
    }

    /// A call to one of the keys over which a lane's runs are spread.
    pub async fn call_run(&self, world: &World, lane: u8, place: usize, call: Call) -> Result<(), Failed> {
        self.call_at(world, self.homes_of_runs[usize::from(lane)][place], call).await
    }

    /// A call as the SDK makes it: tried again, with pauses, while it is refused or not answered, within its time.
    async fn call_at(&self, world: &World, home: usize, call: Call) -> Result<(), Failed> {
        let ends = world.now_ms() + CALL_TIMEOUT.as_millis() as u64;
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                world.executor.sleep(world.draw((FIRST_PAUSE.as_millis() as u64) << (attempt - 1))).await;
            }
            if world.is_stalled(Stalled::Tallies) {
                let left = ends.saturating_sub(world.now_ms());
                world.executor.sleep(left.min(ATTEMPT_TIMEOUT.as_millis() as u64)).await;
            } else if self.attempt(world, home, call).await {
                return Ok(());
            }
            if world.now_ms() >= ends {
                break;
            }
        }
        Err(Failed)
    }

    async fn attempt(&self, world: &World, home: usize, call: Call) -> bool {
        let (parameters, counts) = (&world.parameters, &world.measures.counts);
        let partition = &self.partitions[&home];
        let (ms, bytes, takes, limit) = match call {
            Call::Read(bytes) => {
                let units = read_units(bytes);
                let takes = partition.reads.takes(units, world.now_ms());
                add(&counts.tally_read_units, if takes { units } else { 0 });
                (
                    world.draw_between(parameters.read_ms_least, parameters.read_ms_most),
                    bytes,
                    takes,
                    Limit::TalliesReads,
                )
            }
            Call::Write(bytes, former) => {
                let units = write_units(bytes.max(former));
                let takes = partition.writes.takes(units, world.now_ms());
                add(&counts.tally_units, if takes { units } else { 0 });
                (
                    world.draw_between(parameters.write_ms_least, parameters.write_ms_most),
                    bytes,
                    takes,
                    Limit::TalliesWrites,
                )
            }
        };
        if !takes {
            world.met(limit, 1);
            world.executor.sleep(ms).await;
            return false;
        }
        world.wait(ms as f64 + parameters.database_ms_a_kb * bytes as f64 / 1_024.0).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;

    #[test]
    fn a_call_is_given_up_after_its_tries_and_spends_no_units_then() {
        let world = World::new(Parameters { partition_write_units: 0, ..Parameters::default() });
        let tallies = Tallies::new(&world);
        let again = world.clone();
        world.executor.spawn(async move {
            assert!(tallies.call(&again, 0, Call::Write(2_000, 0)).await.is_err());
            assert!(tallies.call(&again, 0, Call::Read(8_192)).await.is_ok());
        });
        assert!(world.executor.run(u64::MAX));
        let counts = &world.measures.counts;
        assert_eq!((counts.tally_units.get(), counts.tally_read_units.get()), (0, 2));
        assert_eq!(world.measures.limits()[0].1.times, u64::from(ATTEMPTS_MAX));
    }
}
