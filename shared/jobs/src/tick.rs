//! Looks through the minutes for what is due, one after the other since the last one that was looked through.

use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    queue::{Queue, SendError},
    sdk,
    store::{DynamoDb, DynamoDbClient, JobStore, PollStore, StoreError},
};
use landslide_domain::{
    due::{Slot, minute_of},
    ids::PollId,
    time::Timestamp,
};

use crate::step::{Step, Steps};

/// After how many minutes a minute is looked through once more, and then again. Then what the index showed late is found, and
/// what was lost on the way.
pub const AGAIN_MINUTES: [u64; 2] = [60, 24 * 60];
/// How far back the first look goes, in minutes.
const FIRST_MINUTES: u64 = 60;
/// How many shares of a minute are read at once.
const SHARES_AT_ONCE: usize = 16;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Minutes that were looked through.
    pub minutes: usize,
    /// Jobs that were sent.
    pub jobs: usize,
}

/// Why a minute was not looked through. The next look begins with it.
#[derive(Debug, thiserror::Error)]
pub enum TickError {
    /// A table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue did not take what is due.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// What looks.
pub struct Tick<D = DynamoDbClient, Q = Queue, C = SystemClock> {
    polls: PollStore<D>,
    jobs: JobStore<D>,
    finalise: Q,
    clock: C,
}

impl Tick {
    /// Uses the tables and queues in the environment's variables.
    pub fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let finalise = Queue::from_env(&aws, "FINALISE_QUEUE_URL")?;
        Ok(Self::over(PollStore::from_env(&aws)?, JobStore::from_env(&aws)?, finalise, SystemClock))
    }
}

impl<D: DynamoDb, Q: Steps, C: Clock> Tick<D, Q, C> {
    /// Over these tables and queues.
    pub fn over(polls: PollStore<D>, jobs: JobStore<D>, finalise: Q, clock: C) -> Self {
        Self { polls, jobs, finalise, clock }
    }

    /// Looks through all minutes since the last one, as many as it has time for until `until`.
    pub async fn look(&self, until: Timestamp) -> Result<Looked, TickError> {
        let now = minute_of(self.clock.now());
        let first = self.jobs.looked_through().await?.map_or(now.saturating_sub(FIRST_MINUTES), |last| last + 1);
        let mut looked = Looked::default();
        for minute in first..=now {
            for ago in AGAIN_MINUTES.into_iter().chain([0]) {
                looked.jobs += self.send_due(minute.saturating_sub(ago)).await?;
            }
            self.jobs.look_through(minute).await?;
            looked.minutes += 1;
            if self.clock.now() >= until {
                break;
            }
        }
        Ok(looked)
    }

    /// Sends the jobs that are due in a minute. Returns how many.
    async fn send_due(&self, minute: u64) -> Result<usize, TickError> {
        let shares = stream::iter(Slot::all_of(minute)).map(|slot| self.due(slot)).buffer_unordered(SHARES_AT_ONCE);
        let polls: Vec<Vec<PollId>> = shares.try_collect().await?;
        let steps: Vec<Step> = polls.into_iter().flatten().map(Step::first).collect();
        if !steps.is_empty() {
            self.finalise.send(&steps).await?;
        }
        Ok(steps.len())
    }

    async fn due(&self, slot: Slot) -> Result<Vec<PollId>, StoreError> {
        let (mut polls, mut after) = (Vec::new(), None);
        loop {
            let page = self.polls.due(slot, after).await?;
            polls.extend(page.ids);
            after = page.next;
            if after.is_none() {
                return Ok(polls);
            }
        }
    }
}

#[cfg(test)]
mod tests;
