//! What the model is told: each parameter with its unit and where its value comes from.

use std::{fmt, str::FromStr};

use landslide_domain::lane::Partitions;

macro_rules! parameters {
    ($($name:ident: $type:ty = $value:expr, $doc:literal, $source:literal;)*) => {
        /// All parameters of a run. The default is `steady`.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Parameters {
            $(#[doc = concat!($doc, " Source: ", $source, ".")] pub $name: $type,)*
        }

        impl Default for Parameters {
            fn default() -> Self {
                Self { $($name: $value,)* }
            }
        }

        impl Parameters {
            /// Sets one by its name.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
                let broken = || format!("{value:?} is no value of the parameter {name}");
                match name {
                    $(stringify!($name) => self.$name = value.parse().map_err(|_| broken())?,)*
                    _ => return Err(format!("there is no parameter {name:?}")),
                }
                Ok(())
            }

            /// A row each: name, value, what it is, where it comes from.
            pub fn rows(&self) -> Vec<[String; 4]> {
                vec![$([stringify!($name).to_owned(), self.$name.to_string(), $doc.to_owned(), $source.to_owned()],)*]
            }
        }
    };
}

parameters! {
    seed: u64 = 1, "Seed of all that is drawn.", "ours";
    tick_ms: u64 = 100, "Step of time in which voters come, in milliseconds.", "ours: a finer one changes the lag by less than itself";

    peak_votes_per_second: f64 = 60_000.0, "Voters that come a second at the peak.", "ours: 60,000 sustained for minutes";
    ramp_s: u64 = 60, "Seconds from nobody to the peak, in a straight line.", "assumed";
    peak_s: u64 = 600, "Seconds that the peak lasts; then nobody new comes.", "ours";
    ballots: Ballots = Ballots::Choices, "What voters say: `choices` among four options; `segmented`, the same with dimensions of 10 and 50 values and a series; `rankings` of ten options; `texts` of 140 characters, as frequent as Zipf's law has it among a million; `distinct-texts`, none twice.", "ours; how different rankings are: an election of 2009";
    voter_tries: usize = 4, "How often a voter who is refused comes in all.", "assumed";
    voter_pause_ms: u64 = 3_000, "How long a refused voter waits, at random up to twice that.", "assumed";
    new_devices: bool = false, "Whether each voter gets a device token first.", "ours: as often as the vote in a viral poll";

    declared_votes_per_second: u64 = 60_000, "The poll's `peak_votes_per_second`, which gives its lanes and logical partitions.", "domain/lane.rs";
    lanes_min: u64 = 1, "`MinLanes`.", "template.yaml";
    lanes_grow: bool = false, "Whether lanes double by the rule of `domain/heat.rs`.", "tally-votes: they do";

    gateway_per_second: u64 = 75_000, "Requests a second that the gateway lets through.", "AWS: 10,000 by default, raisable";
    environments_per_10_s: u64 = 1_000, "Environments that a function gets every 10 s.", "AWS";
    environment_requests_per_second: u64 = 10, "Requests a second of an environment.", "AWS";
    account_concurrency: u64 = 20_000, "Environments of all functions of a request.", "AWS: 1,000 by default, raisable";
    request_ms: u64 = 8, "Billed time of a request function.", "a public load test: p50 5.1, p99 20.1 ms";

    table_write_units: u64 = 100_000, "Write units a second of the Votes table.", "AWS: 40,000 by default, raisable";
    partitions: usize = 256, "Physical partitions of the Votes table at first, a stream shard each.", "AWS: 4 if new; warm throughput / 1,000; never fewer again";
    logical_partitions: Logical = Logical::AsDeclared, "Logical partitions of the poll, laid on these by their hashes; a number, or those of a poll that is created with the declared peak.", "`Partitions::for_peak`";
    partition_write_units: u64 = 1_000, "Write units a second of a partition.", "AWS";
    partition_read_units: u64 = 3_000, "Read units a second of a partition.", "AWS";
    split_for_heat: bool = true, "Whether a partition that refuses writes is split.", "AWS (no local index)";
    split_after_s: u64 = 300, "Seconds of refusing until it is.", "assumed: AWS gives no figure";

    stream_polls_per_second: u64 = 4, "Reads of a shard a second.", "AWS";
    stream_records_a_read: u64 = 1_000, "Records of one read.", "AWS, GetRecords";
    stream_batch_records: u64 = 10_000, "Records of a batch.", "AWS, template.yaml";
    stream_batch_bytes: u64 = 6 * 1024 * 1024, "Bytes of a batch.", "AWS";
    relay_window_ms: u64 = 1_000, "`RelayWindowSeconds`.", "template.yaml";
    shard_found_ms: u64 = 10_000, "Until a shard's children are read.", "assumed: AWS gives no figure";
    relay_invocation_ms: u64 = 5, "Time of an invocation of the relay beside its records and calls.", "assumed";
    relay_us_a_record: f64 = 5.0, "CPU of a record in the relay.", "our target: 700,000/s a core, of which 512 MB have 0.29";

    queue_ms_least: u64 = 6, "A call to SQS takes from this long …", "assumed";
    queue_ms_most: u64 = 18, "… to this long.", "assumed";
    group_calls_per_second: u64 = 300, "Calls a second for one group, of each kind.", "AWS: 300 a partition of a FIFO queue";
    group_messages_per_second: u64 = 3_000, "Messages a second of one group.", "AWS: 3,000 a partition, batched";
    queue_batch_messages: usize = 10, "Messages of a queue batch.", "AWS";
    queue_batch_bytes: u64 = 6 * 1024 * 1024, "Bytes of a queue batch.", "AWS";
    visibility_ms: u64 = 60_000, "After how long a message that failed comes again.", "template.yaml";

    tally_concurrency: usize = 32, "`TallyMaximumConcurrency`.", "template.yaml";
    tally_readers_at_first: usize = 5, "Batches counted at once at first …", "AWS, scaling of SQS mappings";
    tally_readers_more_a_second: u64 = 5, "… and how many are added every second.", "AWS: 300 a minute";
    tally_placement: Placement = Placement::Any, "Which process gets a batch.", "AWS: whichever is free";
    tally_cold_ms: u64 = 150, "Start of a process of tally-votes.", "a public load test: p50 123 ms";
    tally_invocation_ms: u64 = 4, "Time of an invocation beside its calls and votes.", "assumed";
    tally_us_a_vote: f64 = 1.0, "CPU of a vote in tally-votes.", "our target: 1,000,000/s a core";
    tally_us_an_id: f64 = 0.1, "CPU of a counted id that is read.", "assumed";

    tallies_partitions: usize = 64, "Physical partitions of the Tallies table.", "AWS: 4 if new; warm throughput / 1,000";
    read_ms_least: u64 = 2, "A read of DynamoDB takes from this long …", "assumed; a public load test: p50 5.1 ms with a function around it";
    read_ms_most: u64 = 6, "… to this long.", "assumed";
    write_ms_least: u64 = 3, "A write from this long …", "assumed";
    write_ms_most: u64 = 9, "… to this long.", "assumed";
    database_ms_a_kb: f64 = 0.04, "More for each KB, sent or read.", "assumed";

    stalled: Stalled = Stalled::Nothing, "What stands still for a while.", "ours";
    stall_at_s: u64 = 300, "When it does, in seconds since the beginning.", "ours";
    stall_s: u64 = 60, "For how long, in seconds.", "ours";
    lanes_fail_once: bool = false, "Whether the first batch of each lane fails that is received after that time.", "ours";
    tally_changes_visibility: bool = true, "Whether tally-votes says when what failed comes again; else after `visibility_ms`.", "tally-votes: it does";
}

impl Parameters {
    /// How many logical partitions the poll has.
    pub fn logical(&self) -> usize {
        match self.logical_partitions {
            Logical::AsDeclared => usize::from(Partitions::for_peak(self.declared_votes_per_second as u32).number()),
            Logical::Number(number) => number,
        }
    }

    /// When nobody new comes any more, in milliseconds since the beginning.
    pub fn peak_ends_ms(&self) -> u64 {
        (self.ramp_s + self.peak_s) * 1_000
    }

    /// How many new voters come a second at a time.
    pub fn rate_at(&self, now_ms: u64) -> f64 {
        let peak = self.peak_votes_per_second;
        match now_ms {
            now if now >= self.peak_ends_ms() => 0.0,
            now if now < self.ramp_s * 1_000 => peak * now as f64 / (self.ramp_s * 1_000) as f64,
            _ => peak,
        }
    }
}

/// How many logical partitions a poll has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logical {
    /// Those of a poll that is created with the declared peak.
    AsDeclared,
    /// That many.
    Number(usize),
}

impl fmt::Display for Logical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsDeclared => f.write_str("declared"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl FromStr for Logical {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "declared" => Ok(Self::AsDeclared),
            _ => text.parse().map(Self::Number).map_err(|_| ()),
        }
    }
}

/// A choice by name.
macro_rules! named {
    ($choice:ident: $($variant:ident $name:literal,)*) => {
        impl fmt::Display for $choice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $name,)*
                })
            }
        }

        impl FromStr for $choice {
            type Err = ();

            fn from_str(name: &str) -> Result<Self, ()> {
                match name {
                    $($name => Ok(Self::$variant),)*
                    _ => Err(()),
                }
            }
        }
    };
}

named!(
    Ballots: Choices "choices", Segmented "segmented", Rankings "rankings", Texts "texts", DistinctTexts "distinct-texts",
);
named!(Placement: Any "any", Hop "hop",);
named!(Stalled: Nothing "nothing", Relay "relay", Tally "tally", Tallies "tallies",);

/// What voters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ballots {
    /// One of four options.
    Choices,
    /// One of four options, by a voter of a group in each of two dimensions, in a poll with a series.
    Segmented,
    /// Up to five of ten options, best first.
    Rankings,
    /// A text as long as it may be; some write many, and most write few.
    Texts,
    /// A text as long as it may be, and nobody writes the same.
    DistinctTexts,
}

/// Which process gets a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Any that is idle; a new one where none is.
    Any,
    /// The one that knows least of the lane, a new one while there may be one more.
    Hop,
}

/// What stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stalled {
    /// Nothing.
    Nothing,
    /// No invocation of relay-votes begins.
    Relay,
    /// No invocation of tally-votes begins.
    Tally,
    /// The Tallies table gives no answer.
    Tallies,
}
