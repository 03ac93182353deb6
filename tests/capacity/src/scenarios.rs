//! The scenarios by name: what each is told, and what has to come of it.

use crate::{
    parameters::{Ballots, Logical, Parameters, Placement, Stalled},
    report::{Demand, Report},
};

/// The longest lag of 99 of 100 votes of the steady state, in milliseconds.
const LAG_P99_MS: u64 = 5_000;
/// The longest until all is counted after the peak, in milliseconds.
const DRAIN_MS: u64 = 30_000;

/// The most write units that counting takes of a vote in a viral poll that is ranked, that is counted by groups and by
/// time, and that is a long text; and of any vote that comes alone.
const RANKED_UNITS_MAX: f64 = 0.15;
const SEGMENTED_UNITS_MAX: f64 = 0.15;
const TEXT_UNITS_MAX: f64 = 0.9;
const LONE_UNITS_MAX: f64 = 4.0;

/// A poll is served if fewer than one voter in this many gives up.
const VOTERS_A_LOSS: u64 = 1_000;

/// A scenario.
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What the model is told.
    pub parameters: fn() -> Parameters,
    /// What has to be besides that nothing is lost; the reason if it is not.
    pub demand: Demand,
}

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "steady",
        about: "60,000 votes/s for 10 minutes on 8 lanes, as declared",
        parameters: Parameters::default,
        demand: keeps_up,
    },
    Scenario {
        name: "new-devices",
        about: "the same, each voter with a device that registers first",
        parameters: || Parameters { new_devices: true, ..Parameters::default() },
        demand: keeps_up,
    },
    Scenario {
        name: "lone",
        about: "a vote every five seconds, on a new table",
        parameters: lone,
        demand: costs_little,
    },
    Scenario {
        name: "ranked",
        about: "20,000 votes/s that rank up to five of ten options, as declared",
        parameters: ranked,
        demand: |report| counts_within(report, RANKED_UNITS_MAX),
    },
    Scenario {
        name: "lone-ranked",
        about: "as lone, each a ranking",
        parameters: || Parameters { ballots: Ballots::Rankings, ..lone() },
        demand: costs_little,
    },
    Scenario {
        name: "segmented",
        about: "60,000 votes/s, counted by two dimensions of 10 and 50 values and by minutes, as declared",
        parameters: segmented,
        demand: |report| counts_within(report, SEGMENTED_UNITS_MAX),
    },
    Scenario {
        name: "lone-segmented",
        about: "as lone, counted by two dimensions and by minutes",
        parameters: || Parameters { ballots: Ballots::Segmented, ..lone() },
        demand: costs_little,
    },
    Scenario {
        name: "text",
        about: "2,000 texts/s of 140 characters on one lane, which is twice its share, from 64 shards; a few are frequent",
        parameters: text,
        demand: |report| counts_within(report, TEXT_UNITS_MAX),
    },
    Scenario {
        name: "text-distinct",
        about: "the same, and no two texts are the same",
        parameters: || Parameters { ballots: Ballots::DistinctTexts, ..text() },
        demand: |report| counts_within(report, TEXT_UNITS_MAX),
    },
    Scenario {
        name: "lone-text",
        about: "as lone, each a text of 140 characters that nobody else writes",
        parameters: || Parameters { ballots: Ballots::DistinctTexts, ..lone() },
        // More than the others: the one run of the last level is written again for every thousand texts.
        demand: |_| Ok(()),
    },
    Scenario {
        name: "wide",
        about: "a table of 256 shards, and a poll of one lane and 1,000 votes/s",
        parameters: wide,
        demand: keeps_up,
    },
    Scenario {
        name: "wide-full",
        about: "a table of 512 shards, and the 8,000 votes/s that one lane is meant for",
        parameters: wide_full,
        demand: |_| Ok(()),
    },
    Scenario {
        name: "wide-full-4",
        about: "the same, and MinLanes is 4",
        parameters: || Parameters { lanes_min: 4, ..wide_full() },
        demand: keeps_up,
    },
    Scenario {
        name: "wide-full-grown",
        about: "the same with MinLanes 1, and lanes grow by themselves",
        parameters: || Parameters { lanes_grow: true, ..wide_full() },
        demand: keeps_up,
    },
    Scenario {
        name: "new-tallies",
        about: "as steady, on a Tallies table that is new (4 partitions)",
        parameters: || Parameters { tallies_partitions: 4, ..Parameters::default() },
        demand: |_| Ok(()),
    },
    Scenario {
        name: "cold",
        about: "60,000 votes/s at once on a new table (4 partitions) and no environment",
        parameters: || Parameters { ramp_s: 1, partitions: 4, tallies_partitions: 4, ..Parameters::default() },
        demand: |_| Ok(()),
    },
    Scenario {
        name: "hop",
        about: "as steady, each batch counted by the process that knows least of its lane",
        parameters: || Parameters { tally_placement: Placement::Hop, ..Parameters::default() },
        demand: keeps_up,
    },
    Scenario {
        name: "stall",
        about: "as steady, and no batch is counted for 60 s",
        parameters: || Parameters { stalled: Stalled::Tally, ..Parameters::default() },
        demand: |_| Ok(()),
    },
    Scenario {
        name: "stall-relay",
        about: "as steady, and no batch is relayed for 60 s",
        parameters: || Parameters { stalled: Stalled::Relay, ..Parameters::default() },
        demand: |_| Ok(()),
    },
    Scenario {
        name: "stall-tallies",
        about: "as steady, and the Tallies table gives no answer for 60 s",
        parameters: || Parameters { stalled: Stalled::Tallies, ..Parameters::default() },
        demand: |_| Ok(()),
    },
    Scenario {
        name: "fail-once-60",
        about: "as steady, a batch of each lane fails once, and comes again after the queue's 60 s",
        parameters: || Parameters { tally_changes_visibility: false, ..fail_once() },
        demand: |_| Ok(()),
    },
    Scenario {
        name: "fail-once",
        about: "the same, and tally-votes has it come again after a second",
        parameters: fail_once,
        demand: keeps_up,
    },
    Scenario {
        name: "aim",
        about: "250,000 votes/s on 32 lanes and 4,096 logical partitions, as declared",
        parameters: aim,
        demand: serves_nearly_all,
    },
    Scenario {
        name: "aim-raised",
        about: "100,000 votes/s on the same stack, in a poll that was created for 60,000 and raised later, so on 512 logical ones",
        parameters: aim_raised,
        demand: serves_nearly_all,
    },
    Scenario {
        name: "tenfold",
        about: "600,000 votes/s on a stack set up for 60,000, all quotas raised tenfold",
        parameters: tenfold,
        demand: |_| Ok(()),
    },
    Scenario {
        name: "surprise",
        about: "declared at 1,000 votes/s, so of one lane, and 60,000 come",
        parameters: surprise,
        demand: |_| Ok(()),
    },
    Scenario {
        name: "surprise-grown",
        about: "the same, and lanes grow by themselves",
        parameters: || Parameters { lanes_grow: true, ..surprise() },
        demand: keeps_up,
    },
    Scenario {
        name: "surprise-ranked",
        about: "declared at 1,000 rankings/s, so of one lane, and 20,000 come from 64 shards; lanes grow by themselves",
        parameters: || Parameters { declared_votes_per_second: 1_000, ..grown(ranked()) },
        demand: keeps_up,
    },
    Scenario {
        name: "surprise-text",
        about: "declared at 500 texts/s, so of one lane, and 8,000 come from 64 shards; lanes grow by themselves",
        parameters: || Parameters { peak_votes_per_second: 8_000.0, declared_votes_per_second: 500, ..grown(text()) },
        demand: keeps_up,
    },
];

/// Lag and drain keep within their limits.
fn keeps_up(report: &Report) -> Result<(), String> {
    if report.steady_lag_ms.p99 > LAG_P99_MS {
        return Err(format!("lag p99 of {} ms in the steady state is over {LAG_P99_MS} ms", report.steady_lag_ms.p99));
    }
    if report.drain_ms > DRAIN_MS {
        return Err(format!("drained {} ms after the peak, over {DRAIN_MS} ms", report.drain_ms));
    }
    Ok(())
}

/// Keeps up, and hardly a voter gives up.
fn serves_nearly_all(report: &Report) -> Result<(), String> {
    let (gave_up, came) = report.gave_up();
    if gave_up * VOTERS_A_LOSS >= came {
        return Err(format!("{gave_up} of {came} voters gave up, not fewer than 1 in {VOTERS_A_LOSS}"));
    }
    keeps_up(report)
}

/// Keeps up, with at most this many write units a vote.
fn counts_within(report: &Report, units_max: f64) -> Result<(), String> {
    let units = report.counting_units();
    if units > units_max {
        return Err(format!("counting takes {units:.3} write units a vote, over {units_max}"));
    }
    keeps_up(report)
}

fn costs_little(report: &Report) -> Result<(), String> {
    counts_within(report, LONE_UNITS_MAX)
}

fn ranked() -> Parameters {
    Parameters {
        peak_votes_per_second: 20_000.0,
        declared_votes_per_second: 20_000,
        ballots: Ballots::Rankings,
        ..slower()
    }
}

fn segmented() -> Parameters {
    Parameters { ballots: Ballots::Segmented, ..slower() }
}

fn text() -> Parameters {
    Parameters {
        peak_votes_per_second: 2_000.0,
        declared_votes_per_second: 1_000,
        ballots: Ballots::Texts,
        // From 256 shards messages would come faster than one lane counts them, ten a batch.
        partitions: 64,
        ..slower()
    }
}

/// Relaying and counting at half of the rates for plain votes.
fn slower() -> Parameters {
    Parameters { relay_us_a_record: 10.0, tally_us_a_vote: 2.0, ..Parameters::default() }
}

fn lone() -> Parameters {
    Parameters {
        peak_votes_per_second: 0.2,
        peak_s: 50_000,
        declared_votes_per_second: 1_000,
        partitions: 4,
        tallies_partitions: 4,
        ..Parameters::default()
    }
}

fn wide() -> Parameters {
    Parameters { peak_votes_per_second: 1_000.0, declared_votes_per_second: 1_000, ramp_s: 10, ..Parameters::default() }
}

fn wide_full() -> Parameters {
    Parameters { peak_votes_per_second: 8_000.0, declared_votes_per_second: 8_000, partitions: 512, ..wide() }
}

fn fail_once() -> Parameters {
    Parameters { lanes_fail_once: true, ..Parameters::default() }
}

fn surprise() -> Parameters {
    Parameters { declared_votes_per_second: 1_000, ..Parameters::default() }
}

/// Lanes grow by themselves, and from shards that are too few for messages to be what they grow by.
fn grown(told: Parameters) -> Parameters {
    Parameters { lanes_grow: true, partitions: 64, ..told }
}

fn aim() -> Parameters {
    Parameters {
        peak_votes_per_second: 250_000.0,
        declared_votes_per_second: 250_000,
        ramp_s: 300,
        gateway_per_second: 300_000,
        account_concurrency: 80_000,
        table_write_units: 400_000,
        partitions: 512,
        tallies_partitions: 512,
        ..Parameters::default()
    }
}

fn aim_raised() -> Parameters {
    Parameters { peak_votes_per_second: 100_000.0, logical_partitions: Logical::Number(512), ..aim() }
}

fn tenfold() -> Parameters {
    Parameters {
        peak_votes_per_second: 600_000.0,
        gateway_per_second: 750_000,
        account_concurrency: 200_000,
        table_write_units: 1_000_000,
        ..Parameters::default()
    }
}
