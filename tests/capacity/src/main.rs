//! The capacity model: the whole path of votes under load, in virtual time, by counts. `make viral` runs it, and `make costs`
//! computes what a million votes cost.
//!
//! Votes are numbers here, not items: how many of which lane, stored when. Sizes are measured on what the real code
//! writes, limits and policies are its constants; `docs/viral.md` says what is modelled and what is not.

// A model is a test: it fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod allowance;
mod ballots;
mod cdn;
mod fifo;
mod measures;
mod model;
mod parameters;
mod plot;
mod prices;
mod relay;
mod report;
mod scenarios;
mod sizes;
mod stream;
mod tallies;
mod tally;
#[cfg(test)]
mod tests;
mod tidying;
mod viewers;
mod voters;
mod votes_table;
mod world;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use clap::Parser;
use landslide_domain::usage::CENTS_PER_MILLION_VOTES;

use crate::{
    model::Model,
    parameters::Parameters,
    prices::Prices,
    report::Report,
    scenarios::{SCENARIOS, Scenario},
    tally::Processes,
    viewers::Watching,
};

/// A run allocates all the time, which the C library does slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The path of a viral poll under load, in virtual time, by counts.
#[derive(Parser)]
struct Arguments {
    /// Names of the scenarios; all, if none is given.
    names: Vec<String>,
    /// Where the plots go, one a scenario.
    #[arg(long, default_value = "target/viral")]
    plots: PathBuf,
    /// The list of prices.
    #[arg(long, default_value = "infra/prices.json")]
    prices: PathBuf,
    /// Sets a parameter in all of them, as `partitions=128`.
    #[arg(long)]
    set: Vec<String>,
    /// Prints what a million votes cost, and fails unless this document says the same.
    #[arg(long, value_name = "DOCUMENT")]
    costs_in: Option<PathBuf>,
    /// Runs those who watch results instead of those who vote.
    #[arg(long)]
    viewers: bool,
    /// Prints the table of parameters instead.
    #[arg(long)]
    parameters: bool,
}

fn main() -> ExitCode {
    let is_well = show(&Arguments::parse()).unwrap_or_else(|error| {
        eprintln!("{error}");
        false
    });
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs scenarios, prints what came of them and draws it; whether each came out as it has to.
fn show(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    if arguments.parameters {
        println!("{}", report::parameters_table());
        return Ok(true);
    }
    let told = chosen(&arguments.names)?.into_iter().map(|scenario| Ok((scenario, told(scenario, &arguments.set)?)));
    let told = told.collect::<Result<Vec<_>, String>>()?;
    let prices = Prices::read(&arguments.prices)?;
    std::fs::create_dir_all(&arguments.plots)?;
    if arguments.viewers {
        return show_viewers(arguments, &prices);
    }
    let reports = run_all(&told, &prices);
    if let Some(document) = &arguments.costs_in {
        let votes = says(document, &report::costs_table(&reports, &prices))?;
        let viewers = says(document, &viewers::table(&viewers::run_all(), &prices))?;
        return Ok(charged(&reports) && votes && viewers);
    }
    for report in &reports {
        println!("{report}");
        std::fs::write(arguments.plots.join(format!("{}.svg", report.name)), plot::draw(report)?)?;
    }
    println!("{}", report::results_table(&reports));
    let failed: Vec<&str> = reports.iter().filter(|report| !report.is_well()).map(|report| report.name).collect();
    if failed.is_empty() {
        println!("viral: {} scenarios came out as they have to", reports.len());
    } else {
        println!("viral: not as it has to be: {}", failed.join(", "));
    }
    Ok(failed.is_empty())
}

/// Runs all crowds that watch, prints what came of them and draws it; whether each came out as it has to.
fn show_viewers(arguments: &Arguments, prices: &Prices) -> Result<bool, Box<dyn std::error::Error>> {
    let watching = viewers::run_all();
    watching.iter().for_each(|one| println!("{one}"));
    println!("{}\n", viewers::table(&watching, prices));
    if let Some(first) = watching.first() {
        std::fs::write(arguments.plots.join("viewers.svg"), plot::draw_viewers(first)?)?;
    }
    Ok(watching.iter().all(Watching::is_well))
}

/// Whether a document has a table.
fn says(document: &Path, table: &str) -> Result<bool, Box<dyn std::error::Error>> {
    let is_said = std::fs::read_to_string(document)?.contains(table);
    let verdict = if is_said { "says so" } else { "DOES NOT SAY SO: paste this" };
    println!("{table}\n{} {verdict}\n", document.display());
    Ok(is_said)
}

/// Whether tenants are told the price of a million votes that `steady` has; true if it was not run.
fn charged(reports: &[Report]) -> bool {
    let Some(steady) = reports.iter().find(|report| report.name == "steady") else { return true };
    let cents = (steady.million().0 * 100.0).round() as u64;
    let verdict = if cents == CENTS_PER_MILLION_VOTES { "says so" } else { "DOES NOT SAY SO" };
    println!("domain::usage, which GET /v1/usage shows: {CENTS_PER_MILLION_VOTES} cents; computed: {cents}: {verdict}");
    cents == CENTS_PER_MILLION_VOTES
}

fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>, String> {
    let named = |name: &String| {
        let known = || SCENARIOS.iter().map(|scenario| scenario.name).collect::<Vec<_>>().join(", ");
        let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
        found.ok_or_else(|| format!("there is no scenario {name:?}, only {}", known()))
    };
    if names.is_empty() { Ok(SCENARIOS.iter().collect()) } else { names.iter().map(named).collect() }
}

/// A scenario's parameters. Each `NAME=VALUE` in `set` replaces one.
fn told(scenario: &Scenario, set: &[String]) -> Result<Parameters, String> {
    let mut parameters = (scenario.parameters)();
    for setting in set {
        let (name, value) = setting.split_once('=').ok_or_else(|| format!("{setting:?} is not NAME=VALUE"))?;
        parameters.set(name, value)?;
    }
    Ok(parameters)
}

/// Runs all, as many at once as there are cores.
fn run_all(told: &[(&'static Scenario, Parameters)], prices: &Prices) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    let work = || {
        while let Some((scenario, parameters)) = told.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (model, title) = (run(parameters.clone()), (scenario.name, scenario.about));
            let report = Report::of(title, &model, prices, scenario.demand);
            reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
        }
    };
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let mut reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.sort_by_key(|report| told.iter().position(|(scenario, _)| scenario.name == report.name));
    reports
}

/// Runs from the first voter until everything is counted.
fn run(parameters: Parameters) -> Rc<Model> {
    let model = Model::new(parameters);
    for shard in model.votes.shards() {
        model.world.executor.spawn(relay::read_shard(model.clone(), shard));
    }
    let processes = Rc::<Processes>::default();
    for reader in 0..model.world.parameters.tally_concurrency {
        let later = reader.saturating_sub(model.world.parameters.tally_readers_at_first - 1) as u64;
        let starts_ms = later * 1_000 / model.world.parameters.tally_readers_more_a_second;
        model.world.executor.spawn(tally::read_queue(model.clone(), processes.clone(), starts_ms));
    }
    model.world.executor.spawn(voters::come(model.clone()));
    assert!(model.world.executor.run(u64::MAX), "nothing bounds the polls");
    model.world.executor.clear();
    model
}
