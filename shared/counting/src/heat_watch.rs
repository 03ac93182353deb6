//! Watches lanes for heat, and has their polls get more of them.

use std::time::Duration;

use landslide_aws::{
    cache::Cache,
    clock::Clock,
    store::{DynamoDb, DynamoDbClient, PollStore},
};
use landslide_domain::{
    heat::{Heat, HeatLimits, Progress},
    lane::LaneKey,
};

/// The most messages of a batch (`BatchSize`).
const BATCH_MESSAGES_MAX: usize = 10;
/// How many lanes a process watches for heat.
const WATCHED_LANES_MAX: usize = 1_000;
/// How long a hint that a poll needs more lanes may keep its votes' messages from being done.
const HINT_TIME_MAX: Duration = Duration::from_secs(1);

/// The polls whose lanes are counted, and what this process has noticed of these.
pub struct HeatWatch<D = DynamoDbClient> {
    polls: PollStore<D>,
    limits: HeatLimits,
    heats: Cache<LaneKey, Heat>,
}

impl<D: DynamoDb> HeatWatch<D> {
    /// Watches lanes of polls in that table; a lane is too hot from these limits on.
    pub fn new(polls: PollStore<D>, limits: HeatLimits) -> Self {
        Self { polls, limits, heats: Cache::new(WATCHED_LANES_MAX) }
    }

    /// Notes a counted batch of a lane's messages, and has the poll get more lanes if it shows that this one is too hot.
    /// That is a hint: where it fails, the votes are counted all the same, and the next batches will show it again.
    pub(crate) async fn note(&self, lane: &LaneKey, progress: Progress, messages: usize, clock: &impl Clock) {
        let now = clock.now();
        let mut heat = self.heats.get(lane).map(|known| known.value).unwrap_or_default();
        let hot_since = heat.note(progress, messages >= BATCH_MESSAGES_MAX, &self.limits);
        self.heats.put(lane, heat, now);
        let Some(hot_since) = hot_since else { return };
        match clock.within(HINT_TIME_MAX, self.polls.double_lanes(&lane.poll, hot_since, now)).await {
            Some(Ok(true)) => tracing::info!(%lane, "the poll gets twice as many lanes"),
            Some(Ok(false)) => {}
            Some(Err(error)) => tracing::warn!(%lane, %error, "the poll did not get more lanes"),
            None => tracing::warn!(%lane, "the poll did not get more lanes in time"),
        }
    }
}
