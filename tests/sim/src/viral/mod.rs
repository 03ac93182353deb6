//! The viral model: the whole path of votes under load, in virtual time, by counts.
//!
//! Votes are numbers here, not items: how many of which lane, stored when. Sizes are measured on what the real code
//! writes, limits and policies are its constants; `docs/viral.md` says what is modelled and what is not.

mod allowance;
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
mod voters;
mod votes_table;

use std::{path::PathBuf, rc::Rc};

use clap::Args;

use self::{
    model::Model,
    parameters::Parameters,
    prices::Prices,
    report::Report,
    scenarios::{SCENARIOS, Scenario},
    tally::{Growth, Processes},
};

/// What `viral` is asked for.
#[derive(Args)]
pub struct Arguments {
    /// Names of the scenarios; all, if none is given.
    names: Vec<String>,
    /// Where the plots go, one a scenario.
    #[arg(long, default_value = "target/viral")]
    plots: PathBuf,
    /// The list of prices.
    #[arg(long, default_value = "infra/prices.json")]
    prices: PathBuf,
    /// Prints the table of parameters instead.
    #[arg(long)]
    parameters: bool,
}

/// Runs scenarios, prints what came of them and draws it; whether each came out as it has to.
pub fn main(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    if arguments.parameters {
        println!("{}", report::parameters_table());
        return Ok(true);
    }
    let chosen = chosen(&arguments.names)?;
    let prices = Prices::read(&arguments.prices)?;
    std::fs::create_dir_all(&arguments.plots)?;
    let mut reports = Vec::new();
    for scenario in chosen {
        let report = Report::of(scenario, &run((scenario.parameters)()), &prices);
        println!("{report}");
        plot::draw(&arguments.plots.join(format!("{}.svg", scenario.name)), &report)?;
        reports.push(report);
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

fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>, String> {
    let named = |name: &String| {
        let known = || SCENARIOS.iter().map(|scenario| scenario.name).collect::<Vec<_>>().join(", ");
        let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
        found.ok_or_else(|| format!("there is no scenario {name:?}, only {}", known()))
    };
    if names.is_empty() { Ok(SCENARIOS.iter().collect()) } else { names.iter().map(named).collect() }
}

/// Runs from the first voter until everything is counted.
fn run(parameters: Parameters) -> Rc<Model> {
    let model = Model::new(parameters);
    for shard in model.votes.shards() {
        model.executor.spawn(relay::read_shard(model.clone(), shard));
    }
    let (processes, growth) = (Rc::<Processes>::default(), Rc::<Growth>::default());
    for reader in 0..model.parameters.tally_concurrency {
        let later = reader.saturating_sub(model.parameters.tally_readers_at_first - 1) as u64;
        let starts_ms = later * 1_000 / model.parameters.tally_readers_more_a_second;
        model.executor.spawn(tally::read_queue(model.clone(), processes.clone(), growth.clone(), starts_ms));
    }
    model.executor.spawn(voters::come(model.clone()));
    assert!(model.executor.run(u64::MAX), "nothing bounds the polls");
    model.executor.clear();
    model
}
