//! `landslide-noisy`: whether a tenant that storms management and reads slows another tenant's voters. `make noisy`
//! calls it.
//!
//! Rounds without and with the storm take turns, so that what the machine does besides meets both alike. On a machine
//! that runs everything itself the storm takes processor time from the voters; the counts hold there too.

use std::{
    cell::{Cell, RefCell},
    fmt,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures_util::future::join_all;
use hdrhistogram::Histogram;
use landslide_cli::{api::Api, progress::grouped, signing_key::SigningKey, stack, token};
use landslide_load::{
    lag,
    voters::{Load, Voter},
};
use serde_json::{Value, json};

/// How many rounds there are of each kind.
const ROUNDS: u64 = 4;
/// What there is to choose.
const OPTIONS: usize = 2;
/// How often the results are looked at until all votes are counted, and the pause before each look.
const LOOKS_MAX: u32 = 600;
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// Compares how long one tenant's voters wait while another tenant storms the API, and while it does not. Exit code 1
/// where a vote is refused or not counted, or the storm is not.
#[derive(Parser)]
#[command(name = "landslide-noisy", version)]
struct Arguments {
    /// The API of the stack (its output `ApiUrl`).
    #[arg(long, value_name = "URL")]
    url: String,
    /// The key of the local issuer, which signs all tokens.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Voters, half of them while there is a storm.
    #[arg(long, value_name = "N", default_value_t = 800, value_parser = clap::value_parser!(u64).range(8..=100_000))]
    voters: u64,
    /// Voters at once.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=512))]
    connections: u64,
    /// Requests of the storm at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=512))]
    storm: u64,
    /// How long each of them rests between two requests. Without a rest the storm takes all that a single machine has.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pause_ms: u64,
}

fn main() -> ExitCode {
    match stack::block_on(compare(Arguments::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("landslide-noisy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn compare(arguments: Arguments) -> Result<()> {
    let key = SigningKey::read(&arguments.key)?;
    let quiet =
        Api::new(&arguments.url, &token::local(&key, &someone("quiet"))?, usize::try_from(arguments.connections)?)?;
    let poll = json!({"question": "Is it calm?", "options": ["yes", "no"]});
    let poll_id = quiet.create_poll(&poll, &someone("poll")).await?;
    let storm = Storm::new(&arguments, &key, &poll).await?;
    let (calm, stormy) = (RefCell::new(Votes::new()?), RefCell::new(Votes::new()?));
    let voters = arguments.voters / (2 * ROUNDS);
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        vote(&quiet, &poll_id, &arguments, &key, voters, &calm).await?;
        tokio::select! {
            voted = vote(&quiet, &poll_id, &arguments, &key, voters, &stormy) => voted?,
            () = storm.rage() => {}
        }
    }
    let (calm, stormy) = (calm.into_inner(), stormy.into_inner());
    let cast = calm.latency.len() + stormy.latency.len();
    println!("{}", Report { calm: &calm, stormy: &stormy, storm: &storm.seen });
    ensure!(quiet.retries().total() == 0, "{} requests for a vote had to be repeated", quiet.retries().total());
    all_are_counted(&quiet, &poll_id, cast).await?;
    println!("counted       {} votes of {}", grouped(cast), grouped(cast));
    ensure!(storm.seen.refused.get() > 0, "the storm met no limit: more --voters, or a lower RequestsPerMinute");
    Ok(())
}

fn someone(what: &str) -> String {
    format!("noisy-{what}-{:016x}", fastrand::u64(..))
}

/// How long votes took that were 201 at once.
struct Votes {
    latency: Histogram<u64>,
}

impl Votes {
    fn new() -> Result<Self> {
        Ok(Self { latency: Histogram::new(lag::DIGITS)? })
    }

    fn ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

async fn vote(
    api: &Api,
    poll_id: &str,
    arguments: &Arguments,
    key: &SigningKey,
    voters: u64,
    votes: &RefCell<Votes>,
) -> Result<()> {
    let voter = |_| {
        let subject = someone("voter");
        Ok(Voter { token: token::local(key, &subject)?, subject, choice: fastrand::usize(..OPTIONS), change: None })
    };
    let voters: Vec<Voter> = (0..voters).map(voter).collect::<Result<_>>()?;
    let load = Load { api, poll_id, connections: usize::try_from(arguments.connections)?, pause: Duration::ZERO };
    load.run(voters.into_iter(), |_, cast| {
        votes.borrow_mut().latency.record(cast?.took.as_micros().try_into()?)?;
        Ok(())
    })
    .await
}

async fn all_are_counted(api: &Api, poll_id: &str, votes: u64) -> Result<()> {
    for _ in 0..LOOKS_MAX {
        if api.results(poll_id).await?.ballots == votes {
            return Ok(());
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    let ballots = api.results(poll_id).await?.ballots;
    ensure!(ballots == votes, "{ballots} votes are counted, of {votes}");
    Ok(())
}

/// A tenant that lists its polls and reads results as fast as it can.
struct Storm {
    http: reqwest::Client,
    base: String,
    token: String,
    poll_id: String,
    at_once: u64,
    pause: Duration,
    seen: Seen,
}

/// What the storm's requests got.
#[derive(Default)]
struct Seen {
    managed: Cell<u64>,
    refused: Cell<u64>,
    read: Cell<u64>,
    otherwise: Cell<u64>,
}

impl Storm {
    async fn new(arguments: &Arguments, key: &SigningKey, poll: &Value) -> Result<Self> {
        let token = token::local(key, &someone("storm"))?;
        let poll_id = Api::new(&arguments.url, &token, 1)?.create_poll(poll, &someone("poll")).await?;
        let http = reqwest::Client::builder().no_proxy().build().context("make a client")?;
        let base = arguments.url.trim().trim_end_matches('/').to_owned();
        let (at_once, pause) = (arguments.storm, Duration::from_millis(arguments.pause_ms));
        Ok(Self { http, base, token, poll_id, at_once, pause, seen: Seen::default() })
    }

    /// Never ends.
    async fn rage(&self) {
        let one = async || {
            loop {
                self.manage().await;
                tokio::time::sleep(self.pause).await;
                self.read().await;
                tokio::time::sleep(self.pause).await;
            }
        };
        join_all((0..self.at_once).map(|_| one())).await;
    }

    async fn manage(&self) {
        let request = self.http.get(format!("{}/v1/polls", self.base)).bearer_auth(&self.token);
        let refused = match request.send().await {
            Ok(answer) if answer.status() == 200 => return count(&self.seen.managed),
            Ok(answer) if answer.status() == 429 => answer.json::<Value>().await.unwrap_or_default(),
            _ => Value::Null,
        };
        let is_limit = refused.get("code").is_some_and(|code| code == "limit_exceeded");
        count(if is_limit { &self.seen.refused } else { &self.seen.otherwise });
    }

    async fn read(&self) {
        let request = self.http.get(format!("{}/v1/polls/{}/results", self.base, self.poll_id));
        let is_read = request.send().await.is_ok_and(|answer| answer.status() == 200);
        count(if is_read { &self.seen.read } else { &self.seen.otherwise });
    }
}

fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

struct Report<'a> {
    calm: &'a Votes,
    stormy: &'a Votes,
    storm: &'a Seen,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "voters            votes      p50 ms     p90 ms     p99 ms")?;
        for (name, votes) in [("without", self.calm), ("with the storm", self.stormy)] {
            let [half, most, last] = [0.5, 0.9, 0.99].map(|quantile| votes.ms(quantile));
            writeln!(f, "{name:<14} {:>8} {half:>11.1} {most:>10.1} {last:>10.1}", grouped(votes.latency.len()))?;
        }
        let [half, most, last] = [0.5, 0.9, 0.99].map(|quantile| self.stormy.ms(quantile) / self.calm.ms(quantile));
        writeln!(f, "{:<14} {:>8} {half:>11.2} {most:>10.2} {last:>10.2}", "ratio", "")?;
        let Seen { managed, refused, read, otherwise } = self.storm;
        let [managed, refused, read, otherwise] = [managed, refused, read, otherwise].map(|count| grouped(count.get()));
        write!(
            f,
            "the storm     {managed} management requests answered, {refused} refused with limit_exceeded, {read} reads, \
             {otherwise} otherwise"
        )
    }
}
