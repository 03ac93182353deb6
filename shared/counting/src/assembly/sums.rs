//! Sums of polls' entries over all lanes, kept from one renewal to the next.
//!
//! A run never changes. So of a poll that was summed before, only the runs that are named since are read and added, and
//! those that are named no more are taken away. What it costs does not depend on how many there were before.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_aws::store::{LaneReader, LaneStoreError};
use landslide_domain::{
    entries::{Entries, PerSet, Set},
    ids::PollId,
    lane::LaneKey,
    method::Totals,
    runs::{Dropped, Run, RunName},
    tally::Count,
};

use crate::tallies::{
    merging::{RUNS_AT_ONCE, read_or_lost},
    reading::{ReadError, read_runs},
};

/// How many bytes of runs a process keeps, as they are stored.
const KEPT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// If a poll's lanes name more bytes of runs than these, none is read.
const RUNS_BYTES_MAX: usize = 96 * 1024 * 1024;
/// How many lanes are read at once.
const LANES_AT_ONCE: usize = 8;

/// What a poll's lanes add up to.
pub struct Summed {
    /// Each lane's COUNT.
    pub counts: Vec<Count>,
    /// The sum of the entries that belong to them, or why there are none of a multiset. Both multisets may be in one sum: no
    /// key is in both.
    pub entries: PerSet<Result<Arc<Entries>, Dropped>>,
    /// The totals of the rankings among these.
    pub totals: Totals,
}
/// A run of a poll: its lane, and its name in it.
type PollRun = (u8, RunName);

/// The sums of polls whose lanes lie in a store.
pub struct Sums<S> {
    store: S,
    kept: Mutex<HashMap<PollId, Sum>>,
}

impl<S: LaneReader> Sums<S> {
    /// Nothing summed yet.
    pub fn new(store: S) -> Self {
        Self { store, kept: Mutex::default() }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Sums up a poll with this many options from these COUNTs, in lane order. Those that it returns may be newer.
    pub async fn sum(&self, poll: &PollId, options: u8, counts: Vec<Count>) -> Result<Summed, ReadError> {
        let counts = without_too_many_ballots(counts);
        // Taken away, so that nobody else changes it meanwhile.
        let mut sum = self.kept().remove(poll).unwrap_or_default();
        let lanes = self.read_all(poll, counts, &sum).await;
        let lanes = match lanes {
            Ok(lanes) => lanes,
            Err(error) => {
                self.keep(poll, sum);
                return Err(error);
            }
        };
        let dropped = |set| lanes.iter().find_map(|lane| lane.new.of(set).as_ref().err().copied());
        let dropped = PerSet { cells: dropped(Set::Cells), ballots: dropped(Set::Ballots) };
        let counts = lanes.iter().map(|lane| lane.count.clone()).collect();
        sum.renew(options, lanes);
        let (entries, totals) = (sum.entries.clone(), sum.totals.clone());
        self.keep(poll, sum);
        let entries = dropped.map(|_, dropped| dropped.map_or_else(|| Ok(entries.clone()), Err));
        Ok(Summed { counts, entries, totals })
    }

    async fn read_all(&self, poll: &PollId, counts: Vec<Count>, sum: &Sum) -> Result<Vec<Lane>, ReadError> {
        let lanes: Vec<_> = (0..).zip(counts).map(|(lane, count)| self.read(poll, lane, count, sum)).collect();
        stream::iter(lanes).buffered(LANES_AT_ONCE).try_collect().await
    }

    /// Reads a lane's runs, but for those that the sum has.
    async fn read(&self, poll: &PollId, number: u8, count: Count, sum: &Sum) -> Result<Lane, ReadError> {
        let (lane, lost) = (LaneKey { poll: poll.clone(), lane: number }, RefCell::new(Vec::new()));
        let read = async |run: &Run| match read_or_lost(&self.store, &lane, run).await? {
            Some(entries) => Ok::<_, LaneStoreError>(Ok((run.name, entries))),
            None => Ok(Err(*run)),
        };
        let read_new = async |runs: &[Run]| {
            let known_lost = runs.iter().find(|run| sum.lost.contains(&(number, run.name)));
            let new: Result<Vec<_>, Run> = match known_lost {
                Some(lost) => Err(*lost),
                None => {
                    let new = runs.iter().filter(|run| !sum.runs.contains_key(&(number, run.name)));
                    let new = stream::iter(new.map(read)).buffered(RUNS_AT_ONCE).try_collect::<Vec<_>>().await?;
                    new.into_iter().collect()
                }
            };
            lost.borrow_mut().extend(new.as_ref().err().map(|run| run.name));
            Ok(new)
        };
        let (count, new) = read_runs(&self.store, &lane, count, read_new).await?;
        Ok(Lane { number, count, new, lost: lost.into_inner() })
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<PollId, Sum>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a sum. If there is no room, all others go, and are read once more.
    fn keep(&self, poll: &PollId, sum: Sum) {
        let mut kept = self.kept();
        if kept.values().map(Sum::bytes).sum::<usize>() + sum.bytes() > KEPT_BYTES_MAX {
            kept.clear();
        }
        kept.insert(poll.clone(), sum);
    }
}

/// The same COUNTs, without whole ballots if those are more than a process can sum up.
fn without_too_many_ballots(mut counts: Vec<Count>) -> Vec<Count> {
    let bytes: usize = counts.iter().flat_map(|count| count.entries.runs()).map(|run| run.bytes as usize).sum();
    if bytes > RUNS_BYTES_MAX {
        counts.iter_mut().for_each(|count| count.entries = count.entries.without(Set::Ballots, Dropped::TooMany));
    }
    counts
}

/// What was read of a lane.
struct Lane {
    number: u8,
    count: Count,
    /// Its runs that the sum does not have, or why none of a multiset's entries count.
    new: PerSet<Result<Vec<(RunName, Entries)>, Dropped>>,
    /// Runs that are lost, or were replaced meanwhile and will not be named again.
    lost: Vec<RunName>,
}

impl Lane {
    /// The runs of both multisets that the sum does not have.
    fn into_new(self) -> impl Iterator<Item = (PollRun, Entries)> {
        let new = [self.new.cells, self.new.ballots].into_iter().flatten().flatten();
        new.map(move |(name, run)| ((self.number, name), run))
    }
}

/// The sum of a poll's entries, and what it was made of.
#[derive(Default)]
struct Sum {
    entries: Arc<Entries>,
    /// Those of the rankings in it.
    totals: Totals,
    /// The runs in it.
    runs: HashMap<PollRun, Entries>,
    /// The entries in it that lie in COUNTs.
    near: Entries,
    /// Runs that are lost. They are not tried again.
    lost: HashSet<PollRun>,
}

impl Sum {
    fn bytes(&self) -> usize {
        self.runs.values().map(|run| run.as_bytes().len()).sum()
    }

    /// Makes it the sum of these lanes.
    fn renew(&mut self, options: u8, lanes: Vec<Lane>) {
        let (mut named, mut near) = (HashSet::new(), Vec::new());
        for (lane, set) in lanes.iter().flat_map(|lane| Set::ALL.map(|set| (lane, set))) {
            if lane.new.of(set).is_ok() {
                let kept = lane.count.entries.kept.of(set);
                named.extend(kept.runs.iter().map(|run| (lane.number, run.name)));
                near.push(&kept.near);
            }
        }
        let near = Entries::sum(near);
        let gone: Vec<Entries> = self.runs.extract_if(|run, _| !named.contains(run)).map(|(_, run)| run).collect();
        let lost = lanes.iter().flat_map(|lane| lane.lost.iter().map(|run| (lane.number, *run)));
        self.lost = lost.collect();
        let new: Vec<(PollRun, Entries)> = lanes.into_iter().flat_map(Lane::into_new).collect();
        // First the little that has changed, so that all the rest is gone through once.
        let mut change = Entries::sum(new.iter().map(|(_, run)| run).chain([&near]));
        change.subtract(&Entries::sum(gone.iter().chain([&self.near])));
        if self.totals.options() != options {
            self.totals = Totals::of_entries(options, &self.entries);
        }
        let entries = self.entries.plus(&change, |key, before, after| self.totals.follow(key, before, after));
        self.entries = Arc::new(entries);
        self.near = near;
        self.runs.extend(new);
    }
}

#[cfg(test)]
mod tests;
