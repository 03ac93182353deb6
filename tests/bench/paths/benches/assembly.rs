//! How long `assemble-results` takes for the largest polls: from the stored rows of all runs, and a second later from what
//! this second's votes have added. The store is in memory; what is measured is CPU time.

// A measurement that goes wrong fails by panicking.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fs,
    time::Duration,
};

use landslide_aws::store::{LaneReader, LaneStoreError};
use landslide_counting::assembly::{Sums, document};
use landslide_domain::{
    ballot::{Ballot, RANKS_MAX},
    entries::{Entries, EntriesBuilder, PerSet},
    lane::LaneKey,
    poll::hidden::HiddenAnswers,
    results::assembled::Given,
    runs::{NewRun, RUN_LIMITS, Run, RunName},
    tally::Count,
    time::Timestamp,
};
use landslide_paths::poll::poll;

/// A poll of the highest peak that a ranked one may declare: how many lanes, and votes a second in each.
const LANES: u8 = 32;
const VOTES: usize = 4_000;
/// Its options.
const OPTIONS: u8 = 36;
/// Bytes of an entry of as many ranks as a ballot may have.
const BALLOT_BYTES: usize = 3 + RANKS_MAX;
/// How many bytes a lane's runs have: 64 MB in all.
const LANE_BYTES: usize = 2 * 1024 * 1024;
/// Seconds that are measured after the first.
const SECONDS: usize = 5;

/// What the Tallies table has of a poll, in memory.
#[derive(Default)]
struct Table {
    runs: RefCell<HashMap<(u8, RunName), Vec<u8>>>,
    counts: RefCell<Vec<Count>>,
    versions: Cell<u64>,
}

impl LaneReader for Table {
    async fn read_count(&self, lane: &LaneKey) -> Result<Count, LaneStoreError> {
        Ok(self.counts.borrow()[usize::from(lane.lane)].clone())
    }

    async fn read_run(&self, lane: &LaneKey, run: &Run) -> Result<Option<Entries>, LaneStoreError> {
        Ok(Some(Entries::decode(self.runs.borrow()[&(lane.lane, run.name)].clone()).unwrap()))
    }
}

impl Table {
    fn new() -> Self {
        Self { counts: RefCell::new(vec![Count::default(); LANES.into()]), ..Self::default() }
    }

    /// Adds a run of these entries to a lane.
    fn add(&self, lane: u8, level: u8, entries: &Entries) {
        let version = self.versions.get() + 1;
        self.versions.set(version);
        let new = NewRun::of(RunName { version, attempt: 7 }, level, entries, &RUN_LIMITS).unwrap();
        self.runs.borrow_mut().insert((lane, new.run.name), new.chunks().flatten().copied().collect());
        let count = &mut self.counts.borrow_mut()[usize::from(lane)];
        count.version = version;
        count.entries.kept.ballots.runs.push(new.run);
    }

    fn bytes(&self) -> usize {
        self.runs.borrow().values().map(Vec::len).sum()
    }
}

/// Which rankings the lanes have: their own, or all the same.
const CASES: [(&str, bool); 2] = [("rankings that all differ", false), ("the same rankings in all lanes", true)];

fn main() {
    let cases: Vec<[String; 7]> = CASES.iter().map(measure).collect();
    println!(
        "\n| assembling {LANES} lanes | MB of runs | different rankings | cold s | of it the sum | a second's new runs s | of it the sum |\n|---|--:|--:|--:|--:|--:|--:|"
    );
    for cells in cases {
        println!("| {} |", cells.join(" | "));
    }
}

fn measure((name, is_shared): &(&str, bool)) -> [String; 7] {
    let (table, mut random) = (Table::new(), fastrand::Rng::with_seed(7));
    let mut full = full_run(&mut random);
    for lane in 0..LANES {
        table.add(lane, 2, &full);
        if !is_shared {
            full = full_run(&mut random);
        }
    }
    let known: Vec<Ballot> = full.rankings().filter_map(|(ids, _)| ballot(ids)).collect();
    let megabytes = table.bytes() as f64 / (1024.0 * 1024.0);
    let (poll, sums) = (poll("ranked", OPTIONS), Sums::new(table));
    let (rules, id) = (&poll.rules, &poll.rules.settings.poll_id);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let assemble = || {
        let counts = sums.store().counts.borrow().clone();
        let began = cpu_time();
        let summed = runtime.block_on(sums.sum(id, OPTIONS, counts)).unwrap();
        let sum = cpu_time() - began;
        let hidden = HiddenAnswers::default();
        let given = Given { now: Timestamp::EPOCH, before: &[], hidden: &hidden, group: str::to_owned };
        document(rules, &summed, &given).unwrap();
        (cpu_time() - began, sum, summed.entries.ballots.unwrap().iter().count())
    };
    let (cold, cold_sum, rankings) = assemble();
    let seconds: Vec<(Duration, Duration)> = (0..SECONDS)
        .map(|_| {
            for lane in 0..LANES {
                let voted = (0..VOTES)
                    .map(|_| if *is_shared { random.choice(&known).cloned().unwrap() } else { vote(&mut random) });
                let mut entries = PerSet::<EntriesBuilder>::default();
                voted.for_each(|ballot| entries.add_ballot(&ballot, 1));
                sums.store().add(lane, 0, &entries.build().ballots);
            }
            let (all, sum, _) = assemble();
            (all, sum)
        })
        .collect();
    let median = |of: fn(&(Duration, Duration)) -> Duration| {
        let mut times: Vec<_> = seconds.iter().map(of).collect();
        times.sort();
        format!("{:.3}", times[times.len() / 2].as_secs_f64())
    };
    let second = |time: Duration| format!("{:.3}", time.as_secs_f64());
    [
        (*name).to_owned(),
        format!("{megabytes:.0}"),
        rankings.to_string(),
        second(cold),
        second(cold_sum),
        median(|(all, _)| *all),
        median(|(_, sum)| *sum),
    ]
}

/// CPU time of this thread so far (the kernel's schedstat: nanoseconds on a processor).
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().and_then(|time| time.parse().ok()).unwrap())
}

/// Votes with different rankings, as many as a lane may have.
fn full_run(random: &mut fastrand::Rng) -> Entries {
    let mut entries = PerSet::<EntriesBuilder>::default();
    while entries.build().ballots.as_bytes().len() + 2 * VOTES * BALLOT_BYTES < LANE_BYTES {
        (0..VOTES).for_each(|_| entries.add_ballot(&vote(random), 1));
    }
    entries.build().ballots
}

/// A ranking by chance, of as many ranks as a ballot may have. Low option ids are the likeliest.
fn vote(random: &mut fastrand::Rng) -> Ballot {
    let mut ids: Vec<u64> = Vec::new();
    while ids.len() < RANKS_MAX {
        let id = (random.f64().powi(2) * f64::from(OPTIONS)) as u64;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ballot::of_ranking(&ids).unwrap()
}

fn ballot(ids: &[u8]) -> Option<Ballot> {
    Ballot::of_ranking(&ids.iter().copied().map(u64::from).collect::<Vec<_>>())
}
