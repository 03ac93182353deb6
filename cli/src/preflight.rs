//! `landslide preflight`: checks whether an account has what a deploy needs, before anything is built or changed.

mod facts;
mod read;
mod report;
mod rows;
mod state;
mod template;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use self::facts::Facts;
use self::rows::{Row, Verdict, Wanted};
use self::template::{Parameters, Template};
use crate::signed::Api;
use landslide_cli::stack;

/// Exit code if AWS would refuse the deploy.
const EXIT_STOPS: u8 = 6;
/// Exit code if the stack's state takes no deploy.
const EXIT_STUCK: u8 = 7;

/// Compares an account's quotas and a stack's state with the parameters of a deploy; changes nothing.
///
/// Exit codes: 0 a deploy goes through (perhaps with warnings), 6 AWS would refuse it, 7 the stack's state takes no
/// deploy, 1 the preflight itself failed.
#[derive(clap::Args)]
pub struct Arguments {
    /// The stack's name.
    #[arg(long, default_value = "landslide")]
    stack: String,
    /// A parameter for this deploy. Others keep the stack's values, or the template's defaults.
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = key_and_value)]
    parameters: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it has no =")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Prints the table.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let template = Template::read()?;
    let name = rows::name_row(&arguments.stack);
    if name.verdict == Verdict::Stops {
        return Ok(conclude(&[name]));
    }
    let aws = stack::aws()?;
    let facts = stack::block_on(async {
        let api = Api::of(&aws).await?;
        let account = api.account().await?;
        println!("preflight of stack {}, account {account}, region {}\n", arguments.stack, api.region());
        Ok(read::facts(&api, &arguments.stack).await)
    })?;
    let parameters = parameters(&template, &facts, &arguments.parameters)?;
    let environments = template.environments(&arguments.stack, &parameters);
    let (function, bytes) =
        environments.iter().max_by_key(|(_, bytes)| **bytes).context("the template has no function")?;
    let refused = template.refused(&parameters);
    let wanted = Wanted { parameters: &parameters, environment: (function, *bytes), refused: &refused };
    let rows: Vec<Row> = std::iter::once(name).chain(rows::rows(&wanted, &facts)).collect();
    Ok(conclude(&rows))
}

/// The template's defaults, overridden by the stack's values, then by those given.
fn parameters(template: &Template, facts: &Facts, given: &[(String, String)]) -> Result<Parameters> {
    let mut parameters = template.defaults();
    if let Some((unknown, _)) = given.iter().find(|(name, _)| !parameters.contains_key(name)) {
        bail!("The template has no parameter {unknown}. Its top lists all of them.");
    }
    let now = facts.stack.as_ref().ok().and_then(Option::as_ref).map(|stack| stack.parameters.clone());
    let known = now.into_iter().flatten().filter(|(name, _)| parameters.contains_key(name)).collect::<Vec<_>>();
    parameters.extend(known);
    parameters.extend(given.iter().cloned());
    Ok(parameters)
}

fn conclude(rows: &[Row]) -> ExitCode {
    let worst = rows.iter().map(|row| row.verdict).max().unwrap_or(Verdict::Ok);
    println!("{}\n{}", report::table(rows), report::conclusion(worst));
    match worst {
        Verdict::Ok | Verdict::Warning => ExitCode::SUCCESS,
        Verdict::Stops => ExitCode::from(EXIT_STOPS),
        Verdict::Stuck => ExitCode::from(EXIT_STUCK),
    }
}
