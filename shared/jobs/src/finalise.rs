//! Makes a closed poll's counts final, from its vote items.
//!
//! 1. All lanes are sealed: no message changes a count any more.
//! 2. The votes are recounted, which have stood still since five minutes after closing: in this step where they are few, else
//!    part by part, each in a step of its own.
//! 3. The lanes' counts are replaced by the recount.
//! 4. One conditional write in the poll's rules says that they are final.
//!
//! It waits for no message. Each step may be cut off, done twice, or done by two processes at once: they meet at the lanes'
//! versions, and at the condition of the last write.

use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    queue::{Queue, SendError},
    sdk,
    store::{
        DynamoDb, DynamoDbClient, JobStore, LaneStoreError, PARTS_KEPT_MS, PollStore, StoreError, Taken, TallyStore,
        VoteStore,
    },
};
use landslide_counting::tallies::{
    merging,
    parts::{put_part, sum_of_parts},
    rebuild::{Rebuild, RebuildError, Recount, Sealed, VOTES_KEPT_MS, difference},
};
use landslide_domain::{
    due::{Job, LANDED_MS},
    ids::PollId,
    lane::Split,
    poll::{Finality, Rules},
    runs::{RUN_LIMITS, RunLimits},
    time::{MINUTE_MS, Timestamp},
};

use crate::step::{Step, Steps, What};

/// How many votes a step counts at most, if one partition has not more and voters are spread evenly.
const VOTES_A_STEP: u64 = 100_000;
/// Into how many parts a poll's votes are split at least once counting them has failed: smaller steps end where one that
/// reads every partition runs out of time, and what they have done stays done.
const PARTS_AFTER_A_FAILURE: u16 = 16;
/// How many partitions are read at once.
const PARTITIONS_AT_ONCE: usize = 16;
/// For how long a process has the job: as long as it may run, and a second of clock skew. In milliseconds.
pub const LEASE_MS: u64 = MINUTE_MS + 1_000;

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum FinaliseError {
    /// A table did not answer. Trying again is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A lane could not be read or written, or another process has written it. Trying again is safe.
    #[error(transparent)]
    Lane(#[from] LaneStoreError),
    /// The queue did not take the next steps. Trying again is safe.
    #[error(transparent)]
    Send(#[from] SendError),
    /// It is too early, or not all parts are done, or the poll was changed meanwhile. It can be done later.
    #[error("{0}")]
    NotYet(&'static str),
    /// Another process has the job, or has died with it. It can be done once that one's time is over.
    #[error("another process has the job")]
    Busy,
    /// It can't be done at all.
    #[error("{0}")]
    Never(&'static str),
}

impl From<RebuildError> for FinaliseError {
    fn from(error: RebuildError) -> Self {
        match error {
            RebuildError::Tallies(error) => Self::Lane(error),
            RebuildError::Votes(error) => Self::Store(error),
        }
    }
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finalised {
    /// There was nothing to do: the counts are final, the job was split again, or it was given up.
    Nothing,
    /// It was split, or one of its parts is counted.
    Further,
    /// The counts are final.
    Final(Finality),
}

/// How large steps are, and how entries are spread over HEAD and runs.
#[derive(Clone, Copy, Debug)]
pub struct FinaliseLimits {
    /// How many votes a step counts at most, if one partition has not more and voters are spread evenly.
    pub votes_a_step: u64,
    /// Where entries lie.
    pub runs: RunLimits,
}

impl Default for FinaliseLimits {
    fn default() -> Self {
        Self { votes_a_step: VOTES_A_STEP, runs: RUN_LIMITS }
    }
}

/// What makes counts final.
pub struct Finalise<D = DynamoDbClient, Q = Queue, C = SystemClock> {
    polls: PollStore<D>,
    votes: VoteStore<D>,
    tallies: TallyStore<D>,
    jobs: JobStore<D>,
    steps: Q,
    clock: C,
    limits: FinaliseLimits,
}

impl Finalise {
    /// Uses the tables in the environment's variables, and this queue of its steps.
    pub fn from_env(steps: Queue) -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        Ok(Self {
            polls: PollStore::from_env(&aws)?,
            votes: VoteStore::from_env(&aws)?,
            tallies: TallyStore::from_env(&aws)?,
            jobs: JobStore::from_env(&aws)?,
            steps,
            clock: SystemClock,
            limits: FinaliseLimits::default(),
        })
    }

    /// The queue of its steps.
    pub fn queue(&self) -> &Queue {
        &self.steps
    }
}

impl<D: DynamoDb, Q: Steps, C: Clock + Clone> Finalise<D, Q, C> {
    /// Over these tables and this queue of steps.
    pub fn over(
        (polls, votes, tallies, jobs): (PollStore<D>, VoteStore<D>, TallyStore<D>, JobStore<D>),
        steps: Q,
        clock: C,
        limits: FinaliseLimits,
    ) -> Self {
        Self { polls, votes, tallies, jobs, steps, clock, limits }
    }

    /// Does a step. If it fails for good, nobody takes the job again until it is asked for.
    pub async fn step(&self, step: &Step) -> Result<Finalised, FinaliseError> {
        let poll_id = &step.poll_id;
        let outcome = self.step_if_due(step).await;
        match &outcome {
            Ok(_) | Err(FinaliseError::Busy) => {}
            Err(FinaliseError::Never(why)) => self.give_up(poll_id, why).await?,
            Err(error) => self.jobs.release(Job::Finalise, poll_id, self.clock.now(), &error.to_string()).await?,
        }
        outcome
    }

    /// Gives the job up, until somebody asks for it again.
    pub async fn give_up(&self, poll_id: &PollId, why: &str) -> Result<(), StoreError> {
        self.jobs.give_up(Job::Finalise, poll_id, self.clock.now(), why).await
    }

    async fn step_if_due(&self, step: &Step) -> Result<Finalised, FinaliseError> {
        let Some(rules) = self.polls.rules(&step.poll_id).await? else { return Ok(Finalised::Nothing) };
        let Some((Job::Finalise, due)) = rules.due() else { return self.end_if_final(&rules).await };
        let now = self.clock.now();
        if now < due {
            // Soon: the clock of who looked is ahead. Else the poll was changed, and is found again when it is due.
            let is_soon = due.millis_since(now) < MINUTE_MS;
            return if is_soon { Err(FinaliseError::NotYet("it is too early")) } else { Ok(Finalised::Nothing) };
        }
        if now.millis_since(due) >= VOTES_KEPT_MS - 2 * LANDED_MS {
            return Err(FinaliseError::Never("the poll closed too long ago: its votes may be gone"));
        }
        match step.what {
            What::Begin => self.begin(&rules, now).await,
            What::Part { split, part } => self.count_part(&rules, split, part).await,
            What::Finish { split } => self.finish(&rules, split, now).await,
        }
    }

    /// Ends the job of a poll that is final: who made it final may have been cut off before.
    async fn end_if_final(&self, rules: &Rules) -> Result<Finalised, FinaliseError> {
        let poll_id = &rules.settings.poll_id;
        if rules.finality.is_some() {
            let state = self.jobs.state(Job::Finalise, poll_id).await?;
            if state.is_some_and(|state| state.done_at.is_none()) {
                self.jobs.end(Job::Finalise, poll_id, self.clock.now()).await?;
            }
        }
        Ok(Finalised::Nothing)
    }

    async fn begin(&self, rules: &Rules, now: Timestamp) -> Result<Finalised, FinaliseError> {
        let poll_id = &rules.settings.poll_id;
        let before = self.jobs.state(Job::Finalise, poll_id).await?;
        if !self.take(rules, now).await? {
            return Ok(Finalised::Nothing);
        }
        let rebuild = self.rebuild();
        let sealed = rebuild.seal_all(rules).await?;
        let has_failed = before.is_some_and(|state| state.has_failed_to_count());
        let parts = self.parts(rules).await?.max(if has_failed { PARTS_AFTER_A_FAILURE } else { 1 });
        if parts == 1 {
            let recount = rebuild.recount(rules, rules.partitions.all(), || ()).await.map_err(FinaliseError::Store)?;
            return self.complete(rules, sealed, recount).await;
        }
        let split = Split { parts, at: self.clock.now() };
        self.jobs.split(Job::Finalise, poll_id, split).await?;
        let steps = (0..parts).map(|part| Step { poll_id: poll_id.clone(), what: What::Part { split, part } });
        self.steps.send(&steps.collect::<Vec<_>>()).await?;
        Ok(Finalised::Further)
    }

    /// Into how many parts the votes are split: by how many lie in one partition, as voters are spread evenly. What is
    /// counted so far does not matter: it may be far behind. If there are none, into one.
    async fn parts(&self, rules: &Rules) -> Result<u16, StoreError> {
        let mut votes = 0u64;
        if let Some(first) = rules.partitions.all().next() {
            self.votes.each_page(rules, first, |page| votes += page.len() as u64).await?;
        }
        let partitions = u64::from(rules.partitions.number());
        let partitions_a_step = self.limits.votes_a_step.checked_div(votes).unwrap_or(partitions).clamp(1, partitions);
        Ok(partitions.div_ceil(partitions_a_step) as u16)
    }

    async fn count_part(&self, rules: &Rules, split: Split, part: u16) -> Result<Finalised, FinaliseError> {
        let poll_id = &rules.settings.poll_id;
        let partitions = split.partitions(part, rules.partitions);
        let recount = self.rebuild().recount(rules, partitions, || ()).await?;
        put_part(&self.tallies, &self.clock, rules, (split, part), recount, self.limits.runs).await?;
        if self.jobs.part_is_done(Job::Finalise, poll_id, self.clock.now(), (split, part)).await? {
            self.steps.send(&[Step { poll_id: poll_id.clone(), what: What::Finish { split } }]).await?;
        }
        Ok(Finalised::Further)
    }

    async fn finish(&self, rules: &Rules, split: Split, now: Timestamp) -> Result<Finalised, FinaliseError> {
        let poll_id = &rules.settings.poll_id;
        let state = self.jobs.state(Job::Finalise, poll_id).await?;
        if !state.is_some_and(|state| state.has_all_of(split)) {
            return Ok(Finalised::Nothing); // it was split again
        }
        if !self.take(rules, now).await? {
            return Ok(Finalised::Nothing);
        }
        if now.millis_since(split.at) > PARTS_KEPT_MS / 2 {
            return Err(FinaliseError::Never("the sums of its parts are too old"));
        }
        let sealed = self.rebuild().seal_all(rules).await?;
        let recount = sum_of_parts(&self.tallies, &self.clock, rules, split).await?;
        self.complete(rules, sealed, recount).await
    }

    /// Replaces the counts and says that they are final.
    async fn complete(&self, rules: &Rules, sealed: Sealed, recount: Recount) -> Result<Finalised, FinaliseError> {
        if recount.keys().any(|lane| *lane >= rules.lanes) {
            return Err(FinaliseError::Never("there are votes in lanes that the poll does not have"));
        }
        let poll_id = &rules.settings.poll_id;
        let off = difference(rules, &sealed, &recount);
        let off = self.jobs.note_off(Job::Finalise, poll_id, self.clock.now(), off).await?;
        let lanes: Vec<_> = sealed.iter().map(|(lane, _)| lane.clone()).collect();
        let rebuilt = self.rebuild().replace_all(rules, sealed, recount).await?;
        let finality = Finality { at: self.clock.now(), ballots: rebuilt.ballots, versions: rebuilt.versions, off };
        if !self.polls.finalise(rules, &finality, self.jobs.table()).await? {
            return Err(FinaliseError::NotYet("the poll was changed meanwhile"));
        }
        self.jobs.end(Job::Finalise, poll_id, self.clock.now()).await?;
        if !rules.settings.spec.has_plain_votes() {
            for lane in &lanes {
                // What is left lies there until an audit sweeps it.
                if let Err(error) = merging::sweep(&self.tallies, lane).await {
                    tracing::warn!(%lane, %error, "runs of lane {lane} that nothing names stay: {error}");
                }
            }
        }
        Ok(Finalised::Final(finality))
    }

    /// Whether this process may go on: not if the job was given up. Fails if another process has it.
    async fn take(&self, rules: &Rules, now: Timestamp) -> Result<bool, FinaliseError> {
        let poll_id = &rules.settings.poll_id;
        match self.jobs.take(Job::Finalise, poll_id, now, now.plus_millis(LEASE_MS)).await? {
            Taken::Yes => Ok(true),
            Taken::Busy => Err(FinaliseError::Busy),
            Taken::GivenUp => {
                tracing::info!(%poll_id, "making the counts of poll {poll_id} final was given up");
                Ok(false)
            }
        }
    }

    fn rebuild(&self) -> Rebuild<'_, TallyStore<D>, D, C> {
        Rebuild {
            tallies: &self.tallies,
            votes: &self.votes,
            clock: self.clock.clone(),
            partitions_at_once: PARTITIONS_AT_ONCE,
            run_limits: self.limits.runs,
        }
    }
}

#[cfg(test)]
mod tests;
