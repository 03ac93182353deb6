//! Watches lanes for heat and doubles their polls' lanes.

use std::time::Duration;

use landslide_aws::{
    cache::Cache,
    clock::Clock,
    store::{DynamoDb, DynamoDbClient, PollStore},
};
use landslide_domain::{
    heat::{Heat, HeatLimits, Progress, Spent},
    lane::LaneKey,
};

/// The most messages in a batch (`BatchSize`).
const BATCH_MESSAGES_MAX: usize = 10;
/// How many lanes a process watches.
const WATCHED_LANES_MAX: usize = 1_000;
/// Time limit for the write that adds lanes. The batch is not acknowledged until it ends.
const HINT_TIME_MAX: Duration = Duration::from_secs(1);

/// The Polls table, and what this process has noticed about their lanes.
pub struct HeatWatch<D = DynamoDbClient> {
    polls: PollStore<D>,
    limits: HeatLimits,
    heats: Cache<LaneKey, Heat>,
}

impl<D: DynamoDb> HeatWatch<D> {
    /// Watches lanes in this table. `limits` say when a lane is too hot.
    pub fn new(polls: PollStore<D>, limits: HeatLimits) -> Self {
        Self { polls, limits, heats: Cache::new(WATCHED_LANES_MAX) }
    }

    /// Notes a counted batch of a lane's messages. If the lane is too hot, the poll gets more lanes. That write is a
    /// hint: if it fails, the votes are still counted, and the next batches will show the heat again.
    pub(crate) async fn note(
        &self,
        lane: &LaneKey,
        progress: Progress,
        spent: Spent,
        messages: usize,
        clock: &impl Clock,
    ) {
        let now = clock.now();
        let mut heat = self.heats.get(lane).map(|known| known.value).unwrap_or_default();
        let hot_since = heat.note(progress, spent, messages >= BATCH_MESSAGES_MAX, &self.limits);
        self.heats.put(lane, heat, now);
        let Some(hot_since) = hot_since else { return };
        match clock.within(HINT_TIME_MAX, self.polls.double_lanes(&lane.poll, hot_since, now)).await {
            Some(Ok(true)) => {
                tracing::info!(poll = %lane.poll, %lane, "lane {lane} is hot: its poll has twice as many lanes now")
            }
            Some(Ok(false)) => {}
            Some(Err(error)) => {
                tracing::warn!(poll = %lane.poll, %lane, %error, "lane {lane} is hot, but its poll got no more lanes: {error}")
            }
            None => {
                tracing::warn!(poll = %lane.poll, %lane, "lane {lane} is hot, but its poll got no more lanes in time")
            }
        }
    }
}
