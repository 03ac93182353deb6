//! All that there is in one run: time, faults, the tables and queues, and the ledger that knows better.

use std::{
    cell::{Cell, Ref, RefCell},
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
    time::Duration,
};

use landslide_aws::clock::Clock;
use landslide_domain::time::{MINUTE_MS, Timestamp};
use rustc_hash::FxHashMap;

use crate::{
    channel::Signal,
    checkers::{self, Breach, Verdict},
    database::{Keys, Table},
    events::Event,
    executor::Executor,
    faults::{Fault, Faults, SKEW_MS},
    item::{Item, item_bytes, outline, read_units, stream_record, write_units},
    ledger::Ledger,
    names::{POLLS, RELAY_DLQ, TALLIES, TALLY_DLQ, VOTES},
    queue::{DeadLetters, FifoQueue, Sent},
    scenario::Scenario,
    stream::{Record, Stream},
};

/// When every run begins, to the minute: 2026-09-21, in milliseconds since the epoch.
const BEGINNING_MS: u64 = 1_790_000_000_000;

/// Read units a second that a partition has for each write unit: 3,000 for 1,000.
const READ_UNITS_A_WRITE_UNIT: u64 = 3;

/// The three tables.
pub struct Tables {
    polls: Table,
    votes: Table,
    tallies: Table,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            polls: Table::new(Keys("poll_id", "item")),
            votes: Table::new(Keys("poll_partition", "voter")),
            tallies: Table::new(Keys("poll_lane", "item")),
        }
    }
}

impl Tables {
    /// A table by its name.
    pub fn of(&self, name: Option<&str>) -> &Table {
        match name {
            Some(POLLS) => &self.polls,
            Some(VOTES) => &self.votes,
            Some(TALLIES) => &self.tallies,
            other => panic!("there is no table {other:?}"),
        }
    }

    /// A table by its name, to be written.
    pub fn of_mut(&mut self, name: &str) -> &mut Table {
        match name {
            POLLS => &mut self.polls,
            VOTES => &mut self.votes,
            TALLIES => &mut self.tallies,
            other => panic!("there is no table {other:?}"),
        }
    }
}

/// One run.
pub struct World {
    /// Its parameters.
    pub scenario: Scenario,
    /// Its tasks and its time.
    pub executor: Executor,
    /// What goes wrong.
    pub faults: Faults,
    /// What happened, in numbers.
    pub numbers: Numbers,
    /// What happened, in words.
    pub trace: Trace,
    /// The tables.
    pub tables: RefCell<Tables>,
    /// The stream of the Votes table.
    pub stream: Stream,
    /// The tally queue.
    pub queue: FifoQueue,
    /// What the tally queue gave up, or tally-votes put aside.
    pub tally_dlq: FifoQueue,
    /// What relay-votes could not read.
    pub relay_dlq: DeadLetters,
    /// Rings when a poll's lanes are about to be doubled.
    pub doubling: Signal,
    ledger: RefCell<Ledger>,
    breaches: RefCell<Vec<Breach>>,
    began_ms: u64,
    invocations: Cell<u64>,
    random: RefCell<fastrand::Rng>,
    debts: RefCell<FxHashMap<u64, Debt>>,
    read_debts: RefCell<FxHashMap<u64, Debt>>,
}

/// What a partition has spent and not yet paid off, in thousandths of a unit, and when that was so.
type Debt = (u64, u64);

/// Counts of what happened.
#[derive(Default)]
pub struct Numbers {
    /// Requests of voters and owners, retries included.
    pub requests: Cell<u64>,
    /// Calls that were done after their caller had given them up.
    pub late_calls: Cell<u64>,
    /// Refusals of a condition because somebody else came first.
    pub conflicts: Cell<u64>,
    /// Doublings of a poll's lanes.
    pub doublings: Cell<u64>,
    /// SEEN rows written.
    pub spills: Cell<u64>,
    /// HEADs written.
    pub flushes: Cell<u64>,
    /// COUNTs written.
    pub copies: Cell<u64>,
    /// Write units of the Tallies table, of writes that were done.
    pub tally_units: Cell<u64>,
    /// Messages that the tally queue took.
    pub messages: Cell<u64>,
    /// Messages delivered again.
    pub redeliveries: Cell<u64>,
    /// Messages that the queue's deduplication dropped.
    pub deduplicated: Cell<u64>,
    /// Messages that came back from dead letters.
    pub redriven: Cell<u64>,
    /// Batches that the stream's readers gave up, and an operator replayed.
    pub replayed: Cell<u64>,
    /// Messages that were put aside because their votes were too old.
    pub too_old: Cell<u64>,
    /// Rebuilds of a poll's counts that were done.
    pub rebuilds: Cell<u64>,
    /// Tries of a rebuild that came to nothing.
    pub rebuild_failures: Cell<u64>,
    /// Invocations that ran out of time.
    pub timeouts: Cell<u64>,
    /// Calls refused because a partition had too much to do.
    pub partition_throttles: Cell<u64>,
    /// Invocations refused because a function had as many as it may have.
    pub throttled: Cell<u64>,
    /// Messages that a function had come again at another time than the queue's.
    pub hidden: Cell<u64>,
}

/// Adds one.
pub fn count(number: &Cell<u64>) {
    number.set(number.get() + 1);
}

/// Lines of what happened, gathered only if somebody wants to read them.
#[derive(Default)]
pub struct Trace {
    is_on: bool,
    lines: RefCell<Vec<String>>,
}

impl World {
    /// A world in which nothing has happened yet.
    pub fn new(scenario: Scenario, is_traced: bool) -> Rc<Self> {
        let seed = scenario.seed;
        // What the product draws by itself: the pauses between attempts.
        fastrand::seed(seed);
        let began_ms = BEGINNING_MS + seed % MINUTE_MS;
        Rc::new(Self {
            executor: Executor::new(seed ^ 1, began_ms),
            faults: Faults::new(seed ^ 2, &scenario.rates),
            random: RefCell::new(fastrand::Rng::with_seed(seed ^ 3)),
            stream: Stream::new(scenario.shards),
            numbers: Numbers::default(),
            trace: Trace { is_on: is_traced, lines: RefCell::default() },
            tables: RefCell::default(),
            queue: FifoQueue::default(),
            tally_dlq: FifoQueue::default(),
            relay_dlq: DeadLetters::default(),
            doubling: Signal::default(),
            ledger: RefCell::default(),
            breaches: RefCell::default(),
            invocations: Cell::new(0),
            debts: RefCell::default(),
            read_debts: RefCell::default(),
            began_ms,
            scenario,
        })
    }

    /// Has the checkers look at what happens, and the ledger keep it.
    pub fn observe(&self, event: &Event<'_>) {
        checkers::check(&self.ledger.borrow(), event, &mut self.breaches.borrow_mut());
        self.ledger.borrow_mut().note(event);
    }

    /// What is true.
    pub fn ledger(&self) -> Ref<'_, Ledger> {
        self.ledger.borrow()
    }

    /// How the run came out, once everything is drained.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.ledger.borrow(), &self.breaches.borrow())
    }

    /// A number below a bound, drawn. 0 below 1.
    pub fn draw(&self, below: u64) -> u64 {
        self.random.borrow_mut().u64(..below.max(1))
    }

    /// One of some, drawn.
    pub fn draw_index(&self, length: usize) -> usize {
        self.draw(length as u64) as usize
    }

    /// Once in so many times.
    pub fn once_in(&self, times: u64) -> bool {
        self.draw(times) == 0
    }

    /// By how much a clock is ahead, drawn, in milliseconds.
    pub fn draw_skew(&self) -> i64 {
        self.draw(2 * SKEW_MS + 1) as i64 - SKEW_MS as i64
    }

    /// The number of a further invocation.
    pub fn next_invocation(&self) -> u64 {
        count(&self.invocations);
        self.invocations.get()
    }

    /// Milliseconds since the beginning.
    pub fn elapsed_ms(&self) -> u64 {
        self.executor.now_ms() - self.began_ms
    }

    /// The true time.
    pub fn now(&self) -> Timestamp {
        timestamp(self.executor.now_ms())
    }

    /// Whether the partition of an item has the write units for it now; if so, they are spent. A second may be
    /// overdrawn by one write of any size, which is paid off before the next.
    pub fn partition_takes(&self, table: &str, item: &Item) -> bool {
        let partition = self.partition(table, item);
        let per_second = u64::from(self.scenario.partition_units);
        self.spend(&self.debts, partition, per_second, write_units(item_bytes(item)))
    }

    /// The same of reads, which are strongly consistent: only the Tallies table has as much read of one partition that it matters.
    pub fn partition_serves(&self, table: Option<&str>, partition: &str, bytes: u64) -> bool {
        let per_second = u64::from(self.scenario.partition_units) * READ_UNITS_A_WRITE_UNIT;
        table != Some(TALLIES) || self.spend(&self.read_debts, hash(partition), per_second, read_units(bytes))
    }

    fn spend(&self, debts: &RefCell<FxHashMap<u64, Debt>>, partition: u64, units_per_second: u64, units: u64) -> bool {
        let now = self.executor.now_ms();
        let mut debts = debts.borrow_mut();
        let (debt, since) = debts.entry(partition).or_insert((0, now));
        // In thousandths of a unit, as a millisecond pays off thousandths of what a second does.
        *debt = debt.saturating_sub((now - *since) * units_per_second);
        *since = now;
        if *debt >= units_per_second * 1_000 {
            count(&self.numbers.partition_throttles);
            return false;
        }
        *debt += units * 1_000;
        true
    }

    /// Notes what a write takes: by the longer of the item and what it replaces.
    pub fn spent(&self, table: &str, former: Option<&Item>, item: &Item) {
        if table == TALLIES {
            let bytes = item_bytes(item).max(former.map_or(0, item_bytes));
            self.numbers.tally_units.set(self.numbers.tally_units.get() + write_units(bytes));
        }
    }

    fn partition(&self, table: &str, item: &Item) -> u64 {
        hash((table, self.tables.borrow().of(Some(table)).key(item).0))
    }

    /// Lands an item of a transaction that an invocation sent.
    pub fn land(&self, by: u64, table: &str, item: &Item) {
        self.tell("database", || format!("lands {}", outline(item)));
        self.tables.borrow_mut().of_mut(table).land(item);
        self.landed(by, table, None, item);
    }

    /// Has the stream and the checkers know of an item that an invocation has written.
    pub fn landed(&self, by: u64, table: &str, former: Option<&Item>, item: &Item) {
        let event = Event::of_write(table, former, item, self.executor.now_ms(), by);
        if let Some(event) = &event {
            self.observe(event);
        }
        match event {
            Some(Event::VoteWritten { .. }) => self.write_record(former, Some(item)),
            Some(Event::HeadWritten { .. }) => count(&self.numbers.flushes),
            Some(Event::CountWritten { .. }) => count(&self.numbers.copies),
            None if table == TALLIES => count(&self.numbers.spills),
            _ => {}
        }
    }

    /// Appends a change of the Votes table to its stream.
    pub fn write_record(&self, former: Option<&Item>, now: Option<&Item>) {
        let image = now.or(former).expect("an image");
        let place = hash(self.tables.borrow().of(Some(VOTES)).key(image).0);
        self.append_record(place, stream_record(self.stream.next_sequence(), former, now));
        if self.faults.strikes(Fault::Garbage) {
            let garbage = format!(r#"{{"eventName":"INSERT","dynamodb":{{"Garbage":{}}}}}"#, self.draw(1 << 40));
            self.observe(&Event::GarbageMade { text: &garbage });
            self.append_record(place, garbage);
        }
    }

    fn append_record(&self, place: u64, json: String) {
        let json = serde_json::value::RawValue::from_string(json).expect("records are JSON");
        self.stream.append(place as usize, Record { json: json.into(), at_ms: self.executor.now_ms() });
    }

    /// Whether the tally queue takes nothing at all now.
    pub fn is_queue_out(&self) -> bool {
        self.is_in_outage(self.scenario.queue_outage_ms)
    }

    /// Whether a table answers nothing now.
    pub fn is_table_out(&self, table: Option<&str>) -> bool {
        table == Some(TALLIES) && self.is_in_outage(self.scenario.tallies_outage_ms)
    }

    /// Outages begin when half of the voters have come.
    fn is_in_outage(&self, length_ms: u64) -> bool {
        let begins = self.began_ms + self.scenario.span_ms / 2;
        (begins..begins + length_ms).contains(&self.executor.now_ms())
    }

    /// Hides a message of the tally queue for so long from now; whether that receipt still has it.
    pub fn hide_message(self: &Rc<Self>, receipt: u64, id: u64, ms: u64) -> bool {
        let is_hidden = self.queue.hide(receipt, id, self.executor.now_ms() + ms);
        if is_hidden {
            count(&self.numbers.hidden);
            self.release_due_after(ms, receipt);
        }
        is_hidden
    }

    /// Has messages of a receipt come again once they are hidden no more, which is looked at after a time.
    pub fn release_due_after(self: &Rc<Self>, ms: u64, receipt: u64) {
        let world = self.clone();
        self.executor.after(ms, move || world.queue.release_due(receipt, world.executor.now_ms()));
    }

    /// Takes a message into the queue of a URL.
    pub fn take_message(&self, who: &str, queue: &str, sent: Sent) {
        match queue {
            TALLY_DLQ => {
                if sent.reason.as_deref() == Some("too_old") {
                    count(&self.numbers.too_old);
                }
                self.tally_dlq.send(sent, self.executor.now_ms());
            }
            RELAY_DLQ => self.relay_dlq.put(sent),
            _ => {
                let (group, length) = (sent.group.clone(), sent.body.len());
                let is_new = self.queue.send(sent, self.executor.now_ms());
                count(if is_new { &self.numbers.messages } else { &self.numbers.deduplicated });
                let fate = if is_new { "" } else { ", which the queue knows already" };
                self.tell(who, || format!("sends a message of {length} characters to {group}{fate}"));
                if self.faults.strikes(Fault::Garbage) {
                    self.queue.append(self.garbage_message(group));
                }
            }
        }
    }

    /// A message that nobody can count.
    fn garbage_message(&self, group: Rc<str>) -> Sent {
        let body = match self.draw(2) {
            0 => format!("garbage {}!", self.draw(1 << 40)),
            // Layout version 7, which waits for its deployment until the queue gives it up.
            _ => format!("BwAA{:08}", self.draw(100_000_000)),
        };
        self.observe(&Event::GarbageMade { text: &body });
        Sent { body: body.into(), group, deduplication: None, reason: None }
    }

    /// Notes a line, if anybody wants to read it.
    pub fn tell(&self, who: impl std::fmt::Display, line: impl FnOnce() -> String) {
        if self.trace.is_on {
            let at = self.elapsed_ms();
            self.trace.lines.borrow_mut().push(format!("{at:>9} ms  {who:<14} {}", line()));
        }
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.trace.lines.take()
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A time from milliseconds since the epoch.
pub fn timestamp(ms: u64) -> Timestamp {
    Timestamp::EPOCH.plus_millis(ms)
}

/// A process: an environment of Lambda, with a clock that is a bit off.
pub struct Process {
    /// Its function, and which of its processes it is.
    pub name: String,
    /// By how much its clock is ahead, in milliseconds.
    pub skew_ms: Cell<i64>,
    /// The number of the invocation that it works on, 0 for none.
    pub invocation: Cell<u64>,
}

impl Process {
    /// A process whose clock is right.
    pub fn new(name: impl Into<String>) -> Rc<Self> {
        Self::with_skew(name, 0)
    }

    /// A process whose clock is ahead by that many milliseconds.
    pub fn with_skew(name: impl Into<String>, skew_ms: i64) -> Rc<Self> {
        Rc::new(Self { name: name.into(), skew_ms: Cell::new(skew_ms), invocation: Cell::new(0) })
    }
}

/// What a process has of time.
#[derive(Clone)]
pub struct ProcessClock {
    /// Where.
    pub world: Rc<World>,
    /// Whose.
    pub process: Rc<Process>,
}

impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        if self.world.faults.strikes(Fault::ClockStep) {
            self.process.skew_ms.set(self.world.draw_skew());
        }
        timestamp(self.world.executor.now_ms().saturating_add_signed(self.process.skew_ms.get()))
    }

    async fn sleep(&self, time: Duration) {
        self.world.executor.sleep(time.as_millis() as u64).await;
    }
}
