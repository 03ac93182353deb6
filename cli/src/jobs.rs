//! `landslide jobs`: shows what is done in polls by itself, and has a job that was given up tried again.

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};
use landslide_aws::{
    clock,
    queue::Queue,
    store::{JobState, JobStore},
};
use landslide_cli::stack::{aws, block_on, explain};
use landslide_domain::{due::Job, ids::PollId, time::Timestamp};
use landslide_jobs::step::{Step, Steps};

use crate::consent::Consent;

/// A job without a step for as long was killed over it, or its message lies among the dead letters.
const STALLED_MS: u64 = 30 * 60_000;

/// Shows what is done in polls by itself, and has a job that was given up tried again.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists the jobs that are not done: those that were given up first, with why.
    List(List),
    /// Begins a job over a poll once more, or for the first time where nothing has found that it is due.
    Retry(Retry),
}

#[derive(Args)]
struct List {
    /// Lists those that are done too.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    stack: Stack,
}

#[derive(Args)]
struct Retry {
    /// The poll's id.
    #[arg(value_name = "POLL", value_parser = poll_id)]
    poll: PollId,
    /// The stack's output `FinaliseQueueUrl`.
    #[arg(long, value_name = "URL", env = "FINALISE_QUEUE_URL")]
    finalise_queue_url: String,
    #[command(flatten)]
    stack: Stack,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Args)]
struct Stack {
    /// The stack's output `JobsTable`.
    #[arg(long, value_name = "TABLE", env = "JOBS_TABLE")]
    jobs_table: String,
}

fn poll_id(text: &str) -> Result<PollId, String> {
    PollId::parse(text).ok_or_else(|| "it is no poll's id".to_owned())
}

/// Runs it.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.action {
        Action::List(list) => block_on(show(list)),
        Action::Retry(retry) => block_on(try_again(retry)),
    }
}

async fn show(list: &List) -> Result<()> {
    let jobs = JobStore::new(&aws()?, list.stack.jobs_table.clone());
    let states = jobs.all().await.map_err(|error| explain(error, "the Jobs table"))?;
    let (now, known) = (clock::now(), states.len());
    let mut rows: Vec<(Standing, JobState)> =
        states.into_iter().map(|state| (Standing::of(&state, now), state)).collect();
    rows.retain(|(standing, _)| list.all || *standing != Standing::Done);
    rows.sort_by_key(|(standing, state)| (*standing, state.at));
    for (standing, state) in &rows {
        println!("{}", line(*standing, state));
    }
    if rows.is_empty() {
        println!("No job is under way. {known} are known.");
    }
    Ok(())
}

async fn try_again(retry: &Retry) -> Result<()> {
    let aws = aws()?;
    retry
        .consent
        .ask(&aws, "seals a poll's counts and makes them again from its votes", &retry.stack.jobs_table)
        .await?;
    let jobs = JobStore::new(&aws, retry.stack.jobs_table.clone());
    if let Some(state) =
        jobs.state(Job::Finalise, &retry.poll).await.map_err(|error| explain(error, "the Jobs table"))?
        && state.done_at.is_some()
    {
        bail!("the counts of poll {} are final already", retry.poll);
    }
    let again = jobs.try_again(Job::Finalise, &retry.poll, clock::now()).await;
    again.map_err(|error| explain(error, "the Jobs table"))?;
    let queue = Queue::new(&aws, retry.finalise_queue_url.clone());
    let sent = queue.send(&[Step::first(retry.poll.clone())]).await;
    sent.map_err(|error| anyhow!(error).context("the job's first step was not sent; try again"))?;
    println!("The counts of poll {} are made final now. `landslide jobs list` shows how far it is.", retry.poll);
    Ok(())
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    GivenUp,
    Stalled,
    UnderWay,
    Done,
}

impl Standing {
    fn of(state: &JobState, now: Timestamp) -> Self {
        match state {
            JobState { failed_at: Some(_), .. } => Self::GivenUp,
            JobState { done_at: Some(_), .. } => Self::Done,
            JobState { at, .. } if now.millis_since(*at) > STALLED_MS => Self::Stalled,
            _ => Self::UnderWay,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::GivenUp => "given up",
            Self::Stalled => "stalled",
            Self::UnderWay => "under way",
            Self::Done => "done",
        }
    }
}

fn line(standing: Standing, state: &JobState) -> String {
    let JobState { job, poll_id, at, error, split, .. } = state;
    let parts = split.map(|(split, done)| format!("  {done} of {} parts", split.parts)).unwrap_or_default();
    let error = error.as_ref().map(|error| format!("  {error}")).unwrap_or_default();
    format!("{:9}  {}  {poll_id}  {at}{parts}{error}", standing.word(), job.name())
}

#[cfg(test)]
mod tests {
    use landslide_domain::{
        lane::Split,
        time::{DAY_MS, MINUTE_MS},
    };

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::EPOCH.plus_millis(20_000 * DAY_MS + millis)
    }

    fn state() -> JobState {
        let poll_id = PollId::parse("p1").unwrap();
        JobState {
            job: Job::Finalise,
            poll_id,
            at: at(0),
            until: None,
            done_at: None,
            failed_at: None,
            error: None,
            knows_off: false,
            split: None,
        }
    }

    #[test]
    fn a_job_without_a_step_for_half_an_hour_has_stalled() {
        assert_eq!(Standing::of(&state(), at(30 * MINUTE_MS)), Standing::UnderWay);
        assert_eq!(Standing::of(&state(), at(30 * MINUTE_MS + 1)), Standing::Stalled);
        assert_eq!(Standing::of(&JobState { done_at: Some(at(0)), ..state() }, at(DAY_MS)), Standing::Done);
        assert_eq!(Standing::of(&JobState { failed_at: Some(at(0)), ..state() }, at(1)), Standing::GivenUp);
    }

    #[test]
    fn a_line_says_how_far_a_job_is_and_why_not_further() {
        let split = Some((Split { parts: 4, at: at(0) }, 3));
        let line =
            line(Standing::UnderWay, &JobState { split, error: Some("read votes: no answer".to_owned()), ..state() });
        assert_eq!(line, "under way  finalise  p1  2024-10-04T00:00:00.000Z  3 of 4 parts  read votes: no answer");
    }
}
