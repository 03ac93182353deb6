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
    model::Model,
    parameters::Parameters,
    relay,
    stream::{Records, Shard},
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
    /// A table on so many physical partitions of equal ranges of hashes.
    pub fn new(parameters: &Parameters, random: &mut fastrand::Rng) -> Self {
        let mut holds = vec![Vec::new(); parameters.partitions];
        for logical in 0..parameters.logical() {
            holds[random.usize(..parameters.partitions)].push((logical, 1.0));
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

    /// Stores votes of a logical partition; how many were refused.
    pub fn store(&self, model: &Model, logical: usize, votes: u64) -> u64 {
        let (now, units) = (model.now_ms(), model.sizes.vote_units);
        let granted = votes.min(self.quota.left(now) / units);
        if granted < votes {
            model.met(Limit::TableQuota, votes - granted);
        }
        let (mut left, mut stored) = (granted, 0);
        let physical = self.physical.borrow();
        let homes = self.homes.borrow();
        for (number, (place, share)) in homes[logical].iter().enumerate() {
            let is_last = number + 1 == homes[logical].len();
            let wanted = if is_last { left } else { model.round(granted as f64 * share).min(left) };
            left -= wanted;
            stored += physical[*place].store(model, logical, wanted);
        }
        self.quota.take_up_to(stored * units, now);
        add(&model.measures.counts.accepted, stored);
        add(&model.measures.counts.vote_units, stored * units);
        model.measures.at(now, |second| second.accepted += stored);
        votes - stored
    }

    /// Splits what has been hot for too long, after a tick of the voters.
    pub fn after_tick(&self, model: &Rc<Model>, tick_ms: u64) {
        let places = self.physical.borrow().len();
        for place in 0..places {
            let is_too_hot =
                self.physical.borrow()[place].cool_or_heat(tick_ms) >= model.parameters.split_after_s * 1_000;
            if is_too_hot && model.parameters.split_for_heat {
                self.split(model, place);
            }
        }
    }

    fn split(&self, model: &Rc<Model>, place: usize) {
        let (halves, old) = {
            let physical = &self.physical.borrow()[place];
            (halves(&physical.holds), physical.shard.clone())
        };
        let [kept, moved] =
            halves.map(|holds| Physical::new(holds, model.parameters.partition_write_units, Some(old.clone())));
        let next = self.physical.borrow().len();
        for shard in [&kept.shard, &moved.shard] {
            model.executor.spawn(relay::read_shard(model.clone(), shard.clone()));
        }
        for (logical, _) in &self.physical.borrow()[place].holds {
            self.homes.borrow_mut()[*logical].retain(|(home, _)| *home != place);
        }
        self.physical.borrow_mut()[place] = kept;
        self.physical.borrow_mut().push(moved);
        self.settle_in(place);
        self.settle_in(next);
        old.close();
        add(&model.measures.counts.splits, 1);
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
    fn store(&self, model: &Model, logical: usize, wanted: u64) -> u64 {
        let now = model.now_ms();
        let stored = self.writes.take_up_to(wanted * model.sizes.vote_units, now) / model.sizes.vote_units;
        if stored < wanted {
            self.refused.set(true);
            model.met(Limit::VotesPartition, wanted - stored);
        }
        if stored > 0 {
            let votes = Votes { stored_ms: now, count: stored };
            self.shard.append(Records { lane: model.lane_of(logical), votes });
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

    fn model(partitions: usize) -> Rc<Model> {
        Model::new(Parameters { partitions, split_after_s: 1, ..Parameters::default() })
    }

    #[test]
    fn a_physical_partition_takes_what_its_units_allow() {
        let model = model(1);
        assert_eq!(model.votes.store(&model, 0, 1_500), 500);
        assert_eq!(model.measures.counts.accepted.get(), 1_000);
        assert_eq!(model.measures.limits()[0].0, Limit::VotesPartition);
    }

    #[test]
    fn what_stays_hot_is_split_and_no_vote_loses_its_home() {
        let model = model(1);
        for _ in 0..20 {
            assert!(model.votes.store(&model, 0, 2_000) > 0);
            model.votes.after_tick(&model, 50);
        }
        assert_eq!(model.measures.counts.splits.get(), 1);
        assert_eq!(model.votes.physical.borrow().len(), 2);
        for homes in model.votes.homes.borrow().iter() {
            assert_eq!(homes.iter().map(|(_, share)| share).sum::<f64>(), 1.0);
        }
    }

    #[test]
    fn a_single_logical_partition_is_cut_by_its_voters() {
        assert_eq!(halves(&[(7, 0.5)]), [vec![(7, 0.25)], vec![(7, 0.25)]]);
        assert_eq!(halves(&[(1, 1.0), (2, 1.0), (3, 1.0)]), [vec![(1, 1.0), (3, 1.0)], vec![(2, 1.0)]]);
    }
}
