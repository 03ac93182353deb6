//! All that there is in one run of the model.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use landslide_aws::clock::Clock;
use landslide_domain::{
    lane::{LANE_PROPAGATION_MS, LANES_MAX, Partition, Partitions, lanes_for},
    lease::CONFIG_LEASE_MS,
    time::Timestamp,
};
use landslide_sim::executor::Executor;

use crate::{
    fifo::Fifo,
    measures::{Limit, Measures},
    parameters::{Parameters, Stalled},
    sizes::Sizes,
    tallies::Tallies,
    votes_table::VotesTable,
};

/// When every run begins, in milliseconds since the epoch: at a full minute.
const BEGINNING_MS: u64 = 1_790_000_040_000;

/// One run.
pub struct Model {
    /// What it is told.
    pub parameters: Parameters,
    /// How long things are.
    pub sizes: Sizes,
    /// Its tasks and its time.
    pub executor: Executor,
    /// What is measured.
    pub measures: Measures,
    /// The Votes table and its stream.
    pub votes: VotesTable,
    /// The tally queue.
    pub queue: Fifo,
    /// The Tallies table.
    pub tallies: Tallies,
    /// How many lanes the poll has, from when on.
    lanes: RefCell<Vec<(u64, u8)>>,
    doubled_ms: Cell<Option<u64>>,
    partitions: Vec<Partition>,
    random: RefCell<fastrand::Rng>,
}

impl Model {
    /// A stack of these parameters, in which nothing has happened yet.
    pub fn new(parameters: Parameters) -> Rc<Self> {
        // What the product draws by itself: the pauses between attempts.
        fastrand::seed(parameters.seed);
        let steady = parameters.ramp_s * 1_000..parameters.peak_ends_ms();
        let mut random = fastrand::Rng::with_seed(parameters.seed ^ 7);
        let lanes = lanes_for(parameters.declared_votes_per_second as u32, parameters.lanes_min as u8);
        Rc::new(Self {
            sizes: Sizes::measure(),
            executor: Executor::new(parameters.seed ^ 1, BEGINNING_MS),
            measures: Measures::new(steady),
            votes: VotesTable::new(&parameters, &mut random),
            queue: Fifo::new(parameters.group_calls_per_second, parameters.group_messages_per_second),
            tallies: Tallies::new(&parameters, &mut random),
            lanes: RefCell::new(vec![(0, lanes)]),
            doubled_ms: Cell::new(None),
            partitions: Partitions::Many.all().collect(),
            random: RefCell::new(random),
            parameters,
        })
    }

    /// Milliseconds since the beginning.
    pub fn now_ms(&self) -> u64 {
        self.executor.now_ms() - BEGINNING_MS
    }

    /// A number below a bound, drawn.
    pub fn draw(&self, below: u64) -> u64 {
        self.random.borrow_mut().u64(..below.max(1))
    }

    /// Of two bounds, what lies between, drawn.
    pub fn draw_between(&self, least: u64, most: u64) -> u64 {
        least + self.draw(most - least + 1)
    }

    /// A whole number near this one, drawn so that it is right on average.
    pub fn round(&self, number: f64) -> u64 {
        (number + self.random.borrow_mut().f64()) as u64
    }

    /// A number of independent events, of which so many are expected.
    pub fn draw_poisson(&self, expected: f64) -> u64 {
        // By the normal distribution where it is as good: a tick has thousands.
        let mut random = self.random.borrow_mut();
        if expected > 100.0 {
            let normal: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
            return (expected + expected.sqrt() * normal).round().max(0.0) as u64;
        }
        let (limit, mut product, mut events) = ((-expected).exp(), random.f64(), 0);
        while product > limit {
            product *= random.f64();
            events += 1;
        }
        events
    }

    /// Waits that many milliseconds, rounded at random.
    pub async fn wait(&self, ms: f64) {
        self.executor.sleep(self.round(ms)).await;
    }

    /// Waits while something stands still.
    pub async fn wait_for(&self, what: Stalled) {
        if self.is_stalled(what) {
            let ends = (self.parameters.stall_at_s + self.parameters.stall_s) * 1_000;
            self.executor.sleep(ends - self.now_ms()).await;
        }
    }

    /// Whether something stands still now.
    pub fn is_stalled(&self, what: Stalled) -> bool {
        let parameters = &self.parameters;
        let begins = parameters.stall_at_s * 1_000;
        parameters.stalled == what && (begins..begins + parameters.stall_s * 1_000).contains(&self.now_ms())
    }

    /// A call to SQS.
    pub async fn queue_call(&self) {
        let ms = self.draw_between(self.parameters.queue_ms_least, self.parameters.queue_ms_most);
        self.executor.sleep(ms).await;
    }

    /// Notes that a limit was met now.
    pub fn met(&self, limit: Limit, times: u64) {
        self.measures.met(limit, times, self.now_ms());
    }

    /// The lane of a vote of a logical partition that is cast now: the same however many partitions the poll has, as
    /// long as they are a power of two, as lanes are.
    pub fn lane_of(&self, partition: usize) -> u8 {
        self.partitions[partition % self.partitions.len()].lane(self.lanes_now())
    }

    /// How many lanes those who vote now know of.
    pub fn lanes_now(&self) -> u8 {
        let now = self.now_ms();
        self.lanes.borrow().iter().rev().find(|(from, _)| *from <= now).map_or(1, |(_, lanes)| *lanes)
    }

    /// Every change of the lanes: when it was in force, and how many there were.
    pub fn lanes(&self) -> Vec<(u64, u8)> {
        self.lanes.borrow().clone()
    }

    /// Doubles the lanes as `PollStore::double_lanes` does, unless that was done too shortly before votes cast from
    /// `hot_since` on were too many; in force everywhere once no process remembers the poll as it was.
    pub fn double_lanes(&self, hot_since: Timestamp) {
        let now = self.now_ms();
        let felt = hot_since.as_millis().saturating_sub(LANE_PROPAGATION_MS);
        let is_felt = self.doubled_ms.get().is_none_or(|doubled| self.timestamp(doubled).as_millis() < felt);
        let mut lanes = self.lanes.borrow_mut();
        let (_, most) = *lanes.last().expect("lanes from the beginning");
        if most < LANES_MAX && is_felt {
            lanes.push((now + CONFIG_LEASE_MS, most * 2));
            self.doubled_ms.set(Some(now));
        }
    }

    /// The time of day so many milliseconds after the beginning.
    pub fn timestamp(&self, ms: u64) -> Timestamp {
        Timestamp::EPOCH.plus_millis(BEGINNING_MS + ms)
    }
}

/// The model's time, for what the product does by a clock.
#[derive(Clone)]
pub struct ModelClock(pub Rc<Model>);

impl Clock for ModelClock {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH.plus_millis(self.0.executor.now_ms())
    }

    async fn sleep(&self, time: Duration) {
        self.0.executor.sleep(time.as_millis() as u64).await;
    }
}
