//! What all parts of a run share: what it is told, lengths, time, chance, and what is measured.

use std::{cell::RefCell, rc::Rc, time::Duration};

use landslide_aws::clock::Clock;
use landslide_domain::{
    entries::{Entries, PerSet},
    series::{Slot, SlotWidth},
    time::Timestamp,
};
use landslide_sim::executor::Executor;

use crate::{
    fifo::Votes,
    measures::{Limit, Measures},
    parameters::{Parameters, Stalled},
    sizes::Sizes,
};

/// When every run begins, in milliseconds since the epoch: at a full minute.
const BEGINNING_MS: u64 = 1_790_000_040_000;

/// One run, without its services.
pub struct World {
    /// What it is told.
    pub parameters: Parameters,
    /// How long things are.
    pub sizes: Sizes,
    /// Its tasks and its time.
    pub executor: Executor,
    /// What is measured.
    pub measures: Measures,
    random: RefCell<fastrand::Rng>,
}

impl World {
    /// A run of these parameters, in which nothing has happened yet.
    pub fn new(parameters: Parameters) -> Rc<Self> {
        // What the product draws by itself: the pauses between attempts.
        fastrand::seed(parameters.seed);
        let steady = parameters.ramp_s * 1_000..parameters.peak_ends_ms();
        Rc::new(Self {
            sizes: Sizes::measure(parameters.ballots),
            executor: Executor::new(parameters.seed ^ 1, BEGINNING_MS),
            measures: Measures::new(steady),
            random: RefCell::new(fastrand::Rng::with_seed(parameters.seed ^ 7)),
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

    /// Draws a number of independent events whose mean is `expected`.
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

    /// Draws the entries of some votes, whose poll opened at the beginning and counts by minutes.
    pub fn entries(&self, votes: &[Votes]) -> PerSet<Entries> {
        let slot = |ms| Slot::of(self.timestamp(ms), self.timestamp(0), SlotWidth::Minute);
        let voters = votes.iter().map(|votes| (slot(votes.stored_ms), votes.count));
        self.parameters.ballots.entries(voters, &mut self.random.borrow_mut())
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

    /// The time of day at `ms` milliseconds after the beginning.
    pub fn timestamp(&self, ms: u64) -> Timestamp {
        Timestamp::EPOCH.plus_millis(BEGINNING_MS + ms)
    }
}

/// The model's time, for what the product does by a clock.
#[derive(Clone)]
pub struct WorldClock(pub Rc<World>);

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH.plus_millis(self.0.executor.now_ms())
    }

    async fn sleep(&self, time: Duration) {
        self.0.executor.sleep(time.as_millis() as u64).await;
    }
}
