//! An account's tables, stream and queues, and what a write in one leads to in another.

use std::{cell::RefCell, rc::Rc};

use landslide_jobs::step::Step;

use crate::{
    channel::Signal,
    entries,
    events::Event,
    faults::Fault,
    item::{Item, item_bytes, outline, read_units, stream_record, text, write_units},
    models::{
        database::Tables,
        queue::{DeadLetters, FifoQueue, Sent},
        stream::{Record, Stream},
        throughput::{Throughput, hash},
    },
    names::{RELAY_DLQ, TALLIES, TALLY_DLQ, VOTES},
    numbers::count,
    world::World,
};

/// Read units a second that a partition has for each write unit: 3,000 for 1,000.
const READ_UNITS_A_WRITE_UNIT: u64 = 3;

/// What delivers a step of a job.
pub type Delivery = Box<dyn Fn(Step)>;

/// The services that hold something.
pub struct Account {
    /// Where.
    pub world: Rc<World>,
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
    /// Rings when a row of a run is written.
    pub run_written: Signal,
    /// Delivers a step of a job.
    pub deliver: RefCell<Option<Delivery>>,
    writes: Throughput,
    reads: Throughput,
}

impl Account {
    /// An account in which nothing has happened yet.
    pub fn new(world: &Rc<World>) -> Rc<Self> {
        Rc::new(Self {
            world: world.clone(),
            tables: RefCell::default(),
            stream: Stream::new(world.scenario.shards),
            queue: FifoQueue::default(),
            tally_dlq: FifoQueue::default(),
            relay_dlq: DeadLetters::default(),
            doubling: Signal::default(),
            run_written: Signal::default(),
            deliver: RefCell::default(),
            writes: Throughput::default(),
            reads: Throughput::default(),
        })
    }

    /// Whether the partition of an item has the write units for it now; if so, they are spent. A second may be
    /// overdrawn by one write of any size, which is paid off before the next.
    pub fn partition_takes(&self, table: &str, item: &Item) -> bool {
        let partition = self.partition(table, item);
        let per_second = u64::from(self.world.scenario.partition_units);
        self.spend(&self.writes, partition, per_second, write_units(item_bytes(item)))
    }

    /// The same of reads, which are strongly consistent: only the Tallies table has as much read of one partition that it matters.
    pub fn partition_serves(&self, table: Option<&str>, partition: &str, bytes: u64) -> bool {
        let per_second = u64::from(self.world.scenario.partition_units) * READ_UNITS_A_WRITE_UNIT;
        table != Some(TALLIES) || self.spend(&self.reads, hash(partition), per_second, read_units(bytes))
    }

    fn spend(&self, throughput: &Throughput, partition: u64, units_per_second: u64, units: u64) -> bool {
        let is_spent = throughput.spend(partition, self.world.executor.now_ms(), units_per_second, units);
        if !is_spent {
            count(&self.world.numbers.partition_throttles);
        }
        is_spent
    }

    /// Notes what a write takes: by the longer of the item and what it replaces.
    pub fn spent(&self, table: &str, former: Option<&Item>, item: &Item) {
        if table == TALLIES {
            let bytes = item_bytes(item).max(former.map_or(0, item_bytes));
            self.world.numbers.tally_units.set(self.world.numbers.tally_units.get() + write_units(bytes));
        }
    }

    fn partition(&self, table: &str, item: &Item) -> u64 {
        hash((table, self.tables.borrow().of(Some(table)).key(item).0))
    }

    /// Lands an item of a transaction that an invocation sent.
    pub fn land(&self, by: u64, table: &str, item: &Item) {
        self.world.tell("database", || format!("lands {}", outline(item)));
        self.tables.borrow_mut().of_mut(table).land(item);
        self.landed(by, table, None, item);
    }

    /// Has the stream and the checkers know of an item that an invocation has written.
    pub fn landed(&self, by: u64, table: &str, former: Option<&Item>, item: &Item) {
        let event = Event::of_write(table, former, item, self.world.executor.now_ms(), by);
        if let Some(event) = &event {
            self.world.observe(event);
        }
        match event {
            Some(Event::VoteWritten { .. }) => self.write_record(former, Some(item)),
            Some(Event::HeadWritten { former, head }) => self.world.numbers.note_head(former, head),
            Some(Event::CountWritten { .. }) => count(&self.world.numbers.copies),
            Some(Event::RunRowWritten { .. }) => {
                count(&self.world.numbers.run_rows);
                self.run_written.ring();
            }
            None if table == TALLIES => count(&self.world.numbers.spills),
            _ => {}
        }
    }

    /// Has the checkers know of an item that a function or program has deleted: only rows of runs are.
    pub fn deleted(&self, table: &str, item: &Item) {
        let row = entries::row_of(text(item, "item")).filter(|_| table == TALLIES).expect("a row of a run");
        let lane = entries::lane_of(text(item, "poll_lane"));
        self.world.observe(&Event::RunRowDeleted { lane, row });
    }

    /// Appends a change of the Votes table to its stream.
    pub fn write_record(&self, former: Option<&Item>, now: Option<&Item>) {
        let image = now.or(former).expect("an image");
        let place = hash(self.tables.borrow().of(Some(VOTES)).key(image).0);
        self.append_record(place, stream_record(self.stream.next_sequence(), former, now));
        if self.world.faults.strikes(Fault::Garbage) {
            let garbage = format!(r#"{{"eventName":"INSERT","dynamodb":{{"Garbage":{}}}}}"#, self.world.draw(1 << 40));
            self.world.observe(&Event::GarbageMade { text: &garbage });
            self.append_record(place, garbage);
        }
    }

    fn append_record(&self, place: u64, json: String) {
        self.stream.append(place as usize, Record { json: json.into(), at_ms: self.world.executor.now_ms() });
    }

    /// Whether the tally queue takes nothing at all now.
    pub fn is_queue_out(&self) -> bool {
        self.world.is_in_outage(self.world.scenario.queue_outage_ms)
    }

    /// Whether a table answers nothing now.
    pub fn is_table_out(&self, table: Option<&str>) -> bool {
        table == Some(TALLIES) && self.world.is_in_outage(self.world.scenario.tallies_outage_ms)
    }

    /// Hides a message of the tally queue for so long from now; whether that receipt still has it.
    pub fn hide_message(self: &Rc<Self>, receipt: u64, id: u64, ms: u64) -> bool {
        let is_hidden = self.queue.hide(receipt, id, self.world.executor.now_ms() + ms);
        if is_hidden {
            count(&self.world.numbers.hidden);
            self.release_due_after(ms, receipt);
        }
        is_hidden
    }

    /// Has messages of a receipt come again once they are hidden no more, which is looked at after a time.
    pub fn release_due_after(self: &Rc<Self>, ms: u64, receipt: u64) {
        let again = self.clone();
        self.world.executor.after(ms, move || again.queue.release_due(receipt, again.world.executor.now_ms()));
    }

    /// Takes a message into the queue of a URL.
    pub fn take_message(&self, who: &str, queue: &str, sent: Sent) {
        match queue {
            TALLY_DLQ => {
                if sent.reason.as_deref() == Some("too_old") {
                    count(&self.world.numbers.too_old);
                }
                self.tally_dlq.send(sent, self.world.executor.now_ms());
            }
            RELAY_DLQ => self.relay_dlq.put(sent),
            _ => {
                let (group, length) = (sent.group.clone(), sent.body.len());
                let is_new = self.queue.send(sent, self.world.executor.now_ms());
                count(if is_new { &self.world.numbers.messages } else { &self.world.numbers.deduplicated });
                let fate = if is_new { "" } else { ", which the queue knows already" };
                self.world.tell(who, || format!("sends a message of {length} characters to {group}{fate}"));
                if self.world.faults.strikes(Fault::Garbage) {
                    self.queue.append(self.garbage_message(group));
                }
            }
        }
    }

    /// A message that nobody can count.
    fn garbage_message(&self, group: Rc<str>) -> Sent {
        let body = match self.world.draw(2) {
            0 => format!("garbage {}!", self.world.draw(1 << 40)),
            // Layout version 7, which waits for its deployment until the queue gives it up.
            _ => format!("BwAA{:08}", self.world.draw(100_000_000)),
        };
        self.world.observe(&Event::GarbageMade { text: &body });
        Sent { body: body.into(), group, deduplication: None, reason: None }
    }
}
