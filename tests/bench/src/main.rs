//! Measures the functions as they ship: each as a process behind a Runtime API of this machine, with AWS answered by a stub
//! over kept connections, and by turns with a floor: the least that a function with one call of AWS can do.
//!
//! `make bench` runs it. Times depend on the machine and on what else it does, multiples of the floor on what it costs to wake
//! a process on another processor.

// A measurement that goes wrong fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod aws;
mod machine;
mod measured;
mod places;
mod process;
mod report;
mod rows;
mod targets;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use crate::{
    aws::Aws,
    measured::{Measured, Run},
    places::Places,
    process::Process,
    rows::{Row, floor, rows},
};

/// Calls before a process is measured: connections, caches and allocations are there then.
const WARM_UPS: usize = 20;

/// Measures the functions' release binaries, which `make package` has built for this machine.
#[derive(Parser)]
pub struct Arguments {
    /// The folder of the functions' zips.
    #[arg(long)]
    zips: PathBuf,
    /// The folder of folders of the functions' binaries.
    #[arg(long, default_value = "target/lambda")]
    binaries: PathBuf,
    /// The floor's binary.
    #[arg(long, default_value = "target/release/landslide-floor")]
    floor: PathBuf,
    /// Where criterion has left its estimates.
    #[arg(long, default_value = "target/criterion")]
    criterion: PathBuf,
    /// How often each function is started and measured.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Calls of a round.
    #[arg(long, default_value_t = 300)]
    calls: usize,
    /// Only the rows whose name contains this, and no targets.
    #[arg(long)]
    only: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let places = Places::take();
    // Before anything else has used memory that could be used again.
    let minute_mb = targets::minute_mb();
    let measured = measure(&arguments, places).await;
    println!("{}; {}\n", machine::shape(), places.shape());
    report::print(&measured);
    if arguments.only.is_none() {
        let missed = targets::print(&measured, &targets::of_paths(&arguments.criterion), minute_mb);
        println!("\n{missed} of the targets missed");
    }
    ExitCode::SUCCESS
}

/// All rows, round by round: a row's every run comes right after one of the floor.
async fn measure(arguments: &Arguments, places: Places) -> Vec<Measured> {
    let aws = Aws::start().await;
    let floor = floor();
    let wanted = rows().into_iter().filter(|row| arguments.only.as_ref().is_none_or(|name| row.name.contains(name)));
    let mut measured: Vec<Measured> = wanted.map(|row| Measured::new(row, &arguments.zips)).collect();
    assert!(!measured.is_empty(), "no row's name contains {:?}", arguments.only.as_deref().unwrap_or_default());
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        for measured in &mut measured {
            let of_floor = run(&floor, &arguments.floor, &aws, places, arguments.calls).await;
            let calls = arguments.calls.div_ceil(measured.row.calls_divisor);
            let binary = arguments.binaries.join(measured.row.function).join("bootstrap");
            measured.add(run(&measured.row, &binary, &aws, places, calls).await, &of_floor);
        }
    }
    measured
}

/// Starts a process, and measures it until it ends.
async fn run(row: &Row, binary: &std::path::Path, aws: &Aws, places: Places, calls: usize) -> Run {
    let (mut process, init_ms) = Process::start(row, binary, aws, places).await;
    let init_cpu_us = process.cpu_us();
    let first_ms = process.call(row).await;
    for _ in 0..WARM_UPS {
        process.call(row).await;
    }
    let (cpu_before, calls_before) = (process.cpu_us(), aws.calls());
    let mut times_ms = Vec::with_capacity(calls);
    for _ in 0..calls {
        times_ms.push(process.call(row).await);
    }
    let a_call = |total: f64| total / calls as f64;
    let run = Run {
        init_ms,
        init_cpu_ms: init_cpu_us / 1_000.0,
        first_ms,
        cpu_us: a_call(process.cpu_us() - cpu_before),
        aws_calls: a_call((aws.calls() - calls_before) as f64),
        peak_mb: process.peak_mb(),
        times_ms,
    };
    row.check_log(&process.end(), 1 + WARM_UPS + calls);
    run
}
