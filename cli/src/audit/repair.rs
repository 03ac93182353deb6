//! Repairs what an audit found, only in ways that can't make it worse.
//!
//! - A readers' copy that differs is rewritten from HEAD.
//! - Rows of runs that neither HEAD nor its right copy names are deleted (`counting::merging::sweep`).
//! - Assembled results that show more than the repaired lanes have are deleted: the next reader has them assembled.
//! - If votes can't change and HEAD contains exactly what its ids say, missing votes are sent again as ordinary
//!   messages. An id that was counted meanwhile is dropped, as always.
//! - Everything else waits until the poll is closed and its last votes have landed. Then its lanes are sealed, and
//!   their counts recomputed from the vote items (`counting::rebuild`).

use std::time::Duration;

use anyhow::{Context, Result, bail};
use landslide_aws::clock::SystemClock;
use landslide_aws::queue::{self, Outgoing, Queue};
use landslide_aws::store::LaneStore;
use landslide_cli::progress;
use landslide_cli::stack::explain;
use landslide_counting::tallies::merging;
use landslide_counting::tallies::rebuild::{self, RebuildError};
use landslide_domain::fold::fold_by_time;
use landslide_domain::ids::PollId;
use landslide_domain::lane::LaneKey;
use landslide_domain::tally::COUNTABLE_AGE_MS;

use super::read::Reader;
use super::verdict::{Audit, Lane, Verdict};

/// How often the tallies are read to see whether votes sent again are counted.
const LOOKS_MAX: u32 = 180;
/// The pause between two such reads.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// The outcome of a repair.
pub enum Repaired {
    /// Nothing was done: nothing differs, or it can't be repaired now. Says why.
    Nothing(&'static str),
    /// Some readers' copies were rewritten, and some votes sent again.
    Mended {
        /// How many lanes' copies were rewritten.
        copies: usize,
        /// How many votes were sent again.
        votes: usize,
    },
    /// Assembled results that were ahead of the lanes were deleted.
    Forgotten,
    /// All lanes were sealed and their counts recomputed.
    Rebuilt,
}

/// Repairs what an audit found.
pub async fn repair(reader: &Reader, audit: &Audit, queue: Option<&Queue>) -> Result<Repaired> {
    if audit.verdict() != Verdict::Different && audit.may_have_fewer_ballots() {
        rebuild_all(reader, audit).await?;
        return Ok(Repaired::Rebuilt);
    }
    if audit.verdict() != Verdict::Different {
        return Ok(Repaired::Nothing("There is nothing to repair."));
    }
    let poll = &audit.rules.settings.poll_id;
    if audit.lanes.values().all(|lane| lane.verdict() != Verdict::Different) {
        if audit.result_is_ahead() {
            reader.forget_result_ahead(poll).await?;
            return Ok(Repaired::Forgotten);
        }
        return Ok(Repaired::Nothing("Only items that are no votes were found. Look at them by hand."));
    }
    let can_be_mended = audit.lanes.values().all(|lane| is_mendable(audit, lane));
    if can_be_mended && audit.lanes.values().any(Lane::is_to_be_mended) {
        return mend(reader, audit, queue).await;
    }
    if audit.may_be_rebuilt() {
        if audit.lanes.values().any(|lane| lane.is_past_the_last) {
            return Ok(Repaired::Nothing(
                "There are votes in lanes that the poll does not have. Raise its peak first.",
            ));
        }
        rebuild_all(reader, audit).await?;
        return Ok(Repaired::Rebuilt);
    }
    Ok(Repaired::Nothing(
        "Messages can't repair this. Repair it by a rebuild, from 5 minutes to 60 days after the poll has closed.",
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

/// Sends missing votes to the tally queue, in time order, and waits until they are counted.
async fn send_missing(reader: &Reader, audit: &Audit, queue: Option<&Queue>) -> Result<usize> {
    let poll = &audit.rules.settings.poll_id;
    let missing = audit.lanes.iter().flat_map(|(number, lane)| {
        lane.findings.missing_first_votes.iter().map(|change| (key(poll, *number), change.clone()))
    });
    let messages: Vec<Outgoing> = fold_by_time(missing.clone()).iter().map(Outgoing::tally).collect();
    if messages.is_empty() {
        return Ok(0);
    }
    let queue = queue.context("Votes must be sent again. Name the queue by --tally-queue-url or TALLY_QUEUE_URL.")?;
    // Batch after batch, so that counting reads on in time order.
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
                bail!(
                    "{} votes of lane {number} were sent again and are not counted yet. Audit the poll again later.",
                    waiting.len()
                );
            }
            if !waiting.is_empty() {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        }
    }
    Ok(missing.count())
}

/// Deletes the rows that nothing names of lanes that are as they should be. In others, rows may be all that is left of
/// what a HEAD has lost. Returns how many were found.
pub async fn sweep(reader: &Reader, audit: &Audit) -> Result<u64> {
    let mut rows = 0;
    for (number, lane) in audit.lanes.iter().filter(|(_, lane)| lane.is_to_be_swept()) {
        let key = key(&audit.rules.settings.poll_id, *number);
        let swept = rebuild::try_again(&SystemClock, async || merging::sweep(&reader.tallies, &key).await).await;
        swept.map_err(|error| reader.tallies_failed(error))?;
        rows += lane.unnamed_rows();
    }
    Ok(rows)
}

async fn rebuild_all(reader: &Reader, audit: &Audit) -> Result<()> {
    let (rebuild, progress) = (reader.rebuild(), progress::of_partitions(audit.rules.partitions));
    let rebuilt = rebuild.run(&audit.rules, || progress.inc(1)).await;
    progress.finish_and_clear();
    rebuilt.map_err(|error| match error {
        RebuildError::Tallies(error) => reader.tallies_failed(error),
        RebuildError::Votes(error) => reader.votes_failed(error),
    })?;
    if audit.result_ahead.is_some() {
        reader.forget_result_ahead(&audit.rules.settings.poll_id).await?;
    }
    Ok(())
}

fn key(poll: &PollId, lane: u8) -> LaneKey {
    LaneKey { poll: poll.clone(), lane }
}
