//! Runs the simulation: `make sim SEEDS=n SEED_START=m`. The last line says how many votes were lost and how many counted twice.

// A simulation is a test: it fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use clap::Parser;
use landslide_sim::{
    run::{Report, run},
    shrink::{breaks_a_promise, shrink},
    spec::Spec,
    summary::{Summary, group_thousands},
};

/// A run allocates all the time: the C library's took a quarter of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The most lines of a trace that are printed.
const TRACE_LINES_MAX: usize = 400;
/// The most broken promises of a run that are printed.
const BREACHES_MAX: usize = 5;

/// Runs the real code over models of AWS, seed by seed, and holds every promise against what came of it.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    start: u64,
    /// One run alone, with all that happens in it: a seed, or what a failing one was shrunken to.
    #[arg(long)]
    seed: Option<Spec>,
    /// How many threads; as many as there are cores, if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// Does not shrink a run that fails.
    #[arg(long)]
    no_shrink: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_well = match &arguments.seed {
        Some(spec) => show(spec),
        None => run_all(&arguments),
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all seeds, until one fails; whether none did.
fn run_all(arguments: &Arguments) -> bool {
    let (summary, failing) = run_seeds(arguments);
    println!("{summary}");
    let Some(seed) = failing else {
        println!("{}", summary.last_line());
        return true;
    };
    let failed = Spec::of(seed);
    let report = run(&failed.scenario(), false);
    println!("seed {seed} breaks a promise: {}", failed.scenario());
    print_breaches(&report);
    if !arguments.no_shrink {
        let smallest = shrink(&failed);
        println!("\nshrunken to {}:", smallest.scenario());
        print_run(&smallest);
        println!("\nreplay: make sim SEED='{smallest}'");
    }
    println!("{}", summary.last_line());
    false
}

/// The sums over the seeds, and the first that failed.
fn run_seeds(arguments: &Arguments) -> (Summary, Option<u64>) {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let (next, has_failed) = (AtomicU64::new(arguments.start), AtomicBool::new(false));
    let (summary, failing) = (Mutex::new(Summary::default()), Mutex::new(None::<u64>));
    let end = arguments.start + arguments.seeds;
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || has_failed.load(Ordering::Relaxed) {
                return;
            }
            let report = run(&Spec::of(seed).scenario(), false);
            if breaks_a_promise(&report) {
                has_failed.store(true, Ordering::Relaxed);
                let mut failing = failing.lock().unwrap();
                *failing = Some(failing.map_or(seed, |before| before.min(seed)));
            }
            summary.lock().unwrap().add(&report);
        }
    };
    thread::scope(|scope| {
        (0..arguments.threads.unwrap_or(cores)).for_each(|_| drop(scope.spawn(work)));
    });
    (summary.into_inner().unwrap(), failing.into_inner().unwrap())
}

/// Shows one run; whether it kept all promises.
fn show(spec: &Spec) -> bool {
    println!("seed {spec}: {}", spec.scenario());
    let report = print_run(spec);
    let mut summary = Summary::default();
    summary.add(&report);
    println!("{summary}\n{}", summary.last_line());
    !breaks_a_promise(&report)
}

fn print_run(spec: &Spec) -> Report {
    let report = run(&spec.scenario(), true);
    let lines = report.trace.len();
    if lines > TRACE_LINES_MAX {
        println!("({} lines before these)", group_thousands((lines - TRACE_LINES_MAX) as u64));
    }
    report.trace.iter().skip(lines.saturating_sub(TRACE_LINES_MAX)).for_each(|line| println!("{line}"));
    print_breaches(&report);
    report
}

fn print_breaches(report: &Report) {
    let breaches = &report.verdict.breaches;
    breaches.iter().take(BREACHES_MAX).for_each(|breach| println!("  {breach}"));
    if breaches.len() > BREACHES_MAX {
        println!("  and {} more", breaches.len() - BREACHES_MAX);
    }
}
