//! Mends what an audit found, by what can't make it worse.
//!
//! - A readers' copy that differs is written anew from HEAD.
//! - Where votes can't change and HEAD contains just what its ids say, missing votes are sent again as ordinary messages: an id
//!   that has been counted meanwhile is dropped, as ever.
//! - All else waits until the poll is closed and its last votes have landed. Then its lanes are sealed and their counts
//!   made from the vote items (`counting::rebuild`).

use std::time::Duration;

use anyhow::{Context, Result, bail};
use landslide_aws::clock::SystemClock;
use landslide_aws::queue::{self, Outgoing, Queue};
use landslide_aws::store::LaneStore;
use landslide_cli::progress;
use landslide_cli::stack::explain;
use landslide_counting::tallies::rebuild::{self, RebuildError};
use landslide_domain::fold::fold_by_time;
use landslide_domain::ids::PollId;
use landslide_domain::lane::LaneKey;
use landslide_domain::tally::COUNTABLE_AGE_MS;

use super::read::Reader;
use super::verdict::{Audit, Lane, Verdict};

/// How many times it is looked whether what was sent again is counted.
const LOOKS_MAX: u32 = 180;
/// The pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// What was done.
pub enum Repaired {
    /// Nothing: there is no difference, or none that may be mended now, and why.
    Nothing(&'static str),
    /// Readers' copies were written anew, and votes sent again, so many of each.
    Mended {
        /// Lanes whose readers' copy was written anew.
        copies: usize,
        /// Votes sent again.
        votes: usize,
    },
    /// All lanes were sealed and their counts made anew.
    Rebuilt,
}

/// Mends what an audit found.
pub async fn repair(reader: &Reader, audit: &Audit, queue: Option<&Queue>) -> Result<Repaired> {
    if audit.verdict() != Verdict::Different {
        return Ok(Repaired::Nothing("there is nothing to repair"));
    }
    if audit.lanes.values().all(|lane| lane.verdict() != Verdict::Different) {
        return Ok(Repaired::Nothing("items that are no votes are to be looked at by hand"));
    }
    if audit.lanes.values().all(|lane| is_mendable(audit, lane)) {
        return mend(reader, audit, queue).await;
    }
    if audit.may_be_rebuilt() {
        if audit.lanes.values().any(|lane| lane.is_past_the_last) {
            return Ok(Repaired::Nothing("votes lie in lanes that the poll does not have: raise its peak first"));
        }
        rebuild_all(reader, audit).await?;
        return Ok(Repaired::Rebuilt);
    }
    Ok(Repaired::Nothing(
        "this can't be mended by messages, and a rebuild takes a poll that closed between 5 minutes and 60 days ago",
    ))
}

fn is_mendable(audit: &Audit, lane: &Lane) -> bool {
    let missing = &lane.findings.missing_first_votes;
    let is_countable = |at| audit.at.millis_since(at) < COUNTABLE_AGE_MS;
    let can_be_sent = lane.findings.missing.number == 0
        || audit.votes_never_change() && !missing.is_empty() && missing.iter().all(|vote| is_countable(vote.cast_at));
    lane.is_mendable() && can_be_sent
}

async fn mend(reader: &Reader, audit: &Audit, queue: Option<&Queue>) -> Result<Repaired> {
    let poll = &audit.rules.settings.poll_id;
    let copies = audit.lanes.iter().filter(|(_, lane)| lane.count_fault.is_some()).map(|(number, _)| *number);
    let copies: Vec<u8> = copies.collect();
    for number in &copies {
        let lane = key(poll, *number);
        rebuild::try_again(&SystemClock, async || {
            let head = reader.tallies.read_head(&lane).await?;
            rebuild::publish(&reader.tallies, &lane, &head).await
        })
        .await
        .map_err(|error| reader.tallies_failed(error))?;
    }
    let votes = send_missing(reader, audit, queue).await?;
    Ok(Repaired::Mended { copies: copies.len(), votes })
}

/// Sends missing votes to the tally queue, in the order of time, and waits until they are counted.
async fn send_missing(reader: &Reader, audit: &Audit, queue: Option<&Queue>) -> Result<usize> {
    let poll = &audit.rules.settings.poll_id;
    let missing = audit.lanes.iter().flat_map(|(number, lane)| {
        lane.findings.missing_first_votes.iter().map(|change| (key(poll, *number), *change))
    });
    let messages: Vec<Outgoing> = fold_by_time(missing.clone()).iter().map(Outgoing::tally).collect();
    if messages.is_empty() {
        return Ok(0);
    }
    let queue = queue.context("votes are to be sent again: name the queue by --tally-queue-url or TALLY_QUEUE_URL")?;
    // Batch after batch: who counts them reads on in the order of time.
    for batch in queue::batches(&messages, |message| message.body.len()) {
        queue.send_all(batch).await.map_err(|error| explain(error, "the tally queue"))?;
    }
    for (number, lane) in &audit.lanes {
        let (key, mut waiting) = (key(poll, *number), lane.findings.missing_first_votes.clone());
        let mut looks = 0;
        while !waiting.is_empty() {
            waiting = reader.missing_since(&key, lane.tally.head.version, &waiting).await?;
            looks += 1;
            if looks == LOOKS_MAX {
                bail!("{} votes of lane {number} were sent again, and are not counted yet", waiting.len());
            }
            if !waiting.is_empty() {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        }
    }
    Ok(missing.count())
}

async fn rebuild_all(reader: &Reader, audit: &Audit) -> Result<()> {
    let (rebuild, progress) = (reader.rebuild(), progress::of_partitions(audit.rules.partitions));
    let rebuilt = rebuild.run(&audit.rules, || progress.inc(1)).await;
    progress.finish_and_clear();
    rebuilt.map_err(|error| match error {
        RebuildError::Tallies(error) => reader.tallies_failed(error),
        RebuildError::Votes(error) => reader.votes_failed(error),
    })
}

fn key(poll: &PollId, lane: u8) -> LaneKey {
    LaneKey { poll: poll.clone(), lane }
}
