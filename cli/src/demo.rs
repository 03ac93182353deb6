//! `landslide demo`: runs a real election through a stack, and compares its count with the official one.

mod chart;
mod election;
mod plan;
mod ranked;
mod report;
mod voters;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use landslide_aws::clock;
use landslide_cli::api::{Api, Results, choice};
use landslide_cli::progress::{Progress, grouped};
use landslide_cli::signing_key::SigningKey;
use landslide_cli::token;
use landslide_domain::time::Timestamp;
use serde_json::{Map, Value, json};

use chart::Expected;
use election::{BALLOTS, QUESTION, labels};
use plan::{Afterwards, Ballot};
use report::{Report, Turnout};
use voters::all_vote;

/// The poll's owner if the demo signs the token.
const SUBJECT: &str = "demo";
/// The most connections. Each is a socket here and at the stack.
const CONNECTIONS_MAX: u64 = 512;
/// The longest time over which voters can be spread.
const SPREAD_SECONDS_MAX: u64 = 7_200;
/// How long a poll with a series stays open after the time for its voters. A poll that is open for a few hours is counted
/// by minutes.
const OPEN_AFTERWARDS: Duration = Duration::from_secs(3_600);
/// Time between two reads of the results while voters vote.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two reads of the results once all have voted. The measured time is no finer than this.
const COUNT_INTERVAL: Duration = Duration::from_millis(100);
/// A complete count is read again after this time, as a vote counted twice would show late.
const COUNT_RECHECK: Duration = Duration::from_secs(2);

/// Replays the 2009 mayoral election of Burlington, Vermont, through a running stack, and checks the count.
#[derive(Args)]
pub struct Arguments {
    /// The API of the stack (its output `ApiUrl`).
    #[arg(long, value_name = "URL")]
    url: String,
    #[command(flatten)]
    account: Account,
    /// How many voters vote. Fewer than all are a proportional sample.
    #[arg(long, value_name = "N", default_value_t = BALLOTS, value_parser = clap::value_parser!(u64).range(1..=BALLOTS))]
    voters: u64,
    /// What the poll asks for: one option of each voter, or the whole ballots.
    #[arg(long, value_enum, default_value_t = Kind::Single)]
    kind: Kind,
    /// How many connections are used, each with one request at a time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=CONNECTIONS_MAX))]
    connections: u64,
    /// Determines the ballots' order and who votes twice.
    #[arg(long, value_name = "S", default_value_t = 2009)]
    seed: u64,
    /// How long the count may take after the last vote.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    count_wait_seconds: u64,
    /// Spreads the voters over this time, most of them in its middle. They vote as fast as they can without it.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=SPREAD_SECONDS_MAX))]
    spread_seconds: Option<u64>,
    /// Counts the votes by minutes too, and draws that into this file, as an SVG.
    #[arg(long, value_name = "FILE", requires = "spread_seconds")]
    chart: Option<PathBuf>,
}

impl Arguments {
    fn count_wait(&self) -> Duration {
        Duration::from_secs(self.count_wait_seconds)
    }

    fn spread(&self) -> Option<Duration> {
        self.spread_seconds.map(Duration::from_secs)
    }

    /// Creates the poll with these settings and those that all of the demo's polls have. Returns its id.
    async fn create_poll(&self, api: &Api, settings: Value) -> Result<String> {
        let for_all = json!({"question": QUESTION, "identity": "device"});
        let by_time = json!({"series": true, "closes_at": self.closes_at()});
        let all = [Some(settings), Some(for_all), self.chart.as_ref().map(|_| by_time)].into_iter().flatten();
        let poll: Map<String, Value> = all.filter_map(|some| some.as_object().cloned()).flatten().collect();
        api.create_poll(&Value::Object(poll), &format!("landslide-demo-{:032x}", fastrand::u128(..))).await
    }

    fn closes_at(&self) -> Timestamp {
        let open = self.spread().unwrap_or_default() + OPEN_AFTERWARDS;
        clock::now().plus_millis(u64::try_from(open.as_millis()).unwrap_or(u64::MAX))
    }

    /// Has a voter cast each of these ballots, and shows how far it is.
    async fn all_vote<T>(
        &self,
        ballots: &[T],
        progress: &Progress,
        vote: impl AsyncFn(&T) -> Result<()>,
    ) -> Result<()> {
        all_vote(ballots, usize::try_from(self.connections)?, self.spread(), progress, vote).await
    }
}

/// The kind of poll in which the election is held.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// First choices.
    Single,
    /// Rankings, counted by three methods.
    Ranked,
}

/// The account that creates the poll.
#[derive(Args)]
#[group(required = true)]
struct Account {
    /// An account token.
    #[arg(long, value_name = "TOKEN", env = "LANDSLIDE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The key of a local issuer, as `landslide issuer` creates it. The demo signs its own token with it, and ignores
    /// one in the environment.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Account {
    fn token(&self) -> Result<String> {
        match (&self.key, &self.token) {
            (Some(key), _) => token::local(&SigningKey::read(key)?, SUBJECT),
            (None, Some(token)) => Ok(token.clone()),
            (None, None) => bail!("Name a token by --token, or a key by --key."),
        }
    }
}

/// Runs the election. Fails if a response is not the expected one, or a count differs.
pub fn run(arguments: &Arguments) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?
        .block_on(hold_election(arguments))
}

async fn hold_election(arguments: &Arguments) -> Result<()> {
    let api = Api::new(&arguments.url, &arguments.account.token()?, usize::try_from(arguments.connections)?)?;
    let (poll_id, expected) = match arguments.kind {
        Kind::Single => hold_by_first_choices(&api, arguments).await?,
        Kind::Ranked => ranked::hold(&api, arguments).await?,
    };
    match &arguments.chart {
        Some(file) => expected.draw(&api, &poll_id, arguments.count_wait(), file).await,
        None => Ok(()),
    }
}

/// Casts first choices, and fails unless all are counted. Returns the poll and its votes.
async fn hold_by_first_choices(api: &Api, arguments: &Arguments) -> Result<(String, Expected)> {
    let votes = election::sample(arguments.voters);
    let ballots = plan::ballots(&votes, arguments.seed);
    let poll_id = arguments.create_poll(api, json!({"options": labels()})).await?;
    eprintln!(
        "Poll {poll_id}: {} voters, each a device of its own, over {} connections",
        grouped(arguments.voters),
        arguments.connections
    );

    let election = Election { api, poll_id: &poll_id, progress: Progress::start(arguments.voters) };
    let started = Instant::now();
    let voted = tokio::select! {
        voted = election.vote(&ballots, arguments) => voted,
        error = election.watch() => Err(error),
    };
    election.progress.finish();
    let (turnout, last_vote_at) = voted.with_context(|| format!("poll {poll_id}"))?;
    let voting = started.elapsed();

    let (results, counted_at) = election
        .await_count(turnout.votes(), arguments.count_wait())
        .await
        .with_context(|| format!("poll {poll_id}"))?;
    let counting = counted_at.duration_since(last_vote_at);
    let report = Report { expected: &votes, results: &results, turnout, retries: api.retries(), voting, counting };
    println!("{report}");
    report.check()?;
    let expected = Expected { labels: labels().map(str::to_owned).to_vec(), votes: votes.to_vec() };
    Ok((poll_id, expected))
}

struct Election<'a> {
    api: &'a Api,
    poll_id: &'a str,
    progress: Progress,
}

impl Election<'_> {
    /// Everyone votes. Returns the responses' summary, and when the last vote was answered.
    async fn vote(&self, ballots: &[Ballot], arguments: &Arguments) -> Result<(Turnout, Instant)> {
        let turnout = Cell::new(Turnout::default());
        let last_vote_at = Cell::new(Instant::now());
        let vote = async |ballot: &Ballot| self.vote_as_a_device(ballot, &turnout, &last_vote_at).await;
        arguments.all_vote(ballots, &self.progress, vote).await?;
        Ok((turnout.get(), last_vote_at.get()))
    }

    async fn vote_as_a_device(
        &self,
        ballot: &Ballot,
        turnout: &Cell<Turnout>,
        last_vote_at: &Cell<Instant>,
    ) -> Result<()> {
        let device = self.api.register_device().await?;
        add(turnout, |turnout| &mut turnout.registrations);

        let cast = self.api.cast_vote(self.poll_id, &device, &choice(ballot.choice)).await?;
        add(turnout, |turnout| if cast.found_on_retry { &mut turnout.found_on_retry } else { &mut turnout.created });
        last_vote_at.set(Instant::now());

        match ballot.afterwards {
            Afterwards::Nothing => {}
            Afterwards::Repeat => {
                self.api.repeat_vote(self.poll_id, &device, &choice(ballot.choice), &cast.vote).await?;
                add(turnout, |turnout| &mut turnout.repeats);
            }
            Afterwards::SecondVote { choice: other } => {
                self.api.try_second_vote(self.poll_id, &device, &choice(other)).await?;
                add(turnout, |turnout| &mut turnout.second_votes);
            }
        }
        Ok(())
    }

    /// Shows the count's progress, until the results can't be read.
    async fn watch(&self) -> anyhow::Error {
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            match self.api.results(self.poll_id).await {
                Ok(results) => self.progress.counted(results.ballots),
                Err(error) => return error,
            }
        }
    }

    /// Waits until `votes` are counted. Returns the results, read once more after a while, and when they were complete.
    async fn await_count(&self, votes: u64, wait_max: Duration) -> Result<(Results, Instant)> {
        let started = Instant::now();
        let counted_at = loop {
            let ballots = self.api.results(self.poll_id).await?.ballots;
            ensure!(ballots <= votes, "{} votes were cast, but {} are counted.", grouped(votes), grouped(ballots));
            if ballots == votes {
                break Instant::now();
            }
            if started.elapsed() >= wait_max {
                bail!(
                    "{} votes were cast, but only {} are counted {} s after the last one.",
                    grouped(votes),
                    grouped(ballots),
                    wait_max.as_secs()
                );
            }
            tokio::time::sleep(COUNT_INTERVAL).await;
        };
        tokio::time::sleep(COUNT_RECHECK).await;
        Ok((self.api.results(self.poll_id).await?, counted_at))
    }
}

fn add(turnout: &Cell<Turnout>, figure: impl FnOnce(&mut Turnout) -> &mut u64) {
    let mut changed = turnout.get();
    *figure(&mut changed) += 1;
    turnout.set(changed);
}
