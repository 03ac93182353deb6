//! Counts the messages of the tally queue into the lanes' tallies.
//!
//! Running it twice on the same messages is safe: a vote id that is counted already is dropped, whoever counted it
//! and whenever. Within a group (a lane) the first failure stops the rest; other groups are spared.

use std::time::Duration;

use futures_util::future::join_all;
use lambda_runtime::LambdaEvent;
use landslide_shared::{
    aws,
    batch::{BatchReport, Group, QueueEvent},
    clock::{Clock, SystemClock},
    counting::{Applied, Counting, LaneStore, LaneStoreError},
    domain::{
        change::Change,
        heat::HEAT_LIMITS,
        lane::LaneKey,
        message::{DecodeError, Message},
        tally::COUNTABLE_AGE_MS,
        time::Timestamp,
    },
    metrics::{self, Metric},
    queue::{Outgoing, Queue, SendBatch, SendError, Sqs},
    store::{DynamoDb, DynamoDbClient, PollStore, TallyStore},
};

mod lanes;
pub use lanes::Lanes;

/// How many bytes of counted ids a process remembers: less than half of the function's memory (1,769 MB), which is
/// a full minute of some 25 full lanes.
pub const SEEN_CACHE_BYTES_MAX: usize = 640 * 1024 * 1024;
/// How long a group may take: less than the function's 10 s, so that one lane that hangs spares the others.
pub const GROUP_TIME_MAX: Duration = Duration::from_secs(8);

/// What counting needs.
pub struct App<L = TallyStore, D = DynamoDbClient, S = Sqs, C = SystemClock> {
    counting: Counting<L, C>,
    tally_dlq: Queue<S, C>,
    lanes: Lanes<D>,
    clock: C,
}

impl App {
    /// The counter as the environment sets it, its connection made.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let aws = aws::sdk_config()?;
        let store = TallyStore::from_env(&aws)?;
        store.prime().await;
        let lanes = Lanes::new(PollStore::from_env(&aws)?, HEAT_LIMITS);
        Ok(Self::new(store, lanes, Queue::from_env(&aws, "TALLY_DLQ_URL")?, SEEN_CACHE_BYTES_MAX, SystemClock))
    }
}

impl<L: LaneStore, D: DynamoDb, S: SendBatch, C: Clock + Clone> App<L, D, S, C> {
    /// A counter over a store, that remembers so many bytes of counted ids.
    pub fn new(store: L, lanes: Lanes<D>, tally_dlq: Queue<S, C>, cache_bytes_max: usize, clock: C) -> Self {
        Self { counting: Counting::new(store, cache_bytes_max, clock.clone()), tally_dlq, lanes, clock }
    }
}

/// What counting a batch came to.
pub struct Tallied {
    messages: usize,
    groups: Vec<Counted>,
}

/// What counting a group came to.
#[derive(Default)]
struct Counted {
    /// What was counted.
    applied: Applied,
    /// How many dead letters were put aside.
    dead_letters: usize,
    /// The ids of the messages that are to come again.
    failed: Vec<String>,
}

impl Tallied {
    /// The messages that are to come again.
    pub fn report(&self) -> BatchReport {
        BatchReport::of(self.groups.iter().flat_map(|group| group.failed.iter().cloned()))
    }

    fn metrics(&self, now: Timestamp) -> Vec<Metric> {
        let sum = |number: fn(&Counted) -> usize| self.groups.iter().map(number).sum();
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

/// An invocation: counts a batch, and writes what came of it as metrics.
pub async fn handle(app: &App, event: LambdaEvent<QueueEvent>) -> BatchReport {
    let tallied = tally(app, event.payload).await;
    let now = app.clock.now();
    metrics::write(&event.context.env_config.function_name, now, &tallied.metrics(now));
    tallied.report()
}

/// Counts a batch.
pub async fn tally<L: LaneStore, D: DynamoDb, S: SendBatch, C: Clock>(
    app: &App<L, D, S, C>,
    event: QueueEvent,
) -> Tallied {
    let (messages, now) = (event.records.len(), app.clock.now());
    let groups = join_all(event.into_groups().into_iter().map(|group| count_group(app, group, now))).await;
    Tallied { messages, groups }
}

async fn count_group<L: LaneStore, D: DynamoDb, S: SendBatch, C: Clock>(
    app: &App<L, D, S, C>,
    group: Group,
    now: Timestamp,
) -> Counted {
    let sorted = Sorted::of(group, now);
    let dead_letters = sorted.dead.len();
    match app.clock.within(GROUP_TIME_MAX, count(app, &sorted)).await {
        Some(Ok(applied)) => Counted { applied, dead_letters, failed: sorted.waiting },
        Some(Err(NotCounted::DeadLetters(error))) => {
            tracing::error!(%error, "dead letters were not taken");
            Counted { failed: sorted.all(), ..Counted::default() }
        }
        Some(Err(NotCounted::Lane(error))) => {
            tracing::error!(%error, "lane was not counted");
            Counted { dead_letters, failed: sorted.all_but_dead(), ..Counted::default() }
        }
        None => {
            tracing::error!(lane = ?sorted.lane, "lane was not counted in time");
            Counted { failed: sorted.all(), ..Counted::default() }
        }
    }
}

/// Why a group is not counted.
enum NotCounted {
    /// What can't be counted could not be put aside, so nothing was tried.
    DeadLetters(SendError),
    /// The store failed.
    Lane(LaneStoreError),
}

async fn count<L: LaneStore, D: DynamoDb, S: SendBatch, C: Clock>(
    app: &App<L, D, S, C>,
    sorted: &Sorted,
) -> Result<Applied, NotCounted> {
    app.tally_dlq.send_all(&sorted.dead).await.map_err(NotCounted::DeadLetters)?;
    let Some(lane) = &sorted.lane else { return Ok(Applied::default()) };
    let applied = app.counting.apply(lane, &sorted.changes).await.map_err(NotCounted::Lane)?;
    tracing::debug!(%lane, applied.counted, applied.repeated, applied.flushes, "lane counted");
    if let Some(progress) = applied.progress {
        app.lanes.note(lane, progress, sorted.read.len(), &app.clock).await;
    }
    Ok(applied)
}

/// A group's messages, by what is to be done with them.
#[derive(Default)]
struct Sorted {
    lane: Option<LaneKey>,
    changes: Vec<Change>,
    /// What can't be counted, ever.
    dead: Vec<Outgoing>,
    /// Ids of the messages that are done once their changes are counted.
    read: Vec<String>,
    /// Ids of the messages that are done once they are put aside.
    buried: Vec<String>,
    /// Ids of the messages from the first of an unknown layout on: they wait for the deployment that knows it.
    waiting: Vec<String>,
}

impl Sorted {
    fn of(group: Group, now: Timestamp) -> Self {
        let mut sorted = Self::default();
        let mut messages = group.messages.into_iter();
        for message in messages.by_ref() {
            match Message::decode(&message.body) {
                Ok(read) if read.lane.to_string() == group.id => {
                    sorted.take(read, now);
                    sorted.read.push(message.message_id);
                }
                Ok(_) => {
                    sorted.bury(message.body, &group.id, "malformed message: of another lane than its group");
                    sorted.buried.push(message.message_id);
                }
                Err(error @ DecodeError::Malformed(_)) => {
                    sorted.bury(message.body, &group.id, &error.to_string());
                    sorted.buried.push(message.message_id);
                }
                Err(error @ DecodeError::UnknownVersion(_)) => {
                    tracing::error!(%error, "message waits");
                    sorted.waiting.push(message.message_id);
                    break;
                }
            }
        }
        sorted.waiting.extend(messages.map(|message| message.message_id));
        sorted
    }

    /// Takes a message's changes, but for those whose SEEN rows may be gone.
    fn take(&mut self, message: Message, now: Timestamp) {
        let is_old = |change: &Change| now.millis_since(change.cast_at) > COUNTABLE_AGE_MS;
        let (old, countable): (Vec<Change>, Vec<Change>) = message.changes.into_iter().partition(is_old);
        if !old.is_empty() {
            let old = Message { lane: message.lane.clone(), changes: old };
            self.bury(old.encode(), &old.lane.to_string(), "too_old");
        }
        self.changes.extend(countable);
        self.lane = Some(message.lane);
    }

    fn bury(&mut self, body: String, group: &str, reason: &str) {
        tracing::error!(reason, group, "message can't be counted and goes to the dead-letter queue");
        self.dead.push(Outgoing::dead_letter(body, Some(group.to_owned()), reason));
    }

    fn all(mut self) -> Vec<String> {
        self.read.append(&mut self.buried);
        self.all_but_dead()
    }

    fn all_but_dead(self) -> Vec<String> {
        self.read.into_iter().chain(self.waiting).collect()
    }
}

#[cfg(test)]
mod tests;
