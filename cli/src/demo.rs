//! `landslide demo`: runs a real election through a stack, and compares its count with the official one.

mod election;
mod plan;
mod ranked;
mod report;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use futures_util::future::try_join_all;
use landslide_cli::api::{Api, Results};
use landslide_cli::progress::{Progress, grouped};
use landslide_cli::signing_key::SigningKey;
use landslide_cli::token;
use serde_json::json;

use election::{BALLOTS, FIRST_CHOICES, QUESTION};
use plan::{Afterwards, Ballot};
use report::{Report, Turnout};

/// The poll's owner if the demo signs the token.
const SUBJECT: &str = "demo";
/// The most connections. Each is a socket here and at the stack.
const CONNECTIONS_MAX: u64 = 512;
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
    let count_wait = Duration::from_secs(arguments.count_wait_seconds);
    if arguments.kind == Kind::Ranked {
        return ranked::hold(&api, arguments.voters, arguments.seed, arguments.connections, count_wait).await;
    }
    let votes = election::sample(arguments.voters);
    let ballots = plan::ballots(&votes, arguments.seed);

    let labels = FIRST_CHOICES.map(|(label, _)| label);
    let key = format!("landslide-demo-{:032x}", fastrand::u128(..));
    let poll = json!({"question": QUESTION, "options": labels, "identity": "device"});
    let poll_id = api.create_poll(&poll, &key).await?;
    eprintln!(
        "Poll {poll_id}: {} voters, each a device of its own, over {} connections",
        grouped(arguments.voters),
        arguments.connections
    );

    let election = Election { api: &api, poll_id: &poll_id, progress: Progress::start(arguments.voters) };
    let started = Instant::now();
    let voted = tokio::select! {
        voted = election.vote(&ballots, arguments.connections) => voted,
        error = election.watch() => Err(error),
    };
    election.progress.finish();
    let (turnout, last_vote_at) = voted.with_context(|| format!("poll {poll_id}"))?;
    let voting = started.elapsed();

    let (results, counted_at) =
        election.await_count(turnout.votes(), count_wait).await.with_context(|| format!("poll {poll_id}"))?;
    let counting = counted_at.duration_since(last_vote_at);
    let report = Report { expected: &votes, results: &results, turnout, retries: api.retries(), voting, counting };
    println!("{report}");
    report.check()
}

struct Election<'a> {
    api: &'a Api,
    poll_id: &'a str,
    progress: Progress,
}

impl Election<'_> {
    /// Everyone votes, `connections` at a time. Returns the responses' summary, and when the last vote was answered.
    async fn vote(&self, ballots: &[Ballot], connections: u64) -> Result<(Turnout, Instant)> {
        let queue = Cell::new(ballots.iter());
        let turnout = Cell::new(Turnout::default());
        let last_vote_at = Cell::new(Instant::now());
        try_join_all((0..connections).map(|_| async {
            while let Some(ballot) = next(&queue) {
                self.vote_as_a_device(ballot, &turnout, &last_vote_at).await?;
                self.progress.voted();
            }
            anyhow::Ok(())
        }))
        .await?;
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

        let cast = self.api.cast_vote(self.poll_id, &device, ballot.choice).await?;
        add(turnout, |turnout| if cast.found_on_retry { &mut turnout.found_on_retry } else { &mut turnout.created });
        last_vote_at.set(Instant::now());

        match ballot.afterwards {
            Afterwards::Nothing => {}
            Afterwards::Repeat => {
                self.api.repeat_vote(self.poll_id, &device, ballot.choice, &cast.vote).await?;
                add(turnout, |turnout| &mut turnout.repeats);
            }
            Afterwards::SecondVote { choice } => {
                self.api.try_second_vote(self.poll_id, &device, choice).await?;
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

fn next<'a>(queue: &Cell<std::slice::Iter<'a, Ballot>>) -> Option<&'a Ballot> {
    let mut rest = queue.take();
    let ballot = rest.next();
    queue.set(rest);
    ballot
}

fn add(turnout: &Cell<Turnout>, figure: impl FnOnce(&mut Turnout) -> &mut u64) {
    let mut changed = turnout.get();
    *figure(&mut changed) += 1;
    turnout.set(changed);
}
