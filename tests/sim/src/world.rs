//! What all of a run shares: time, chance, faults, what happened, and the ledger that knows better.

use std::{
    cell::{Cell, Ref, RefCell},
    rc::Rc,
};

use landslide_domain::{
    runs::RunLimits,
    time::{MINUTE_MS, Timestamp},
};

use crate::{
    checkers::{self, Breach, Verdict},
    events::Event,
    executor::Executor,
    faults::{Faults, SKEW_MS},
    ledger::Ledger,
    numbers::{Numbers, count},
    scenario::Scenario,
};

/// When every run begins, to the minute: 2026-09-21, in milliseconds since the epoch.
const BEGINNING_MS: u64 = 1_790_000_000_000;

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
    ledger: RefCell<Ledger>,
    breaches: RefCell<Vec<Breach>>,
    began_ms: u64,
    invocations: Cell<u64>,
    random: RefCell<fastrand::Rng>,
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
            numbers: Numbers::default(),
            trace: Trace { is_on: is_traced, lines: RefCell::default() },
            ledger: RefCell::new(Ledger::new(&scenario)),
            breaches: RefCell::default(),
            invocations: Cell::new(0),
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

    /// True once in `times` times, at random.
    pub fn once_in(&self, times: u64) -> bool {
        self.draw(times) == 0
    }

    /// By how much a clock is ahead, drawn, in milliseconds.
    pub fn draw_skew(&self) -> i64 {
        self.draw(2 * SKEW_MS + 1) as i64 - SKEW_MS as i64
    }

    /// The limits for runs of the code that a process has: while a new version is deployed, there are two.
    pub fn draw_code_version(&self) -> RunLimits {
        self.scenario.run_limits[self.draw_index(self.scenario.run_limits.len())]
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

    /// Outages begin when half of the voters have come.
    pub fn is_in_outage(&self, length_ms: u64) -> bool {
        let begins = self.began_ms + self.scenario.span_ms / 2;
        (begins..begins + length_ms).contains(&self.executor.now_ms())
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

/// A time from milliseconds since the epoch.
pub fn timestamp(ms: u64) -> Timestamp {
    Timestamp::EPOCH.plus_millis(ms)
}
