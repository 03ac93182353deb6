//! From how many warm processes on a shared cache pays: the code of get-results in virtual time, with and without one.
//!
//! Each process is asked for one poll's results at random times, ten times a second. The tables are a stub that counts reads;
//! the cache is a variable that others see as late as a read and a write last. `make sharing` prints the table.

// A model is a test: it fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    future::Future,
    sync::{Arc, Mutex},
};

use landslide_aws::{
    clock,
    store::{AssembledStore, ResultsStore, VoteStore},
    testing::{Calls, OnePoll},
};
use landslide_domain::{ids::PollId, time::Timestamp};
use landslide_service::results::{CurrentResults, NotShared, Renewal, SharedCache, SharedCounts};

/// How long the model runs after a warm-up of two seconds.
const SECONDS: u64 = 20;
const WARM_UP_SECONDS: u64 = 2;
/// Requests a second of each process.
const REQUESTS: u64 = 10;
/// From the start of a read of the tables to where others see it in the cache, in milliseconds.
const SEEN_AFTER_MS: u64 = 8;
/// Read units of a read: RULES, OPTIONS and one lane's COUNT, of which the first two lie in one partition.
const UNITS: f64 = 3.0;
const UNITS_OF_PARTITION: f64 = 2.0;
/// What a partition serves a second (AWS).
const PARTITION_UNITS_MAX: f64 = 3_000.0;
/// Dollars an hour: two nodes cache.t4g.small with Valkey, and an interface endpoint in two zones (list prices of us-east-1).
const FIXED_USD_AN_HOUR: f64 = 2.0 * 0.0256 + 2.0 * 0.01;
const HOURS_A_MONTH: f64 = 730.0;

struct Nobody;

impl Renewal for Nobody {
    async fn ask(&self, _: &PollId) -> Result<(), String> {
        Ok(())
    }
}

/// The newest two entries: the one that all see, and the one that is on its way.
#[derive(Clone, Default)]
struct Variable(Arc<Mutex<(Vec<SharedCounts>, u64)>>);

impl SharedCache for Variable {
    fn is_on(&self) -> bool {
        true
    }

    async fn read(&self, _: &PollId, now: Timestamp) -> Option<SharedCounts> {
        let mut kept = self.0.lock().unwrap();
        kept.1 += 1;
        let is_seen = |counts: &&SharedCounts| counts.read_at.plus_millis(SEEN_AFTER_MS) <= now;
        kept.0.iter().filter(is_seen).max_by_key(|counts| counts.read_at).cloned()
    }

    async fn write(&self, _: &PollId, counts: &SharedCounts) {
        let kept = &mut self.0.lock().unwrap().0;
        kept.retain(|kept| counts.read_at.millis_since(kept.read_at) < 1_000);
        kept.push(counts.clone());
    }
}

/// Reads a second of the tables, and of the cache.
struct Reads {
    tables: f64,
    cache: f64,
}

fn process(tables: &OnePoll) -> (CurrentResults<Nobody>, Calls) {
    let (aws, calls) = tables.stub();
    let store = ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned());
    let (assembled, votes) =
        (AssembledStore::new(&aws, "tallies".to_owned()), VoteStore::new(&aws, "votes".to_owned()));
    (CurrentResults::new(store, assembled, votes, Nobody), calls)
}

async fn run<C: SharedCache>(
    processes: u64,
    share: impl Fn(CurrentResults<Nobody>) -> CurrentResults<Nobody, C>,
) -> f64 {
    let (poll, tables) = (PollId::parse(OnePoll::ID).unwrap(), OnePoll::default());
    let (all, calls): (Vec<_>, Vec<_>) = (0..processes).map(|_| process(&tables)).unzip();
    let all: Vec<_> = all.into_iter().map(share).collect();
    // Ahead of the machine's clock, by which the code times its reads: each then counts as short as can be.
    let began = clock::now().plus_millis(3_600_000);
    let mut random = fastrand::Rng::with_seed(processes);
    let (requests, warm_up_ms) = (processes * REQUESTS * (SECONDS + WARM_UP_SECONDS), WARM_UP_SECONDS * 1_000);
    let mut times: Vec<(u64, usize)> =
        (0..requests).map(|_| (random.u64(..(SECONDS + WARM_UP_SECONDS) * 1_000), random.usize(..all.len()))).collect();
    times.sort_unstable();
    let reads = |calls: &[Calls]| calls.iter().map(|calls| calls.all().len() as u64).sum::<u64>();
    let mut warm = None;
    for (at_ms, number) in times {
        if warm.is_none() && at_ms >= warm_up_ms {
            warm = Some(reads(&calls));
        }
        let now = began.plus_millis(at_ms);
        all[number].document(&poll, None, now).await.unwrap();
    }
    (reads(&calls) - warm.unwrap()) as f64 / SECONDS as f64
}

async fn shared(processes: u64) -> Reads {
    let cache = Variable::default();
    let tables = run(processes, |results| results.sharing(cache.clone())).await;
    let cache = cache.0.lock().unwrap().1 as f64 / (SECONDS + WARM_UP_SECONDS) as f64;
    Reads { tables, cache }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let block = |future: std::pin::Pin<Box<dyn Future<Output = f64>>>| runtime.block_on(future);
    let prices = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/prices.json");
    let prices: serde_json::Value = serde_json::from_slice(&std::fs::read(prices).unwrap()).unwrap();
    let unit = &prices["prices"]["dynamodb_read_unit"];
    let unit_usd = unit["usd"].as_f64().unwrap() / unit["per"].as_f64().unwrap();
    let month_usd = |reads: f64| reads * UNITS * unit_usd * 3_600.0 * HOURS_A_MONTH;
    println!(
        "| warm processes | reads/s of the tables without | with | of the cache | units/s of the poll's partition without | with | $ a month without | with |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let fixed_usd = FIXED_USD_AN_HOUR * HOURS_A_MONTH;
    for processes in [1, 10, 30, 100, 300, 1_000, 3_000] {
        let without = block(Box::pin(run(processes, |results| results.sharing(NotShared))));
        let Reads { tables: with, cache } = runtime.block_on(shared(processes));
        println!(
            "| {processes} | {without:.1} | {with:.1} | {cache:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
            without * UNITS_OF_PARTITION,
            with * UNITS_OF_PARTITION,
            month_usd(without),
            fixed_usd + month_usd(with),
        );
        assert!(with <= without * 1.2, "sharing takes more reads: {with} for {without}");
    }
    println!(
        "\nThe cache costs ${fixed_usd:.2} a month: as much as {:.0} processes that are warm all day long. A partition serves {:.0}.",
        fixed_usd / month_usd(1.0),
        PARTITION_UNITS_MAX / UNITS_OF_PARTITION,
    );
}
