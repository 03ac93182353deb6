//! The Votes table: logical partitions that lie on physical ones by their hashes, each of these with its own limit and
//! its own stream shard; one that refuses writes for long is split.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use crate::{
    allowance::Allowance,
    fifo::Votes,
    measures::{Limit, add},
    stream::{Records, Shard},
    world::World,
};

/// For how long a partition lets unused writes gather, in milliseconds.
const BURST_MS: u64 = 1_000;

/// The table.
pub struct VotesTable {
    physical: RefCell<Vec<Physical>>,
    /// For each logical partition where its votes go, and which share of them.
    homes: RefCell<Vec<Vec<(usize, f64)>>>,
    quota: Allowance,
}

struct Physical {
    /// Logical partitions, and which share of each.
    holds: Vec<(usize, f64)>,
    writes: Allowance,
    shard: Rc<Shard>,
    /// For how long it has refused writes, less the time in which it did not.
    hot_ms: Cell<u64>,
    refused: Cell<bool>,
}

impl Physical {
    fn new(holds: Vec<(usize, f64)>, per_second: u64, parent: Option<Rc<Shard>>) -> Self {
        Self {
            holds,
            writes: Allowance::new(per_second, BURST_MS),
            shard: Shard::new(parent),
            hot_ms: Cell::new(0),
            refused: Cell::new(false),
        }
    }
}

impl VotesTable {
    /// A table whose physical partitions have hash ranges of equal size.
    pub fn new(world: &World) -> Self {
        let parameters = &world.parameters;
        let mut holds = vec![Vec::new(); parameters.partitions];
        for logical in 0..parameters.logical() {
            holds[world.draw(parameters.partitions as u64) as usize].push((logical, 1.0));
        }
        let new = |holds| Physical::new(holds, parameters.partition_write_units, None);
        let table = Self {
            physical: RefCell::new(holds.into_iter().map(new).collect()),
            homes: RefCell::new(vec![Vec::new(); parameters.logical()]),
            quota: Allowance::new(parameters.table_write_units, BURST_MS),
        };
        (0..parameters.partitions).for_each(|place| table.settle_in(place));
        table
    }

    /// Every shard of now.
    pub fn shards(&self) -> Vec<Rc<Shard>> {
        self.physical.borrow().iter().map(|physical| physical.shard.clone()).collect()
    }

    /// Stores votes of a logical partition, which a lane is to count; how many were refused.
    pub fn store(&self, world: &World, (logical, lane): (usize, u8), votes: u64) -> u64 {
        let (now, units) = (world.now_ms(), world.sizes.vote_units);
        let granted = votes.min(self.quota.left(now) / units);
        if granted < votes {
            world.met(Limit::TableQuota, votes - granted);
        }
        let (mut left, mut stored) = (granted, 0);
        let physical = self.physical.borrow();
        let homes = self.homes.borrow();
        for (number, (place, share)) in homes[logical].iter().enumerate() {
            let is_last = number + 1 == homes[logical].len();
            let wanted = if is_last { left } else { world.round(granted as f64 * share).min(left) };
            left -= wanted;
            stored += physical[*place].store(world, lane, wanted);
        }
        self.quota.take_up_to(stored * units, now);
        add(&world.measures.counts.accepted, stored);
        add(&world.measures.counts.vote_units, stored * units);
        world.measures.at(now, |second| second.accepted += stored);
        votes - stored
    }

    /// Splits what has been hot for too long, after a tick of the voters. Each new shard is handed to `reader`.
    pub fn after_tick(&self, world: &World, tick_ms: u64, reader: impl Fn(Rc<Shard>)) {
        let places = self.physical.borrow().len();
        for place in 0..places {
            let is_too_hot =
                self.physical.borrow()[place].cool_or_heat(tick_ms) >= world.parameters.split_after_s * 1_000;
            if is_too_hot && world.parameters.split_for_heat {
                self.split(world, place, &reader);
            }
        }
    }

    fn split(&self, world: &World, place: usize, reader: impl Fn(Rc<Shard>)) {
        let (halves, old) = {
            let physical = &self.physical.borrow()[place];
            (halves(&physical.holds), physical.shard.clone())
        };
        let [kept, moved] =
            halves.map(|holds| Physical::new(holds, world.parameters.partition_write_units, Some(old.clone())));
        let next = self.physical.borrow().len();
        for shard in [&kept.shard, &moved.shard] {
            reader(shard.clone());
        }
        for (logical, _) in &self.physical.borrow()[place].holds {
            self.homes.borrow_mut()[*logical].retain(|(home, _)| *home != place);
        }
        self.physical.borrow_mut()[place] = kept;
        self.physical.borrow_mut().push(moved);
        self.settle_in(place);
        self.settle_in(next);
        old.close();
        add(&world.measures.counts.splits, 1);
    }

    /// Notes where the votes of what a physical partition holds go, by the shares of what is held there in all.
    fn settle_in(&self, place: usize) {
        let mut homes = self.homes.borrow_mut();
        for (logical, share) in &self.physical.borrow()[place].holds {
            homes[*logical].push((place, *share));
        }
    }
}

impl Physical {
    fn store(&self, world: &World, lane: u8, wanted: u64) -> u64 {
        let now = world.now_ms();
        let stored = self.writes.take_up_to(wanted * world.sizes.vote_units, now) / world.sizes.vote_units;
        if stored < wanted {
            self.refused.set(true);
            world.met(Limit::VotesPartition, wanted - stored);
        }
        if stored > 0 {
            let votes = Votes { stored_ms: now, count: stored };
            self.shard.append(Records { lane, votes });
        }
        stored
    }

    fn cool_or_heat(&self, tick_ms: u64) -> u64 {
        let hot = self.hot_ms.get();
        self.hot_ms.set(if self.refused.take() { hot + tick_ms } else { hot.saturating_sub(tick_ms) });
        self.hot_ms.get()
    }
}

/// What a partition holds, in two halves; a single logical partition is cut by its voters.
fn halves(holds: &[(usize, f64)]) -> [Vec<(usize, f64)>; 2] {
    if let [(logical, share)] = holds {
        return [vec![(*logical, share / 2.0)], vec![(*logical, share / 2.0)]];
    }
    let mut halves = [Vec::new(), Vec::new()];
    for (number, held) in holds.iter().enumerate() {
        halves[number % 2].push(*held);
    }
    halves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;

    fn world(partitions: usize) -> Rc<World> {
        World::new(Parameters { partitions, split_after_s: 1, ..Parameters::default() })
    }

    #[test]
    fn a_physical_partition_takes_what_its_units_allow() {
        let world = world(1);
        let table = VotesTable::new(&world);
        assert_eq!(table.store(&world, (0, 0), 1_500), 500);
        assert_eq!(world.measures.counts.accepted.get(), 1_000);
        assert_eq!(world.measures.limits()[0].0, Limit::VotesPartition);
    }

    #[test]
    fn what_stays_hot_is_split_and_no_vote_loses_its_home() {
        let world = world(1);
        let table = VotesTable::new(&world);
        for _ in 0..20 {
            assert!(table.store(&world, (0, 0), 2_000) > 0);
            table.after_tick(&world, 50, drop);
        }
        assert_eq!(world.measures.counts.splits.get(), 1);
        assert_eq!(table.physical.borrow().len(), 2);
        for homes in table.homes.borrow().iter() {
            assert_eq!(homes.iter().map(|(_, share)| share).sum::<f64>(), 1.0);
        }
    }

    #[test]
    fn a_single_logical_partition_is_cut_by_its_voters() {
        assert_eq!(halves(&[(7, 0.5)]), [vec![(7, 0.25)], vec![(7, 0.25)]]);
        assert_eq!(halves(&[(1, 1.0), (2, 1.0), (3, 1.0)]), [vec![(1, 1.0), (3, 1.0)], vec![(2, 1.0)]]);
    }
}
