//! `landslide-load`: votes through a running stack as fast as it takes them, and what they cost. `make load` calls it.

mod report;
mod watch;

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use hdrhistogram::Histogram;
use landslide_cli::api::Api;
use landslide_cli::progress::{Progress, grouped};
use landslide_cli::signing::Signer;
use landslide_cli::signing_key::SigningKey;
use landslide_cli::stack::{self, Tables};
use landslide_cli::token;
use landslide_domain::time::Timestamp;
use landslide_load::lag::{self, Look};
use landslide_load::meter::Meter;
use landslide_load::voters::{Load, Voter};
use report::Report;
use serde_json::json;
use watch::Watch;

/// Whose poll it is.
const OWNER: &str = "load";
/// What there is to choose.
const OPTIONS: usize = 4;
/// Connections at most; each of them is a socket here and at the stack.
const CONNECTIONS_MAX: u64 = 512;
/// Tokens are signed before the first vote, and held in memory: some 700 bytes each.
const VOTERS_MAX: u64 = 1_000_000;

/// Sends votes of new voters through a running stack, and checks the counts. Exit code 1 where a count is not what was
/// acknowledged.
#[derive(Parser)]
#[command(name = "landslide-load", version)]
struct Arguments {
    /// The API of the stack (its output `ApiUrl`).
    #[arg(long, value_name = "URL")]
    url: String,
    /// The key of the local issuer, which signs the poll's owner's token and the voters'. A voter of its own token costs
    /// one call of the authorizer, as a new device does, and no registration.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    tables: Tables,
    /// Voters, each with one vote.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=VOTERS_MAX))]
    voters: u64,
    /// Connections, each with one request at a time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=CONNECTIONS_MAX))]
    connections: u64,
    /// How long a connection rests before each vote: with one connection and a second or more, lone votes.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pause_ms: u64,
    /// What the poll expects (`peak_votes_per_second`), which decides on its lanes.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    peak: u64,
    /// Where the calls of relay-votes and tally-votes come along on their way to AWS_ENDPOINT_URL; `make load` leads them there.
    #[arg(long, value_name = "ADDRESS")]
    meter: Option<String>,
    /// How long the count may take after the last vote.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    count_wait_seconds: u64,
}

fn main() -> ExitCode {
    let done = tokio::runtime::Runtime::new()
        .context("start the runtime")
        .and_then(|runtime| runtime.block_on(load(Arguments::parse())));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("landslide-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What was acknowledged.
struct Votes {
    by_option: [u64; OPTIONS],
    found_on_retry: u64,
    cast_at: Vec<Timestamp>,
    latency: Histogram<u64>,
    looks: Vec<Look>,
}

async fn load(arguments: Arguments) -> Result<()> {
    let aws = stack::aws()?;
    let key = SigningKey::read(&arguments.key)?;
    let connections = usize::try_from(arguments.connections)?;
    let api = Api::new(&arguments.url, &token::local(&key, OWNER)?, connections)?;
    let meter = match &arguments.meter {
        Some(address) => {
            let endpoint = aws.endpoint_url().context("--meter goes with AWS_ENDPOINT_URL")?;
            Some(Meter::start(address, endpoint, Signer::of(&aws).await?).await?)
        }
        None => None,
    };
    let poll = json!({
        "question": "How much?", "options": ["a", "b", "c", "d"], "peak_votes_per_second": arguments.peak,
    });
    let poll_id = api.create_poll(&poll, &format!("landslide-load-{:032x}", fastrand::u128(..))).await?;
    eprintln!(
        "Poll {poll_id}: {} voters over {} connections; signing their tokens",
        grouped(arguments.voters),
        arguments.connections
    );
    let voters: Vec<Voter> = (0..arguments.voters).map(|number| voter(&key, number)).collect::<Result<_>>()?;
    let watch = Watch::new(&aws, arguments.tables, &poll_id)?;
    let load = Load { api: &api, poll_id: &poll_id, connections, pause: Duration::from_millis(arguments.pause_ms) };
    let progress = Progress::start(arguments.voters);
    let votes = RefCell::new(Votes {
        by_option: [0; OPTIONS],
        found_on_retry: 0,
        cast_at: Vec::with_capacity(voters.len()),
        latency: Histogram::new(lag::DIGITS)?,
        looks: Vec::new(),
    });
    let see = |look: Look| {
        progress.counted(look.ballots);
        votes.borrow_mut().looks.push(look);
    };
    let started = Instant::now();
    let voted = tokio::select! {
        voted = load.run(voters.into_iter(), |voter, cast| {
            let cast = cast?;
            let mut votes = votes.borrow_mut();
            votes.by_option.iter_mut().skip(voter.choice).take(1).for_each(|votes| *votes += 1);
            votes.found_on_retry += u64::from(cast.found_on_retry);
            votes.cast_at.push(cast.vote.cast_at);
            votes.latency.record(cast.took.as_micros().try_into()?)?;
            progress.voted();
            Ok(())
        }) => voted,
        error = watch.look_on(see) => Err(error),
    };
    let voting = started.elapsed();
    progress.finish();
    voted.with_context(|| format!("poll {poll_id}"))?;
    let expected = votes.borrow().by_option;
    let counted = watch.counts_are(&expected, Duration::from_secs(arguments.count_wait_seconds), see).await;
    let votes = votes.into_inner();
    let lag = lag::lags(votes.cast_at, &votes.looks)?;
    let report = Report {
        votes: expected.iter().sum(),
        found_on_retry: votes.found_on_retry,
        voting,
        latency: &votes.latency,
        retries: api.retries(),
        lag: &lag,
        reading: meter.map(|meter| meter.reading()),
    };
    println!("{report}\n");
    counted.with_context(|| format!("poll {poll_id}"))?;
    println!("counted     {} votes, option by option what was acknowledged", grouped(report.votes));
    Ok(())
}

fn voter(key: &SigningKey, number: u64) -> Result<Voter> {
    let subject = format!("load-{number}");
    let choice = fastrand::usize(..OPTIONS);
    Ok(Voter { token: token::local(key, &subject)?, subject, choice, change: None })
}
