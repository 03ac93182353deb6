//! What one seed is about: how many vote, over which time, on how much of a cloud, and what goes wrong how often.

use std::fmt;

use landslide_counting::tallies::TallyLimits;
use landslide_domain::{
    heat::{HEAT_LIMITS, HeatLimits},
    runs::{RUN_LIMITS, RunLimits},
    tally::PORTION_IDS_MAX,
    time::MINUTE_MS,
};

use crate::faults::Fault;

/// One run's parameters. The same parameters give the same run.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The seed of everything that is drawn while it runs.
    pub seed: u64,
    /// How many polls there are.
    pub polls: usize,
    /// How many vote, over all polls.
    pub voters: usize,
    /// How long they come, in milliseconds.
    pub span_ms: u64,
    /// The most that one of them asks for, one after the other or at once.
    pub wishes_max: usize,
    /// Whether votes may change, poll by poll drawn if so.
    pub votes_change: bool,
    /// Whether the owners close, move the closing and raise the peak.
    pub owners_act: bool,
    /// The most invocations of cast-vote at once; of each other function a quarter, one at least.
    pub processes_max: usize,
    /// How many shards the stream has at first.
    pub shards: usize,
    /// How long the relay gathers, in milliseconds.
    pub window_ms: u64,
    /// The most records of a stream batch.
    pub batch_records_max: usize,
    /// Whether batches and pages hold all that is there, up to their limits (else how much is drawn), and no answer
    /// is missed for coming in the very millisecond in which its call is done.
    pub is_plain: bool,
    /// How many batches of the queue are counted at once.
    pub queue_readers: usize,
    /// After how long a message that was not deleted comes again, in milliseconds.
    pub visibility_ms: u64,
    /// After how many deliveries a message is a dead letter.
    pub receives_max: u32,
    /// Bytes of counted ids that a process of tally-votes remembers, and how many it reads for a portion. Its limits for
    /// runs are drawn from `run_limits`.
    pub counting: TallyLimits,
    /// Limits for runs of each version of the code that counts.
    pub run_limits: Vec<RunLimits>,
    /// Whether there are polls whose votes have entries.
    pub has_entries: bool,
    /// How many different rankings, ratings or answers most voters choose from; 0: any.
    pub favourites: u64,
    /// Whether somebody deletes a row of a run by hand.
    pub loses_runs: bool,
    /// From when on a lane is too hot.
    pub heat_limits: HeatLimits,
    /// Write units a second of each partition; three times as many read units.
    pub partition_units: u32,
    /// For how long the queue takes nothing at all, in milliseconds; 0: no such time.
    pub queue_outage_ms: u64,
    /// For how long the Tallies table answers nothing, in milliseconds; 0: no such time.
    pub tallies_outage_ms: u64,
    /// Whether months pass in the end: rows expire, old messages come again.
    pub months_pass: bool,
    /// Whether an operator rebuilds a poll's counts once it is closed.
    pub rebuilds: bool,
    /// Whether the counts of a poll are made final.
    pub finalises: bool,
    /// How many votes a step of that counts, roughly.
    pub votes_a_step: u64,
    /// Rates by kind, in the order of `Fault::ALL`.
    pub rates: Vec<f64>,
}

const HOUR_MS: u64 = 60 * MINUTE_MS;

impl Scenario {
    /// The scenario of a seed.
    pub fn of(seed: u64) -> Self {
        // Apart from the generators that use the same seed while it runs.
        let mut random = fastrand::Rng::with_seed(seed ^ 0x005c_e0a1_0000_0000);
        // Apart, so that all else is drawn as it would be without entries.
        let mut of_entries = fastrand::Rng::with_seed(seed ^ 0x005c_e0a2_0000_0000);
        let mut of_jobs = fastrand::Rng::with_seed(seed ^ 0x005c_e0a3_0000_0000);
        let voters = match random.u32(..1000) {
            0..500 => random.usize(1..=40),
            500..885 => random.usize(40..=800),
            885..987 => random.usize(800..=4_000),
            _ => random.usize(8_000..=24_000),
        };
        let is_large = voters > 800;
        let span_ms = match random.u32(..10) {
            0 => random.u64(1..=200),
            1..6 => random.u64(1_000..=30_000),
            _ => random.u64(30_000..=5 * MINUTE_MS),
        };
        // In some runs a kind of fault is left out, in some it is rare, in some it is all over the place.
        let rates = Fault::ALL.iter().map(|_| match random.u32(..10) {
            0..4 => 0.0,
            4..8 => 0.002 + random.f64() * 0.02,
            _ => random.f64() * if is_large { 0.05 } else { 0.25 },
        });
        let mut rates: Vec<f64> = rates.collect();
        // A run has few transactions.
        rates[Fault::Stalled as usize] *= 4.0;
        // A poll is closed early in a rush of votes, by a process that is slow, held up and killed.
        let is_about_closing = !is_large && random.u32(..6) == 0;
        if is_about_closing {
            for fault in [Fault::Slow, Fault::Crash, Fault::HoldUp] {
                rates[fault as usize] = random.f64() * 0.3;
            }
        }
        let span_ms = if is_about_closing { random.u64(15_000..=40_000) } else { span_ms };
        Self {
            seed,
            polls: random.usize(1..=3),
            voters,
            span_ms,
            wishes_max: if is_large { 1 + random.usize(..2) } else { 1 + random.usize(..5) },
            votes_change: random.bool(),
            owners_act: is_about_closing || random.bool(),
            // Fewer for a rush would only be fewer votes: most voters are refused then, and soon give up.
            processes_max: if is_large { 100 + random.usize(..400) } else { 1 + random.usize(..24) },
            shards: 1 << random.u32(..5),
            // The longest gives messages of several minutes, which are counted by portions.
            window_ms: *random.choice(&[0, 0, 100, 1_000, 200_000]).unwrap(),
            batch_records_max: match voters {
                0..=40 => *random.choice(&[1, 7, 50]).unwrap(),
                41..=800 => *random.choice(&[7, 50, 500]).unwrap(),
                _ => *random.choice(&[50, 500, 10_000]).unwrap(),
            },
            is_plain: false,
            queue_readers: 1 + random.usize(..8),
            visibility_ms: *random.choice(&[2_000, 9_000, 60_000, 60_000]).unwrap(),
            receives_max: *random.choice(&[3, 10, 20]).unwrap(),
            counting: TallyLimits {
                cache_bytes_max: *random.choice(&[0, 4_096, 65_536, 640 << 20]).unwrap(),
                portion_ids_max: *random.choice(&[1, 40, 1_000, PORTION_IDS_MAX]).unwrap(),
                runs: RUN_LIMITS,
            },
            run_limits: vec![draw_run_limits(&mut of_entries, is_large), draw_run_limits(&mut of_entries, is_large)],
            has_entries: of_entries.bool(),
            favourites: *of_entries.choice(&[0, 1, 4, 12]).unwrap(),
            loses_runs: of_entries.u32(..5) == 0,
            partition_units: match *random.choice(&[10, 100, 1_000, 1_000]).unwrap() {
                _ if is_large => 1_000,
                // With less, the ids of one lane for all could not be written within an invocation's time.
                units => (voters as u32 / 20).max(units),
            },
            queue_outage_ms: match random.u32(..24) {
                0 => random.u64(22 * HOUR_MS..=26 * HOUR_MS),
                1..4 => random.u64(1_000..=10 * MINUTE_MS),
                _ => 0,
            },
            tallies_outage_ms: if random.u32(..6) == 0 { random.u64(1_000..=3 * MINUTE_MS) } else { 0 },
            months_pass: random.u32(..4) == 0,
            heat_limits: match random.u32(..3) {
                0 => HEAT_LIMITS,
                _ => HeatLimits { write_units_per_second: 1 << random.u32(..8), full_batches: 1 + random.u32(..4) },
            },
            rebuilds: random.u32(..10) == 0,
            finalises: of_jobs.u32(..3) == 0,
            votes_a_step: *of_jobs.choice(&[40, 200, 100_000]).unwrap(),
            rates,
        }
    }
}

/// The limits of one version of the code that counts. Most are so low that runs are merged and lanes swept all the time;
/// with some, lanes lose their entries.
fn draw_run_limits(random: &mut fastrand::Rng, is_large: bool) -> RunLimits {
    RunLimits {
        near_bytes_max: *random.choice(&[0, 10, 40, 512]).unwrap(),
        // A run of a large lane would have hundreds of short rows.
        chunk_bytes_max: match random.u32(..2) {
            0 if !is_large => random.usize(10..=200),
            _ => RUN_LIMITS.chunk_bytes_max,
        },
        runs_of_a_level_max: random.usize(1..=4),
        runs_max: if random.u32(..5) == 0 { random.usize(3..=12) } else { RUN_LIMITS.runs_max },
        merged_bytes_max: match random.u32(..3) {
            // Room for all texts that were folded is always there: 12 bytes for the total of each kind as it was, and as
            // it is after the merge.
            0 => random.usize(48..=400),
            _ => RUN_LIMITS.merged_bytes_max,
        },
        replaced_max: *random.choice(&[1, 4, 12, 40]).unwrap(),
        flush_bytes_max: match random.u32(..3) {
            0 if is_large => random.usize(5_000..=50_000),
            0 => random.usize(1..=300),
            _ => RUN_LIMITS.flush_bytes_max,
        },
    }
}

impl fmt::Display for Scenario {
    /// The parameters, so that a reader can picture the run.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = Fault::ALL
            .iter()
            .zip(&self.rates)
            .filter(|(_, rate)| **rate > 0.0)
            .map(|(fault, rate)| format!("{} {:.3}", fault.names().0, rate))
            .collect();
        write!(f, "{} voters of {} polls in {} ms", self.voters, self.polls, self.span_ms)?;
        if self.has_entries {
            write!(f, ", some with entries")?;
        }
        write!(f, ", faults: {}", if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") })
    }
}
