//! `landslide audit`: recounts a poll from its vote items, and compares the result with what is counted.

mod compare;
mod entries;
mod read;
mod repair;
mod report;
mod verdict;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use landslide_aws::queue::Queue;
use landslide_cli::stack::{self, Tables};
use landslide_domain::ids::PollId;
use landslide_domain::lane::Partitions;
use read::{Limits, Reader};
use repair::Repaired;
use verdict::{Audit, Verdict};

use crate::EXIT_LEFT_OVER;
use crate::consent::Consent;

/// How often a poll is read while changing votes hide its counters.
const READINGS_MAX: u32 = 3;
/// The pause between two readings.
const READING_PAUSE: Duration = Duration::from_secs(3);
/// How many rounds a repair may take. Each round sends a bounded number of votes.
const ROUNDS_MAX: u32 = 1_000;
/// Exit code if no difference was found, but some counters could not be compared.
const EXIT_UNDECIDED: u8 = 4;
/// Exit code if counts are exact, but some votes were cast outside the poll's times.
const EXIT_UNTIMELY: u8 = 5;

/// Recounts a poll from its vote items and compares the result with what is counted. Exit code 0: exact; 3: different;
/// 4: changing votes hide some counters; 5: exact, but votes were cast before the poll opened or after it closed; 1:
/// the audit failed.
#[derive(Args)]
pub struct Arguments {
    /// The poll's id.
    #[arg(value_name = "POLL_ID", value_parser = poll_id, allow_hyphen_values = true)]
    poll: PollId,
    #[command(flatten)]
    tables: Tables,
    /// Repair what can be repaired: send missing votes again, or rebuild a closed poll's counts.
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    consent: Consent,
    /// The stack's output `TallyQueueUrl`, where a repair sends missing votes.
    #[arg(long, value_name = "URL", env = "TALLY_QUEUE_URL")]
    tally_queue_url: Option<String>,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// A vote older than this that is not counted is missing.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    on_their_way_seconds: u32,
    /// Partitions that are read at once.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=i64::from(Partitions::Many.number())))]
    partitions_at_once: u16,
    /// Counted ids held in memory, at 21 bytes each. Polls with more are read in several passes.
    #[arg(long, value_name = "N", default_value_t = 16_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    ids_at_once: u32,
}

fn poll_id(text: &str) -> Result<PollId, String> {
    PollId::parse(text).ok_or_else(|| "a poll's id is 1 to 40 of A-Z a-z 0-9 _ -".to_owned())
}

/// Audits, repairs if asked to, and prints the result.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    stack::block_on(audit(arguments))
}

async fn audit(arguments: &Arguments) -> Result<ExitCode> {
    let limits = Limits {
        partitions_at_once: usize::from(arguments.partitions_at_once),
        ids_at_once: usize::try_from(arguments.ids_at_once)?,
        on_their_way_ms: u64::from(arguments.on_their_way_seconds) * 1_000,
    };
    if arguments.repair {
        let change = "repairs the poll's counts";
        arguments.consent.ask(&stack::aws()?, change, &arguments.tables.tallies_table).await?;
    }
    let reader = Reader::open(&arguments.tables, limits)?;
    let mut audit = read_decided(&reader, &arguments.poll).await?;
    if arguments.repair {
        audit = repair_all(&reader, audit, arguments).await?;
        audit = sweep(&reader, audit).await?;
    }
    if arguments.json {
        println!("{}", report::json(&audit));
    } else {
        println!("{audit}");
    }
    Ok(match audit.verdict() {
        Verdict::Exact => ExitCode::SUCCESS,
        Verdict::Untimely => ExitCode::from(EXIT_UNTIMELY),
        Verdict::Different => ExitCode::from(EXIT_LEFT_OVER),
        Verdict::Undecided => ExitCode::from(EXIT_UNDECIDED),
    })
}

/// Reads the poll, and again while changing votes hide counters.
async fn read_decided(reader: &Reader, poll: &PollId) -> Result<Audit> {
    let mut audit = Audit::of(reader.read(poll).await?);
    for _ in 1..READINGS_MAX {
        if audit.verdict() != Verdict::Undecided {
            break;
        }
        tokio::time::sleep(READING_PAUSE).await;
        audit = Audit::of(reader.read(poll).await?);
    }
    Ok(audit)
}

/// Repairs round by round until nothing is left to repair. Returns the last audit.
async fn repair_all(reader: &Reader, mut audit: Audit, arguments: &Arguments) -> Result<Audit> {
    let queue = match &arguments.tally_queue_url {
        Some(url) => Some(Queue::new(&stack::aws()?, url.clone())),
        None => None,
    };
    for _ in 0..ROUNDS_MAX {
        match repair::repair(reader, &audit, queue.as_ref()).await? {
            Repaired::Nothing(why) => {
                eprintln!("Repair: {why}");
                return Ok(audit);
            }
            Repaired::Forgotten => eprintln!("Repair: deleted results that were assembled of counts no lane has."),
            Repaired::Mended { copies, votes } => {
                eprintln!("Repair: rewrote {copies} readers' copies; sent {votes} votes again, and they are counted.");
            }
            Repaired::Rebuilt => {
                eprintln!("Repair: sealed all lanes and recomputed their counts from the vote items.");
                return read_decided(reader, &arguments.poll).await;
            }
        }
        audit = read_decided(reader, &arguments.poll).await?;
        if audit.verdict() != Verdict::Different {
            return Ok(audit);
        }
    }
    bail!("The repair did not finish in {ROUNDS_MAX} rounds: something keeps undoing it. Audit the poll again later.")
}

/// Deletes rows of runs that nothing names. Returns an audit without them.
async fn sweep(reader: &Reader, audit: Audit) -> Result<Audit> {
    match repair::sweep(reader, &audit).await? {
        0 => Ok(audit),
        rows => {
            eprintln!("Repair: deleted {rows} rows of runs that nothing named.");
            read_decided(reader, &audit.rules.settings.poll_id).await
        }
    }
}

#[cfg(test)]
mod tests;
