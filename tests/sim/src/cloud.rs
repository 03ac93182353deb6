//! The functions, and what calls them: the gateway, the stream's readers and the queue's.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    fmt::Write,
    rc::Rc,
    time::Duration,
};

use landslide_aws::queue::batch::{QueueEvent, pause_before_next_receive};
use landslide_aws::{
    clock::Clock,
    queue::Queue,
    store::{PollStore, TallyStore, VoteStore},
};
use landslide_counting::{
    heat_watch::HeatWatch,
    relay::Relay,
    tally::{Queues, Tally},
};
use landslide_domain::{error::Error, ids::PollId};
use landslide_service::{polls::PollChanges, votes::Votes};
use landslide_stream::StreamEvent;

use crate::{
    client::{Client, handle},
    events::Event,
    faults::Fault,
    lambda::{Function, NoOutcome, Work},
    names::{POLLS, RELAY_DLQ, TALLIES, TALLY_DLQ, TALLY_QUEUE, VOTES},
    operator::Program,
    queue::{Message, Receipt, Sent},
    stream::{Record, Shard},
    world::{Process, ProcessClock, World, count},
};

/// Timeouts as in `template.yaml`, in milliseconds.
const API_TIMEOUT_MS: u64 = 5_000;
const EDIT_TIMEOUT_MS: u64 = 15_000;
const RELAY_TIMEOUT_MS: u64 = 30_000;
const TALLY_TIMEOUT_MS: u64 = 10_000;
/// After how long an operator ends the program, in milliseconds.
const OPERATOR_TIMEOUT_MS: u64 = 60_000;
/// What an endpoint leaves of its time to answer in, in milliseconds.
const ANSWER_MS: u64 = 250;
/// Records of this age are given up by the stream's reader (`MaximumRecordAgeInSeconds`), in milliseconds.
const RECORD_AGE_MAX_MS: u64 = 82_800_000;
/// Records of this age are gone, in milliseconds.
const RECORD_LIFE_MS: u64 = 86_400_000;
/// The longest pause between two tries of a stream batch, in milliseconds.
const RETRY_PAUSE_MS: u64 = 600_000;
/// The first pause between two tries of a queue batch whose invocation was throttled, doubled at each, in milliseconds.
const THROTTLED_PAUSE_MS: u64 = 200;
/// The most messages of a queue batch.
const MESSAGES_MAX: usize = 10;
/// The longest pause before an operator replays a batch once more, in milliseconds.
const REPLAY_PAUSE_MS: u64 = 1_000;
/// The most records by which a lost checkpoint lies back.
const REWIND_RECORDS: u64 = 400;
/// One batch in so many is kept, to be relayed again much later.
const KEEP_BATCH_IN: u64 = 8;

/// An app of cast-vote, get-vote and retract-vote.
pub type VotesApp = Votes<Client, ProcessClock>;
/// Who shows results: reads the poll afresh, and goes by its own clock.
pub struct Showing {
    polls: PollStore<Client>,
    clock: ProcessClock,
}

impl Showing {
    /// Whether anyone may see the poll's results now, by this process's clock.
    pub async fn results_are_public(&self, poll: &PollId) -> Result<bool, Error> {
        let rules = self.polls.rules(poll).await?.ok_or(Error::NoSuchPoll)?;
        Ok(rules.results_are_public(self.clock.now()))
    }
}

/// An app of close-poll and update-poll.
pub type PollChangesApp = PollChanges<Client, ProcessClock>;
type RelayApp = Relay<Client, ProcessClock>;
type TallyApp = Tally<TallyStore<Client>, Client, Client, ProcessClock>;

/// All functions of a stack.
pub struct Cloud {
    /// Where they run.
    pub world: Rc<World>,
    /// Votes.
    pub votes: Rc<Function<VotesApp>>,
    /// Changes of polls.
    pub poll_changes: Rc<Function<PollChangesApp>>,
    /// Results.
    pub showing: Rc<Function<Showing>>,
    /// The operator's program. It is no function, but is started, held up and killed like one.
    pub operator: Rc<Function<Program>>,
    relay: Rc<Function<RelayApp>>,
    tally: Rc<Function<TallyApp>>,
    /// Batches that the stream's readers gave up (`RelayFailuresBucket`).
    bucket: RefCell<Vec<Vec<Record>>>,
    /// Some batches that were relayed.
    kept: RefCell<Vec<Vec<Record>>>,
    /// How many dead letters were given back.
    given_back: Cell<u64>,
}

impl Cloud {
    /// A stack that has just been deployed.
    pub fn new(world: &Rc<World>) -> Rc<Self> {
        let client = |world: &Rc<World>, process: Rc<Process>| {
            (Client { world: world.clone(), process: process.clone() }, ProcessClock { world: world.clone(), process })
        };
        let most = world.scenario.processes_max;
        let fewer = (most / 4).max(1);
        let of = world.clone();
        let votes = Function::new(world, "cast-vote", (API_TIMEOUT_MS, most), move |process| {
            let (client, clock) = client(&of, process);
            let polls = PollStore::over(client.clone(), POLLS.to_owned());
            Votes::over(polls, VoteStore::over(client, VOTES.to_owned()), clock)
        });
        let of = world.clone();
        let poll_changes = Function::new(world, "update-poll", (EDIT_TIMEOUT_MS, fewer), move |process| {
            let (client, clock) = client(&of, process);
            PollChanges::over(PollStore::over(client, POLLS.to_owned()), clock)
        });
        let of = world.clone();
        let showing = Function::new(world, "get-results", (API_TIMEOUT_MS, fewer), move |process| {
            let (client, clock) = client(&of, process);
            Showing { polls: PollStore::over(client, POLLS.to_owned()), clock }
        });
        let of = world.clone();
        let relay = Function::new(world, "relay-votes", (RELAY_TIMEOUT_MS, fewer), move |process| {
            let (client, clock) = client(&of, process);
            let queue = |url: &str| Queue::over(client.clone(), url.to_owned(), clock.clone());
            Relay::new(queue(TALLY_QUEUE), queue(RELAY_DLQ))
        });
        let of = world.clone();
        let tally = Function::new(world, "tally-votes", (TALLY_TIMEOUT_MS, fewer), move |process| {
            let (client, clock) = client(&of, process);
            let store = TallyStore::over(client.clone(), TALLIES.to_owned());
            let polls = PollStore::over(client.clone(), POLLS.to_owned());
            let heat_watch = HeatWatch::new(polls, of.scenario.heat_limits);
            let queue = |url: &str| Queue::over(client.clone(), url.to_owned(), clock.clone());
            let queues = Queues { tally_queue: queue(TALLY_QUEUE), tally_dlq: queue(TALLY_DLQ) };
            Tally::new(store, heat_watch, queues, of.scenario.counting, clock.clone())
        });
        let of = world.clone();
        let operator = Function::new(world, "landslide", (OPERATOR_TIMEOUT_MS, usize::MAX), move |process| {
            let (client, clock) = client(&of, process);
            Program::new(client, clock)
        });
        Rc::new(Self {
            world: world.clone(),
            votes,
            poll_changes,
            showing,
            operator,
            relay,
            tally,
            bucket: RefCell::default(),
            kept: RefCell::default(),
            given_back: Cell::new(0),
        })
    }

    /// A request to an endpoint by way of the gateway. `None`: no answer.
    pub async fn request<A: 'static, T: 'static>(
        &self,
        function: &Rc<Function<A>>,
        endpoint: impl AsyncFnOnce(Rc<A>) -> Result<T, Error> + 'static,
    ) -> Option<Result<T, Error>> {
        self.numbered_request(self.world.next_invocation(), function, endpoint).await
    }

    /// The same, whose writes are told from those of others by the invocation's number.
    pub async fn numbered_request<A: 'static, T: 'static>(
        &self,
        invocation: u64,
        function: &Rc<Function<A>>,
        endpoint: impl AsyncFnOnce(Rc<A>) -> Result<T, Error> + 'static,
    ) -> Option<Result<T, Error>> {
        count(&self.world.numbers.requests);
        let time_left = Duration::from_millis(function.timeout_ms() - ANSWER_MS);
        let work = |app: Rc<A>, clock: ProcessClock| -> Work<Result<T, Error>> {
            clock.process.invocation.set(invocation);
            Box::pin(async move {
                let answer = clock.within(time_left, endpoint(app)).await;
                answer.unwrap_or_else(|| Err(Error::Unavailable("it took too long".to_owned())))
            })
        };
        match function.invoke(work).await {
            Ok(answer) => Some(answer),
            // The gateway's answer: 429 or 503, try again.
            Err(NoOutcome::Throttled) => Some(Err(Error::Unavailable("throttled".to_owned()))),
            Err(NoOutcome::Lost) => None,
        }
    }

    /// Starts the readers of the stream and of the queue.
    pub fn start(self: &Rc<Self>) {
        let executor = &self.world.executor;
        for shard in self.world.stream.shards() {
            executor.spawn(read_shard(self.clone(), shard));
        }
        for _ in 0..self.world.scenario.queue_readers {
            executor.spawn(read_queue(self.clone()));
        }
    }

    /// Whether a batch was relayed.
    async fn relayed(&self, batch: &[Record]) -> bool {
        let records: Vec<&str> = batch.iter().map(|record| record.json.get()).collect();
        let event = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let event = StreamEvent::read(event.as_bytes()).expect("an event of the stream");
        let work = |app: Rc<RelayApp>, _| -> Work<bool> { Box::pin(async move { app.relay(event).await.is_ok() }) };
        self.relay.invoke(work).await.unwrap_or(false)
    }

    /// Relays a batch once more, whatever comes of it.
    fn relay_again(self: &Rc<Self>, batch: Vec<Record>) {
        let cloud = self.clone();
        self.world.executor.spawn(async move {
            cloud.relayed(&batch).await;
        });
    }

    /// Does what an operator does: relays what lies in the bucket, and sends dead letters anew. Whether there was any.
    pub fn mend(self: &Rc<Self>) -> bool {
        let batches = self.bucket.take();
        let letters = self.world.tally_dlq.drain();
        let (put_aside, given_up): (Vec<Sent>, Vec<Sent>) = letters
            .into_iter()
            .partition(|letter| letter.reason.is_some() || self.world.ledger().is_garbage(&letter.body));
        put_aside.into_iter().for_each(|letter| self.world.tally_dlq.append(letter));
        let is_mended = !batches.is_empty() || !given_up.is_empty();
        for letter in given_up {
            count(&self.world.numbers.redriven);
            count(&self.given_back);
            let deduplication = Some(format!("given back {}", self.given_back.get()).into());
            self.world.queue.send(Sent { deduplication, ..letter }, self.world.executor.now_ms());
        }
        for batch in batches {
            count(&self.world.numbers.replayed);
            let cloud = self.clone();
            self.world.executor.spawn(async move {
                while !cloud.relayed(&batch).await {
                    cloud.world.executor.sleep(cloud.world.draw(REPLAY_PAUSE_MS)).await;
                }
            });
        }
        is_mended
    }

    /// Relays again what was kept of the batches of long ago.
    pub fn repeat_the_past(self: &Rc<Self>) {
        for batch in self.kept.borrow().iter() {
            self.relay_again(batch.clone());
        }
    }
}

/// Reads a shard from its checkpoint, batch by batch, each until it is relayed or given up.
async fn read_shard(cloud: Rc<Cloud>, shard: Rc<Shard>) {
    let world = &cloud.world;
    if let Some(parent) = &shard.parent {
        while !parent.is_finished() {
            parent.changed.wait().await;
        }
    }
    loop {
        while shard.is_read() {
            if shard.is_finished() {
                return;
            }
            shard.changed.wait().await;
        }
        // A batch that is full goes at once.
        let most = world.scenario.batch_records_max;
        let window_ms = if shard.next(most).len() < most { world.scenario.window_ms } else { 0 };
        world.executor.sleep(window_ms + world.draw(250)).await;
        let batch = next_batch(world, &shard);
        let is_relayed = relay_until_given_up(&cloud, &batch).await;
        if !is_relayed {
            cloud.bucket.borrow_mut().push(batch.clone());
        }
        if world.faults.strikes(Fault::StreamRepeated) {
            cloud.relay_again(batch.clone());
        }
        shard.advance(batch.len());
        if world.once_in(KEEP_BATCH_IN) {
            cloud.kept.borrow_mut().push(batch);
        }
        // Lost again and again after 23 hours, the checkpoint would not get past what the stream drops after 24.
        if is_relayed && world.faults.strikes(Fault::StreamRewound) {
            shard.rewind(world.draw(REWIND_RECORDS) as usize);
        }
        if world.faults.strikes(Fault::ShardSplit) {
            for child in world.stream.split(world.draw_index(crate::stream::PLACES)) {
                world.executor.spawn(read_shard(cloud.clone(), child));
            }
        }
    }
}

fn next_batch(world: &World, shard: &Shard) -> Vec<Record> {
    // Behind a lost checkpoint they may be gone, and are no loss: they lie in the bucket already.
    if shard.skip(|record| world.executor.now_ms() - record.at_ms > RECORD_LIFE_MS) {
        world.observe(&Event::RecordsLost);
    }
    let most = world.scenario.batch_records_max;
    shard.next(if world.scenario.is_plain { most } else { 1 + world.draw_index(most) })
}

/// Relays a batch again and again; whether it was relayed before its records were too old.
async fn relay_until_given_up(cloud: &Rc<Cloud>, batch: &[Record]) -> bool {
    let world = &cloud.world;
    let mut pause = 1_000;
    while !cloud.relayed(batch).await {
        let oldest = batch.iter().map(|record| record.at_ms).min().unwrap_or_default();
        if world.executor.now_ms() - oldest > RECORD_AGE_MAX_MS {
            return false;
        }
        world.executor.sleep(world.draw(pause)).await;
        pause = (pause * 2).min(RETRY_PAUSE_MS);
    }
    true
}

/// Receives from the queue and has it counted, batch by batch.
async fn read_queue(cloud: Rc<Cloud>) {
    let world = &cloud.world;
    loop {
        let free = world.queue.free_groups();
        if free.is_empty() {
            world.queue.available.wait().await;
            continue;
        }
        let now = world.executor.now_ms();
        let hidden_until = now + world.scenario.visibility_ms;
        let (receipt, dead) =
            world.queue.receive(&wanted(world, free), world.scenario.receives_max, (now, hidden_until));
        dead.into_iter().for_each(|message| give_up(world, message));
        if receipt.messages.is_empty() {
            continue;
        }
        let again = receipt.messages.iter().filter(|message| message.receives > 1).count();
        world.numbers.redeliveries.set(world.numbers.redeliveries.get() + again as u64);
        world.release_due_after(world.scenario.visibility_ms, receipt.number);
        if world.faults.strikes(Fault::SeenTwice) {
            release_after(world, world.draw(50), receipt.number);
        }
        if let Some(failed) = count_batch(&cloud, &receipt, hidden_until).await
            && !world.faults.strikes(Fault::DeleteLost)
        {
            settle(world, receipt.number, &receipt.messages, &failed);
        }
    }
}

/// Has a batch counted: again and again while there is no process for it and its messages are hidden. The ids that it reports.
async fn count_batch(cloud: &Rc<Cloud>, receipt: &Receipt, hidden_until_ms: u64) -> Option<HashSet<u64>> {
    let executor = &cloud.world.executor;
    let mut pause = THROTTLED_PAUSE_MS;
    loop {
        let event = queue_event(receipt);
        let work = |app: Rc<TallyApp>, _| -> Work<HashSet<u64>> {
            Box::pin(async move { failed_ids(app.count(event).await.report()) })
        };
        match cloud.tally.invoke(work).await {
            Ok(failed) => return Some(failed),
            Err(NoOutcome::Throttled) if executor.now_ms() < hidden_until_ms => {
                executor.sleep(1 + cloud.world.draw(pause)).await;
                pause *= 2;
            }
            Err(_) => return None,
        }
    }
}

/// Puts a message that was handed out too often to the dead letters. Not before the time in which it had so many chances.
fn give_up(world: &World, message: Message) {
    let now = world.executor.now_ms();
    let pause_ms = |receives| pause_before_next_receive(receives).as_millis() as u64;
    let pauses = (1..=message.receives).map(|receives| pause_ms(receives).min(world.scenario.visibility_ms));
    let is_seen_early = world.scenario.rates[Fault::SeenTwice as usize] > 0.0;
    let least_ms = if is_seen_early { 0 } else { pauses.sum() };
    world.observe(&Event::DeadLetter { after_ms: now - message.first_received_ms, least_ms });
    world.tell("queue", || format!("gives up message {} of {}", message.id, message.sent.group));
    world.tally_dlq.send(message.sent, now);
}

/// Some groups, and how many messages of each.
fn wanted(world: &World, mut free: Vec<Rc<str>>) -> Vec<(Rc<str>, usize)> {
    if world.scenario.is_plain {
        return vec![(free.swap_remove(world.draw_index(free.len())), MESSAGES_MAX)];
    }
    let mut wanted = Vec::new();
    let mut room = 1 + world.draw_index(MESSAGES_MAX);
    while room > 0 && !free.is_empty() {
        let group = free.swap_remove(world.draw_index(free.len()));
        let most = 1 + world.draw_index(room);
        room -= most;
        wanted.push((group, most));
    }
    wanted
}

fn release_after(world: &Rc<World>, ms: u64, receipt: u64) {
    let again = world.clone();
    world.executor.after(ms, move || {
        again.queue.release(receipt);
    });
}

/// Deletes what is counted; the rest comes again when its time is over.
fn settle(world: &Rc<World>, receipt: u64, messages: &[Message], failed: &HashSet<u64>) {
    world.queue.delete(receipt, |message| !failed.contains(&message.id));
    for message in messages.iter().filter(|message| !failed.contains(&message.id)) {
        if world.faults.strikes(Fault::MessageRepeated) {
            world.queue.append(message.sent.clone());
        }
    }
}

/// The event that Lambda makes of messages.
fn queue_event(receipt: &Receipt) -> QueueEvent {
    let mut json = String::from(r#"{"Records":["#);
    for (place, message) in receipt.messages.iter().enumerate() {
        let separator = if place > 0 { "," } else { "" };
        let (id, body, group, receives) = (message.id, &message.sent.body, &message.sent.group, message.receives);
        let handle = handle(receipt.number, id);
        let attributes =
            format!(r#"{{"MessageGroupId":"{group}","SequenceNumber":"{id}","ApproximateReceiveCount":"{receives}"}}"#);
        write!(
            json,
            r#"{separator}{{"messageId":"{id}","receiptHandle":"{handle}","body":"{body}","attributes":{attributes}}}"#
        )
        .unwrap();
    }
    json.push_str("]}");
    serde_json::from_str(&json).expect("an event of the queue")
}

/// The ids in a report, as Lambda reads it.
fn failed_ids(report: landslide_aws::queue::batch::BatchReport) -> HashSet<u64> {
    let report = serde_json::to_value(report).expect("a report is JSON");
    let failures = report["batchItemFailures"].as_array().expect("a list of failures");
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().parse().expect("our id")).collect()
}
