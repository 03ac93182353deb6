//! What goes wrong, how often, and how often it did.

use std::cell::{Cell, RefCell};

use landslide_domain::lease::CLOCK_SKEW_MS;

/// By how much a clock is ahead or behind at most, in milliseconds: two of them differ by `CLOCK_SKEW_MS` at most.
pub const SKEW_MS: u64 = CLOCK_SKEW_MS / 2;

macro_rules! faults {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $(#[doc = $doc] $variant,)*
        }

        impl Fault {
            /// Every kind.
            pub const ALL: &[Fault] = &[$(Fault::$variant,)*];

            /// Its name on the command line, and in words.
            pub fn names(self) -> (&'static str, &'static str) {
                match self {
                    $(Fault::$variant => ($name, $doc),)*
                }
            }
        }
    };
}

faults! {
    Crash "crash" "processes dropped at an await",
    HoldUp "hold-up" "processes held up at an await",
    LostSight "lost-sight" "invocations repeated while the first went on",
    ColdStart "cold-start" "processes that began with empty caches",
    ClockStep "clock-step" "clocks set forward or back within their bound",
    RequestLost "request-lost" "calls that never arrived",
    AnswerLost "answer-lost" "calls applied whose answer was lost",
    Slow "slow" "calls of seconds",
    Throttled "throttled" "calls throttled at random",
    ResponseLost "response-lost" "answers that no voter got",
    PartlyTaken "partly-taken" "batches of which the queue took a part",
    StreamRewound "stream-rewound" "stream checkpoints lost",
    StreamRepeated "stream-repeated" "stream batches relayed a second time at once",
    ShardSplit "shard-split" "stream shards split",
    MessageRepeated "message-repeated" "messages delivered again after they were deleted",
    DeleteLost "delete-lost" "deletions of messages lost",
    SeenTwice "seen-twice" "messages in the hands of two processes",
    Garbage "garbage" "messages and records that nobody can read",
    Stalled "stalled" "transactions that stalled for seconds with their items locked",
    TornRead "torn-read" "polls read while a change was landing",
}

/// Rates and counts of all kinds.
pub struct Faults {
    /// One chance in 2³² each.
    rates: Vec<Cell<u32>>,
    counts: Vec<Cell<u64>>,
    random: RefCell<fastrand::Rng>,
}

impl Faults {
    /// Faults at rates from 0 to 1, in the order of `Fault::ALL`.
    pub fn new(seed: u64, rates: &[f64]) -> Self {
        Self {
            rates: rates.iter().map(|rate| Cell::new((rate * f64::from(u32::MAX)) as u32)).collect(),
            counts: rates.iter().map(|_| Cell::new(0)).collect(),
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// Whether it strikes now. Counted if it does.
    pub fn strikes(&self, fault: Fault) -> bool {
        let rate = self.rates[fault as usize].get();
        let strikes = rate > 0 && self.random.borrow_mut().u32(..) < rate;
        if strikes {
            let count = &self.counts[fault as usize];
            count.set(count.get() + 1);
        }
        strikes
    }

    /// From now on nothing goes wrong.
    pub fn end(&self) {
        self.rates.iter().for_each(|rate| rate.set(0));
    }

    /// How often each kind struck, in the order of `Fault::ALL`.
    pub fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(Cell::get).collect()
    }
}
