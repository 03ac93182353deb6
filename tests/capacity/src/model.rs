//! The stack of one run: its tables and its queue, and how many lanes its poll has.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use landslide_domain::{
    lane::{LANE_PROPAGATION_MS, LANES_MAX, Partition, Partitions},
    lease::CONFIG_LEASE_MS,
    time::Timestamp,
};

use crate::{fifo::Fifo, parameters::Parameters, sizes, tallies::Tallies, votes_table::VotesTable, world::World};

/// One run.
pub struct Model {
    /// What all of it shares.
    pub world: Rc<World>,
    /// The Votes table and its stream.
    pub votes: VotesTable,
    /// The tally queue.
    pub queue: Fifo,
    /// The Tallies table.
    pub tallies: Tallies,
    /// How many lanes the poll has, from when on.
    lanes: RefCell<Vec<(u64, u8)>>,
    doubled_ms: Cell<Option<u64>>,
    partitions: Vec<Partition>,
}

impl Model {
    /// A stack of these parameters, in which nothing has happened yet.
    pub fn new(parameters: Parameters) -> Rc<Self> {
        let world = World::new(parameters);
        let parameters = &world.parameters;
        let declared = parameters.declared_votes_per_second;
        let lanes = sizes::rules(parameters.ballots, declared, parameters.lanes_min as u8).lanes;
        Rc::new(Self {
            votes: VotesTable::new(&world),
            queue: Fifo::new(parameters.group_calls_per_second, parameters.group_messages_per_second),
            tallies: Tallies::new(&world),
            lanes: RefCell::new(vec![(0, lanes)]),
            doubled_ms: Cell::new(None),
            partitions: Partitions::Many.all().collect(),
            world: world.clone(),
        })
    }

    /// The lane of a vote of a logical partition that is cast now: the same however many partitions the poll has, as
    /// long as they are a power of two, as lanes are.
    pub fn lane_of(&self, partition: usize) -> u8 {
        self.partitions[partition % self.partitions.len()].lane(self.lanes_now())
    }

    /// How many lanes those who vote now know of.
    pub fn lanes_now(&self) -> u8 {
        let now = self.world.now_ms();
        self.lanes.borrow().iter().rev().find(|(from, _)| *from <= now).map_or(1, |(_, lanes)| *lanes)
    }

    /// Every change of the lanes: when it was in force, and how many there were.
    pub fn lanes(&self) -> Vec<(u64, u8)> {
        self.lanes.borrow().clone()
    }

    /// Doubles the lanes as `PollStore::double_lanes` does: not if an earlier doubling had not propagated when there
    /// began to be too many votes, at `hot_since`. It is in force once no process has the old count cached.
    pub fn double_lanes(&self, hot_since: Timestamp) {
        let now = self.world.now_ms();
        let propagated = hot_since.as_millis().saturating_sub(LANE_PROPAGATION_MS);
        let doubled_at = |ms| self.world.timestamp(ms).as_millis();
        let has_propagated = self.doubled_ms.get().is_none_or(|doubled| doubled_at(doubled) < propagated);
        let mut lanes = self.lanes.borrow_mut();
        let (_, most) = *lanes.last().expect("lanes from the beginning");
        if most < LANES_MAX && has_propagated {
            lanes.push((now + CONFIG_LEASE_MS, most * 2));
            self.doubled_ms.set(Some(now));
        }
    }
}
