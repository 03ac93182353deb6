//! Counts the messages of the tally queue into the lanes' tallies.
//!
//! Running it twice on the same messages is safe: a vote id that is counted already is dropped, whoever counted it
//! and whenever. A group (a lane) that fails half-way has only those messages come again of which something is not counted;
//! other groups are spared.

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

/// How many bytes of counted ids a process remembers: less than half of the function's memory (1,769 MB), which is
/// a full minute of some 25 full lanes.
pub const SEEN_CACHE_BYTES_MAX: usize = 640 * 1024 * 1024;
/// How long a group may take: less than the function's 10 s, so that one lane that hangs spares the others.
pub const GROUP_TIME_MAX: Duration = Duration::from_secs(8);
/// How long it may take to say when a group's failed messages come again: both times leave a second of the function's 10.
const COME_AGAIN_TIME_MAX: Duration = Duration::from_secs(1);

/// The counter of a queue's messages.
pub struct Tally<L = TallyStore, D = DynamoDbClient, S = Sqs, C = SystemClock> {
    tallies: Tallies<L, C>,
    tally_queue: Queue<S, C>,
    tally_dlq: Queue<S, C>,
    heat_watch: HeatWatch<D>,
    clock: C,
}

impl Tally {
    /// The counter as the environment sets it, its connection made.
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

/// The queues of a counter.
pub struct Queues<S = Sqs, C = SystemClock> {
    /// From which its messages come, and to which they are handed back.
    pub tally_queue: Queue<S, C>,
    /// For what can't be counted.
    pub tally_dlq: Queue<S, C>,
}

impl<L: LaneStore, D: DynamoDb, S: SendBatch + ChangeVisibility, C: Clock + Clone> Tally<L, D, S, C> {
    /// A counter over a store.
    pub fn new(store: L, heat_watch: HeatWatch<D>, queues: Queues<S, C>, limits: TallyLimits, clock: C) -> Self {
        let Queues { tally_queue, tally_dlq } = queues;
        Self { tallies: Tallies::new(store, limits, clock.clone()), tally_queue, tally_dlq, heat_watch, clock }
    }
}

/// What became of a batch.
pub struct Tallied {
    messages: usize,
    groups: Vec<GroupOutcome>,
}

/// What became of a group.
#[derive(Default)]
struct GroupOutcome {
    /// What was counted.
    applied: Applied,
    /// How many dead letters were put aside.
    dead_letters: usize,
    /// The messages that are to come again, in their order.
    failed: Vec<Receipt>,
}

impl Tallied {
    /// The messages that are to come again.
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
                tracing::error!(group, %error, "dead letters of group {group} were not taken")
            }
            Some(Err(GroupError::Lane(error))) => tracing::error!(group, %error, "lane {group} was not counted"),
            None => tracing::error!(group, "lane {group} was not counted in time"),
        }
        let failed = triage.unfinished(&progress);
        self.return_to_queue(&failed).await;
        let dead_letters = if progress.is_put_aside.get() { triage.dead_letters.len() } else { 0 };
        GroupOutcome { applied: progress.applied.get(), dead_letters, failed }
    }

    /// Says when a group's messages that failed come again: all at once, by how often the first of them was received, as its group waits
    /// for all of them. If that can't be said, they come when the queue's own time is over.
    async fn return_to_queue(&self, failed: &[Receipt]) {
        let Some(first) = failed.first() else { return };
        let handles: Vec<&str> = failed.iter().map(|receipt| receipt.handle.as_str()).collect();
        let said = self.tally_queue.come_again_after(pause_before_next_receive(first.receives), &handles);
        match self.clock.within(COME_AGAIN_TIME_MAX, said).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "messages that failed come again only when the queue's time is over")
            }
            None => tracing::warn!("it was not said in time when messages that failed come again"),
        }
    }

    async fn count_changes(&self, triage: &Triage, progress: &Progress) -> Result<(), GroupError> {
        self.tally_dlq.send_all(&triage.dead_letters).await.map_err(GroupError::DeadLetters)?;
        progress.is_put_aside.set(true);
        let Some(lane) = &triage.lane else { return Ok(()) };
        let counted = self.tallies.apply_by_portions(lane, &triage.changes, |portion| progress.note(portion)).await;
        counted.map_err(GroupError::Lane)?;
        let applied = progress.applied.get();
        tracing::debug!(%lane, applied.counted, applied.repeated, applied.flushes, "lane counted");
        if let Some(progress) = applied.progress {
            self.heat_watch.note(lane, progress, triage.read, &self.clock).await;
        }
        Ok(())
    }
}

/// Why a group is not counted.
enum GroupError {
    /// What can't be counted could not be put aside, so nothing was tried.
    DeadLetters(SendError),
    /// The store failed.
    Lane(LaneStoreError),
}

/// How far a group has come, also if it fails or runs out of time.
#[derive(Default)]
struct Progress {
    /// Whether what can't be counted is put aside.
    is_put_aside: Cell<bool>,
    /// All changes of this minute and of those before it are counted.
    through: Cell<Option<Minute>>,
    /// What became of them.
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

/// A group's messages, and what is to be done with them.
#[derive(Default)]
struct Triage {
    lane: Option<LaneKey>,
    changes: Vec<Change>,
    /// What can't be counted, ever.
    dead_letters: Vec<Outgoing>,
    /// How many messages could be read.
    read: usize,
    /// All of them, in order, and when each is done.
    messages: Vec<(Receipt, Done)>,
}

/// When a message is done. Not before what of its group can't be counted is put aside.
#[derive(Clone, Copy)]
enum Done {
    /// Once all is counted up to the minute of its newest change; if it has no change that can be counted, at once.
    Counted(Option<Minute>),
    /// Not now: it is of an unknown layout, or behind one that is, and waits for the deployment that knows it.
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

    /// Takes a message's changes, but for those whose SEEN rows may be gone. The newest minute of those that it takes.
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

    /// The messages that are not done, in order.
    fn unfinished(&self, progress: &Progress) -> Vec<Receipt> {
        let is_done = |done: &Done| match done {
            // `None`, nothing is counted or to be counted, is less than any minute.
            Done::Counted(newest) => progress.is_put_aside.get() && *newest <= progress.through.get(),
            Done::Later => false,
        };
        self.messages.iter().filter(|(_, done)| !is_done(done)).map(|(receipt, _)| receipt.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
