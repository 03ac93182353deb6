//! Counts the messages of the tally queue into the lanes' tallies.
//!
//! Running it twice on the same messages is safe: a vote id that is already counted is dropped, no matter which process
//! counted it or when. If a group (a lane) fails half-way, only its messages with uncounted changes return to the
//! queue. Other groups are not affected.

use std::{cell::Cell, time::Duration};

use futures_util::future::join_all;
use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    metrics::{self, Metric},
    queue::{
        ChangeVisibility, Outgoing, Queue, SendBatch, SendError, Sqs,
        batch::{BatchReport, Group, QueueEvent, Receipt, pause_before_next_receive},
    },
    sdk,
    store::{DynamoDb, DynamoDbClient, LaneStore, LaneStoreError, PollStore, TallyStore},
};
use landslide_domain::{
    change::Change,
    heat::HEAT_LIMITS,
    lane::LaneKey,
    message::{DecodeError, Message},
    tally::{COUNTABLE_AGE_MS, Minute},
    time::Timestamp,
};

use crate::{
    heat_watch::HeatWatch,
    tallies::{Applied, Portion, Tallies, TallyLimits},
};

/// How many bytes of counted ids a process remembers: less than half of the function's memory (1,769 MB), which holds a
/// full minute of some 25 full lanes.
pub const SEEN_CACHE_BYTES_MAX: usize = 640 * 1024 * 1024;
/// Time limit for a group: less than the function's 10 s, so that one hanging lane spares the others.
pub const GROUP_TIME_MAX: Duration = Duration::from_secs(8);
/// Time limit for telling the queue when failed messages return. Both limits leave one of the function's 10 seconds.
const COME_AGAIN_TIME_MAX: Duration = Duration::from_secs(1);

/// Counts the queue's messages.
pub struct Tally<L = TallyStore, D = DynamoDbClient, S = Sqs, C = SystemClock> {
    tallies: Tallies<L, C>,
    tally_queue: Queue<S, C>,
    tally_dlq: Queue<S, C>,
    heat_watch: HeatWatch<D>,
    clock: C,
}

impl Tally {
    /// The counter that the environment configures, with its connection open.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let store = TallyStore::from_env(&aws)?;
        store.prime().await;
        let heat_watch = HeatWatch::new(PollStore::from_env(&aws)?, HEAT_LIMITS);
        let queues = Queues {
            tally_queue: Queue::from_env(&aws, "TALLY_QUEUE_URL")?,
            tally_dlq: Queue::from_env(&aws, "TALLY_DLQ_URL")?,
        };
        Ok(Self::new(store, heat_watch, queues, TallyLimits::remembering(SEEN_CACHE_BYTES_MAX), SystemClock))
    }
}

/// The queues that a counter needs.
pub struct Queues<S = Sqs, C = SystemClock> {
    /// Where its messages are received from, and where failed ones return to.
    pub tally_queue: Queue<S, C>,
    /// Where messages go that can't be counted.
    pub tally_dlq: Queue<S, C>,
}

impl<L: LaneStore, D: DynamoDb, S: SendBatch + ChangeVisibility, C: Clock + Clone> Tally<L, D, S, C> {
    /// A counter that counts into this store.
    pub fn new(store: L, heat_watch: HeatWatch<D>, queues: Queues<S, C>, limits: TallyLimits, clock: C) -> Self {
        let Queues { tally_queue, tally_dlq } = queues;
        Self { tallies: Tallies::new(store, limits, clock.clone()), tally_queue, tally_dlq, heat_watch, clock }
    }
}

/// The outcome of a batch.
pub struct Tallied {
    messages: usize,
    groups: Vec<GroupOutcome>,
}

/// The outcome of a group.
#[derive(Default)]
struct GroupOutcome {
    /// What was counted.
    applied: Applied,
    /// How many dead letters were sent.
    dead_letters: usize,
    /// Messages that return to the queue, in their order.
    failed: Vec<Receipt>,
}

impl Tallied {
    /// The messages that return to the queue.
    pub fn report(&self) -> BatchReport {
        BatchReport::of(self.groups.iter().flat_map(|group| &group.failed).map(|failed| failed.message_id.clone()))
    }

    /// The batch's metrics.
    pub fn metrics(&self, now: Timestamp) -> Vec<Metric> {
        let sum = |number: fn(&GroupOutcome) -> usize| self.groups.iter().map(number).sum();
        let oldest = self.groups.iter().filter_map(|group| group.applied.oldest).min();
        let counts = [
            Metric::count("Messages", self.messages),
            Metric::count("Lanes", self.groups.len()),
            Metric::count("Votes", sum(|group| group.applied.counted)),
            Metric::count("Repeats", sum(|group| group.applied.repeated)),
            Metric::count("DeadLetters", sum(|group| group.dead_letters)),
            Metric::count("Failed", sum(|group| group.failed.len())),
        ];
        metrics::with_vote_age(counts, oldest, now)
    }
}

impl<L: LaneStore, D: DynamoDb, S: SendBatch + ChangeVisibility, C: Clock> Tally<L, D, S, C> {
    /// Counts a batch.
    pub async fn count(&self, event: QueueEvent) -> Tallied {
        let (messages, now) = (event.records.len(), self.clock.now());
        let groups = join_all(event.into_groups().into_iter().map(|group| self.count_group(group, now))).await;
        Tallied { messages, groups }
    }

    async fn count_group(&self, messages: Group, now: Timestamp) -> GroupOutcome {
        let group = messages.id.clone();
        let triage = Triage::of(messages, now);
        let progress = Progress::default();
        match self.clock.within(GROUP_TIME_MAX, self.count_changes(&triage, &progress)).await {
            Some(Ok(())) => {}
            Some(Err(GroupError::DeadLetters(error))) => {
                tracing::error!(group, %error, "dead letters of group {group} could not be sent: {error}")
            }
            Some(Err(GroupError::Lane(error))) => {
                tracing::error!(group, %error, "lane {group} was not counted: {error}")
            }
            None => tracing::error!(group, "lane {group} was not counted in time"),
        }
        if let (Some(lane), true) = (&triage.lane, progress.applied.get().is_to_be_tidied) {
            self.tidy(lane, now).await;
        }
        let failed = triage.unfinished(&progress);
        self.return_to_queue(&group, &failed).await;
        let dead_letters = if progress.is_put_aside.get() { triage.dead_letters.len() } else { 0 };
        GroupOutcome { applied: progress.applied.get(), dead_letters, failed }
    }

    /// Merges the lane's runs in what is left of the group's time. What fails is left to a later batch.
    async fn tidy(&self, lane: &LaneKey, since: Timestamp) {
        let spent = Duration::from_millis(self.clock.now().millis_since(since));
        match self.clock.within(GROUP_TIME_MAX.saturating_sub(spent), self.tallies.tidy(lane)).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::info!(%lane, %error, "the runs of lane {lane} wait to be merged: {error}"),
            None => tracing::info!(%lane, "the runs of lane {lane} were not merged in time"),
        }
    }

    /// Tells the queue when a group's failed messages return: all at once, as the group waits for all of them. The
    /// pause depends on how often the first was received. If the queue can't be told, its own timeout applies.
    async fn return_to_queue(&self, group: &str, failed: &[Receipt]) {
        let Some(first) = failed.first() else { return };
        let handles: Vec<&str> = failed.iter().map(|receipt| receipt.handle.as_str()).collect();
        let said = self.tally_queue.come_again_after(pause_before_next_receive(first.receives), &handles);
        match self.clock.within(COME_AGAIN_TIME_MAX, said).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(group, %error, "failed messages of group {group} wait for the queue's timeout: {error}")
            }
            None => {
                tracing::warn!(group, "the queue was not told in time when failed messages of group {group} return")
            }
        }
    }

    async fn count_changes(&self, triage: &Triage, progress: &Progress) -> Result<(), GroupError> {
        self.tally_dlq.send_all(&triage.dead_letters).await.map_err(GroupError::DeadLetters)?;
        progress.is_put_aside.set(true);
        let Some(lane) = &triage.lane else { return Ok(()) };
        let counted = self.tallies.apply_by_portions(lane, &triage.changes, |portion| progress.note(portion)).await;
        counted.map_err(GroupError::Lane)?;
        let applied = progress.applied.get();
        tracing::debug!(%lane, applied.counted, applied.repeated, applied.flushes, "lane {lane} counted");
        if let Some(progress) = applied.progress {
            self.heat_watch.note(lane, progress, applied.spent, triage.read, &self.clock).await;
        }
        Ok(())
    }
}

/// Why a group was not counted.
enum GroupError {
    /// Its dead letters could not be sent, so nothing was counted.
    DeadLetters(SendError),
    /// The store failed.
    Lane(LaneStoreError),
}

/// How far a group has come, also if it fails or runs out of time.
#[derive(Default)]
struct Progress {
    /// Whether the group's dead letters were sent.
    is_put_aside: Cell<bool>,
    /// All changes up to and including this minute are counted.
    through: Cell<Option<Minute>>,
    /// The outcome of counting them.
    applied: Cell<Applied>,
}

impl Progress {
    fn note(&self, portion: Portion) {
        self.through.set(Some(portion.through));
        let mut applied = self.applied.get();
        applied.add(portion.applied);
        self.applied.set(applied);
    }
}

/// A group's messages, and what to do with each.
#[derive(Default)]
struct Triage {
    lane: Option<LaneKey>,
    changes: Vec<Change>,
    /// Messages that can never be counted.
    dead_letters: Vec<Outgoing>,
    /// How many messages could be read.
    read: usize,
    /// All messages in order, and when each is done.
    messages: Vec<(Receipt, Done)>,
}

/// When a message is done. Never before its group's dead letters are sent.
#[derive(Clone, Copy)]
enum Done {
    /// Once everything up to its newest change's minute is counted. If no change in it can be counted, at once.
    Counted(Option<Minute>),
    /// Not now: its layout is unknown, or that of an earlier message. It waits for the deployment that knows the
    /// layout.
    Later,
}

impl Triage {
    fn of(group: Group, now: Timestamp) -> Self {
        let mut triage = Self::default();
        for message in group.messages {
            let (receipt, body) = message.into_parts();
            let done = if triage.waits() { Done::Later } else { triage.sort(body, &group.id, now) };
            triage.messages.push((receipt, done));
        }
        triage
    }

    fn waits(&self) -> bool {
        matches!(self.messages.last(), Some((_, Done::Later)))
    }

    fn sort(&mut self, body: String, group: &str, now: Timestamp) -> Done {
        match Message::decode(&body) {
            Ok(read) if read.lane.to_string() == group => {
                self.read += 1;
                Done::Counted(self.take(read, now))
            }
            Ok(_) => {
                self.dead_letter(body, group, "malformed message: of another lane than its group");
                Done::Counted(None)
            }
            Err(error @ DecodeError::Malformed(_)) => {
                self.dead_letter(body, group, &error.to_string());
                Done::Counted(None)
            }
            Err(error @ DecodeError::UnknownVersion(_)) => {
                tracing::error!(group, %error, "message of group {group} waits: {error}");
                Done::Later
            }
        }
    }

    /// Takes a message's changes, except those whose SEEN rows may be gone. Returns the newest minute among them.
    fn take(&mut self, message: Message, now: Timestamp) -> Option<Minute> {
        let is_old = |change: &Change| now.millis_since(change.cast_at) > COUNTABLE_AGE_MS;
        let (old, countable): (Vec<Change>, Vec<Change>) = message.changes.into_iter().partition(is_old);
        if !old.is_empty() {
            let old = Message { lane: message.lane.clone(), changes: old };
            self.dead_letter(old.encode(), &old.lane.to_string(), "too_old");
        }
        let newest = countable.iter().map(|change| Minute::of(change.cast_at)).max();
        self.changes.extend(countable);
        self.lane = Some(message.lane);
        newest
    }

    fn dead_letter(&mut self, body: String, group: &str, reason: &str) {
        tracing::error!(
            reason,
            group,
            "message of group {group} can't be counted and goes to the dead-letter queue: {reason}"
        );
        self.dead_letters.push(Outgoing::dead_letter(body, Some(group.to_owned()), reason));
    }

    /// The messages that are not done, in their order.
    fn unfinished(&self, progress: &Progress) -> Vec<Receipt> {
        let is_done = |done: &Done| match done {
            // `None` (nothing is counted, or nothing can be) is less than any minute.
            Done::Counted(newest) => progress.is_put_aside.get() && *newest <= progress.through.get(),
            Done::Later => false,
        };
        self.messages.iter().filter(|(_, done)| !is_done(done)).map(|(receipt, _)| receipt.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
