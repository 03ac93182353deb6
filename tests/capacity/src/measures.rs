//! What is measured: second by second, and over the run.

use std::cell::{Cell, RefCell};

/// Width of a class of the lag's histogram, in milliseconds.
const LAG_CLASS_MS: u64 = 10;

/// A second of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// Requests that voters sent, those of voters who came again included.
    pub requests: u64,
    /// Votes stored.
    pub accepted: u64,
    /// Requests refused, wherever.
    pub refused: u64,
    /// Votes that readers see since this second.
    pub counted: u64,
    /// The longest that one of these took from being stored, in milliseconds.
    pub lag_most_ms: u64,
}

/// Votes by how long they took until readers saw them.
#[derive(Clone, Debug, Default)]
pub struct Lags {
    classes: Vec<u64>,
    most_ms: u64,
    votes: u64,
}

impl Lags {
    /// Adds votes that took this long.
    pub fn add(&mut self, lag_ms: u64, votes: u64) {
        let class = (lag_ms / LAG_CLASS_MS) as usize;
        if self.classes.len() <= class {
            self.classes.resize(class + 1, 0);
        }
        self.classes[class] += votes;
        self.most_ms = self.most_ms.max(lag_ms);
        self.votes += votes;
    }

    /// The lag that this share of the votes (0 to 1) did not pass, in milliseconds.
    pub fn quantile_ms(&self, share: f64) -> u64 {
        let wanted = (self.votes as f64 * share).ceil() as u64;
        let mut votes = 0;
        let reached = self.classes.iter().position(|class| {
            votes += class;
            votes >= wanted
        });
        reached.map_or(0, |class| ((class as u64 + 1) * LAG_CLASS_MS).min(self.most_ms))
    }

    /// The longest, in milliseconds.
    pub fn most_ms(&self) -> u64 {
        self.most_ms
    }
}

macro_rules! counts {
    ($($name:ident $doc:literal;)*) => {
        /// Counts over the run.
        #[derive(Clone, Debug, Default)]
        pub struct Counts {
            $(#[doc = $doc] pub $name: Cell<u64>,)*
        }
    };
}

counts! {
    requests "Requests that voters sent.";
    through_gateway "Of these, past the gateway.";
    accepted "Votes stored.";
    counted "Votes that readers see.";
    given_up "Voters who were refused until they gave up.";
    vote_units "Write units of the Votes table.";
    tally_units "Write units of the Tallies table.";
    tally_read_units "Read units of the Tallies table.";
    heads "HEADs written.";
    spills "SEEN rows written.";
    copies "COUNTs written.";
    run_rows "Rows of runs written.";
    run_rows_deleted "Rows of runs deleted.";
    ids_read "Counted ids read.";
    relays "Invocations of relay-votes.";
    relay_ms "Their time in milliseconds.";
    messages "Messages sent.";
    message_bytes "Bytes of their bodies.";
    queue_requests "Requests to SQS as they are billed: a call, or more by its 64 KB.";
    tallies "Invocations of tally-votes.";
    tally_ms "Their time in milliseconds.";
    cold_processes "Processes of tally-votes started.";
    redelivered "Messages that came again.";
    splits "Partitions split for heat.";
}

/// Adds to a count.
pub fn add(count: &Cell<u64>, more: u64) {
    count.set(count.get() + more);
}

macro_rules! limits {
    ($($variant:ident $name:literal;)*) => {
        /// What can be too small.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Limit {
            $(#[doc = $name] $variant,)*
        }

        impl Limit {
            /// All of them, in the order of a vote's way.
            pub const ALL: &[Limit] = &[$(Limit::$variant,)*];

            /// In words.
            pub fn name(self) -> &'static str {
                match self {
                    $(Limit::$variant => $name,)*
                }
            }
        }
    };
}

limits! {
    Gateway "the gateway's throttle";
    Environments "Lambda's environments for requests";
    TableQuota "the Votes table's quota";
    VotesPartition "a partition of the Votes table";
    Shard "a stream shard read late";
    GroupCalls "the queue's calls for one group";
    Lane "a lane counted slower than it is voted in";
    TalliesWrites "write units of a lane's partition";
    TalliesReads "read units of a lane's partition";
    GroupTime "a lane's time in one invocation";
}

/// When a limit was first met, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Since the beginning, in milliseconds.
    pub first_ms: u64,
    /// How often, in requests, votes, calls or messages.
    pub times: u64,
}

/// All that is measured.
pub struct Measures {
    /// Over the run.
    pub counts: Counts,
    seconds: RefCell<Vec<Second>>,
    lags: RefCell<Lags>,
    steady_lags: RefCell<Lags>,
    steady_ms: std::ops::Range<u64>,
    met: RefCell<Vec<Met>>,
    last_counted_ms: Cell<u64>,
}

impl Measures {
    /// Nothing measured yet. Votes stored within `steady_ms` are of the steady state.
    pub fn new(steady_ms: std::ops::Range<u64>) -> Self {
        Self {
            counts: Counts::default(),
            seconds: RefCell::default(),
            lags: RefCell::default(),
            steady_lags: RefCell::default(),
            steady_ms,
            met: RefCell::new(vec![Met::default(); Limit::ALL.len()]),
            last_counted_ms: Cell::new(0),
        }
    }

    /// Notes something of the second of a time.
    pub fn at(&self, now_ms: u64, note: impl FnOnce(&mut Second)) {
        let second = (now_ms / 1_000) as usize;
        let mut seconds = self.seconds.borrow_mut();
        if seconds.len() <= second {
            seconds.resize(second + 1, Second::default());
        }
        note(&mut seconds[second]);
    }

    /// Notes that readers see votes that were stored at a time.
    pub fn counted(&self, stored_ms: u64, votes: u64, now_ms: u64) {
        let lag = now_ms - stored_ms;
        add(&self.counts.counted, votes);
        self.lags.borrow_mut().add(lag, votes);
        if self.steady_ms.contains(&stored_ms) {
            self.steady_lags.borrow_mut().add(lag, votes);
        }
        self.last_counted_ms.set(now_ms);
        self.at(now_ms, |second| {
            second.counted += votes;
            second.lag_most_ms = second.lag_most_ms.max(lag);
        });
    }

    /// Notes that a limit was met.
    pub fn met(&self, limit: Limit, times: u64, now_ms: u64) {
        let met = &mut self.met.borrow_mut()[limit as usize];
        if met.times == 0 {
            met.first_ms = now_ms;
        }
        met.times += times;
    }

    /// Every limit that was met, the first of them first.
    pub fn limits(&self) -> Vec<(Limit, Met)> {
        let met = self.met.borrow();
        let all = Limit::ALL.iter().copied().zip(met.iter().copied());
        let mut met: Vec<_> = all.filter(|(_, met)| met.times > 0).collect();
        met.sort_by_key(|(_, met)| met.first_ms);
        met
    }

    /// The seconds.
    pub fn seconds(&self) -> Vec<Second> {
        self.seconds.borrow().clone()
    }

    /// Lags of all votes.
    pub fn lags(&self) -> Lags {
        self.lags.borrow().clone()
    }

    /// Lags of the votes of the steady state.
    pub fn steady_lags(&self) -> Lags {
        self.steady_lags.borrow().clone()
    }

    /// When the last vote was counted, in milliseconds since the beginning.
    pub fn last_counted_ms(&self) -> u64 {
        self.last_counted_ms.get()
    }
}

/// Votes stored and not counted yet, second by second.
pub fn backlog(seconds: &[Second]) -> Vec<u64> {
    let mut waiting = 0;
    seconds
        .iter()
        .map(|second| {
            waiting = waiting + second.accepted - second.counted;
            waiting
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_votes_and_not_of_messages() {
        let mut lags = Lags::default();
        lags.add(1_000, 98);
        lags.add(5_000, 1);
        lags.add(9_000, 1);
        assert_eq!([0.5, 0.99, 1.0].map(|share| lags.quantile_ms(share)), [1_010, 5_010, 9_000]);
        assert_eq!(lags.most_ms(), 9_000);
    }

    #[test]
    fn the_limit_met_first_comes_first() {
        let measures = Measures::new(0..0);
        measures.met(Limit::Lane, 3, 700);
        measures.met(Limit::Gateway, 1, 900);
        measures.met(Limit::Lane, 1, 950);
        let met: Vec<_> = measures.limits();
        assert_eq!(met[0], (Limit::Lane, Met { first_ms: 700, times: 4 }));
        assert_eq!(met[1], (Limit::Gateway, Met { first_ms: 900, times: 1 }));
    }

    #[test]
    fn the_backlog_is_what_is_stored_and_not_counted() {
        let second = |accepted, counted| Second { accepted, counted, ..Second::default() };
        assert_eq!(backlog(&[second(10, 0), second(10, 12), second(0, 8)]), [10, 8, 0]);
    }
}
