//! The deterministic simulation: the real code of voting, relaying, counting and editing over models of DynamoDB, its
//! stream, SQS, Lambda and clocks, driven by one seed.
//!
//! `make sim SEEDS=n SEED_START=m` runs it. Its last line says how many votes were lost and how many counted twice.

// A simulation is a test: it fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod channel;
mod client;
mod cloud;
mod database;
mod executor;
mod faults;
mod lambda;
mod ledger;
mod owners;
mod queue;
mod run;
mod scenario;
mod stream;
mod voters;
mod world;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let (start, seeds) = (arguments.next().unwrap_or(1), arguments.next().unwrap_or(1));
    let began = std::time::Instant::now();
    let mut votes = 0;
    for seed in start..start + seeds {
        let scenario = scenario::Scenario::of(seed);
        let t = std::time::Instant::now();
        let report = run::run(&scenario, seeds == 1);
        votes += report.numbers[0].1;
        if seeds == 1 {
            report.trace.iter().for_each(|l| println!("{l}"));
            println!("{:?} {:?}", report.numbers, report.faults);
        }
        if t.elapsed().as_millis() > 500 { println!("slow {seed} {:?} {scenario:?} {:?}", t.elapsed(), report.numbers); }
        if !report.verdict.breaches.is_empty() {
            println!("seed {seed}: {scenario}\n lost {} double {}", report.verdict.lost, report.verdict.double);
            for b in report.verdict.breaches.iter().take(4) { println!("   {b}"); }
        }
    }
    println!("{votes} votes {:?}", began.elapsed());
}
