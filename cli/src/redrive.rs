//! `landslide redrive`: returns dead letters to the counting, except those that can never be counted.
//!
//! We do not use an SQS move task: it would also return letters that can never be counted, and it reuses deduplication
//! ids, so it would have to wait five minutes. Here, each letter is read and sent again with a new deduplication id,
//! and then deleted. If the program stops in between, the letter is sent twice and counted once.

mod letters;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use landslide_aws::clock;
use landslide_cli::stack;
use landslide_domain::message::{DecodeError, Message};
use landslide_domain::tally::COUNTABLE_AGE_MS;
use landslide_domain::time::Timestamp;
use letters::{Letter, Letters};
use serde_json::value::RawValue;

use crate::EXIT_LEFT_OVER;
use crate::consent::Consent;
use crate::relays::{Batch, Targets};

/// Returns dead letters to the counting. Exit code 3: some can't be counted; they are shown, and stay.
#[derive(Args)]
pub struct Arguments {
    /// The stack's output `TallyDlqUrl`.
    #[arg(long, value_name = "URL", env = "TALLY_DLQ_URL")]
    tally_dlq_url: String,
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    consent: Consent,
}

/// How many letters in a queue were returned, and how many stay.
#[derive(Default)]
struct Redriven {
    returned: u64,
    left: u64,
}

/// Redrives both queues.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    stack::block_on(redrive(arguments))
}

async fn redrive(arguments: &Arguments) -> Result<ExitCode> {
    arguments.consent.ask(&stack::aws()?, "sends dead letters again", &arguments.tally_dlq_url).await?;
    let Targets { tally_queue_url, relay_dlq_url, .. } = &arguments.targets;
    let tally_queue = Letters::of(&stack::aws()?, tally_queue_url);
    let tally_letters = Letters::of(&stack::aws()?, &arguments.tally_dlq_url);
    let tally = empty("TallyDlq", &tally_letters, async |letter| {
        if let Err(reason) = readable(&letter.body, letter.group.as_deref().unwrap_or_default(), clock::now()) {
            return Ok(Err(reason));
        }
        tally_queue.send(letter).await.map(Ok)
    })
    .await?;
    let relays = arguments.targets.relays()?;
    let relayed = empty("RelayDlq", &Letters::of(&stack::aws()?, relay_dlq_url), async |letter| {
        match read_letter(&letter.body) {
            Ok(batch) => relays.relay(batch).await.map(Ok),
            Err(error) => Ok(Err(format!("{error:#}"))),
        }
    })
    .await?;
    let is_all = tally.left + relayed.left == 0;
    Ok(if is_all { ExitCode::SUCCESS } else { ExitCode::from(EXIT_LEFT_OVER) })
}

/// Returns what it can, and shows what stays. `send_on` fails with the reason if a letter must stay.
async fn empty(
    name: &str,
    letters: &Letters,
    send_on: impl AsyncFn(&Letter) -> Result<Result<(), String>>,
) -> Result<Redriven> {
    let progress = ProgressBar::new_spinner();
    let mut all = Redriven::default();
    while let Some(batch) = letters.next().await? {
        let done: Vec<bool> = stream::iter(&batch)
            .map(|letter| async {
                match send_on(letter).await? {
                    Ok(()) => letters.delete(letter).await.map(|()| true),
                    Err(why) => {
                        println!("{name}: stays: {why}: {}", letter.outline());
                        letters.put_back(letter).await.map(|()| false)
                    }
                }
            })
            .buffer_unordered(batch.len().max(1))
            .try_collect()
            .await?;
        let returned = done.iter().filter(|returned| **returned).count();
        all.returned += returned as u64;
        all.left += (done.len() - returned) as u64;
        progress.set_message(format!("{name}: {} returned, {} left", all.returned, all.left));
        progress.tick();
    }
    progress.finish_and_clear();
    println!("{name}: {} returned, {} left", all.returned, all.left);
    Ok(all)
}

/// Fails with the reason if tally-votes can't count a letter. A letter with a later layout was waiting for its
/// deployment, which may be there now.
fn readable(body: &str, group: &str, now: Timestamp) -> Result<(), String> {
    match Message::decode(body) {
        Ok(message) if message.lane.to_string() != group => Err(format!("its lane is not that of its group {group}")),
        Ok(message) if message.changes.iter().all(|change| now.millis_since(change.cast_at) > COUNTABLE_AGE_MS) => {
            Err(format!(
                "it is too old to be told from a repeat; once the poll is closed, run landslide audit --repair {}",
                message.lane.poll
            ))
        }
        Ok(_) | Err(DecodeError::UnknownVersion(_)) => Ok(()),
        Err(error @ DecodeError::Malformed(_)) => Err(error.to_string()),
    }
}

/// Parses a record that its relay could not read when it came.
fn read_letter(body: &str) -> Result<Batch> {
    let record: &RawValue = serde_json::from_str(body).context("not JSON")?;
    let batch: Batch = [record].into_iter().collect();
    match batch.unreadable() {
        None => Ok(batch),
        Some(why) => bail!(why),
    }
}

#[cfg(test)]
mod tests;
