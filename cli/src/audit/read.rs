//! Reads a poll for its audit: tallies first, then votes, slice by slice, so that memory stays bounded.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use aws_types::SdkConfig;
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use landslide_aws::clock::{self, SystemClock};
use landslide_aws::store::{
    AssembledStore, DynamoDbClient, LaneReader, LaneStore, LaneStoreError, PollStore, RunRow, TallyStore, VoteStore,
};
use landslide_cli::progress;
use landslide_cli::stack::{Tables, aws, explain};
use landslide_counting::tallies::reading::AGAIN_MAX;
use landslide_counting::tallies::rebuild::Rebuild;
use landslide_domain::change::{Change, VoteId};
use landslide_domain::entries::{Entries, PerSet, Set};
use landslide_domain::ids::PollId;
use landslide_domain::lane::{LANES_MAX, LaneKey, Partition};
use landslide_domain::poll::Rules;
use landslide_domain::runs::{LaneEntries, RUN_LIMITS, Run, RunName};
use landslide_domain::tally::{Count, Head, Minute};
use landslide_domain::time::Timestamp;

use super::compare::{Comparison, CountedId, CountedIds, Cut, Examples, Findings, Marks, Slice};
use super::entries::{StoredEntries, first_row};

/// How often a poll is read while its times keep changing.
const READINGS_MAX: u32 = 3;
/// How many lanes are read at once.
const LANES_AT_ONCE: usize = 16;
/// How many runs of a lane are read at once.
const RUNS_AT_ONCE: usize = 8;
/// How often a readers' copy that is behind HEAD is read again.
const COUNT_LOOKS: u32 = 10;
/// The pause before it is read again.
const COUNT_PAUSE: Duration = Duration::from_secs(1);

/// A stack's tables, and limits for reading them.
pub struct Reader {
    polls: PollStore,
    votes: VoteStore,
    /// The lanes' tallies.
    pub tallies: TallyStore,
    /// What is assembled of polls for their readers.
    pub assembled: AssembledStore,
    names: [String; 3],
    limits: Limits,
}

/// Limits for reading.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Partitions that are read at once.
    pub partitions_at_once: usize,
    /// Counted ids that are held in memory.
    pub ids_at_once: usize,
    /// Votes more recent than this may be on their way. In milliseconds.
    pub on_their_way_ms: u64,
}

/// A lane's tally when the audit began.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The lane's truth.
    pub head: Head,
    /// The readers' copy, read before HEAD, or again if it was behind.
    pub count: Count,
    /// The entries of this HEAD. `None` in a plain poll.
    pub entries: Option<StoredEntries>,
}

/// Everything that was read.
pub struct Reading {
    /// The poll.
    pub rules: Rules,
    /// When the audit began.
    pub at: Timestamp,
    /// By lane, for all lanes that a poll can have.
    pub tallies: BTreeMap<u8, Tally>,
    /// The versions of the lanes' COUNTs that readers' results were assembled of, read before these COUNTs. `None` in a
    /// plain poll.
    pub assembled: Option<Vec<u64>>,
    /// What the comparison found.
    pub findings: Findings,
    /// How long reading and comparing took.
    pub took: Duration,
}

impl Reader {
    /// Opens these tables with the environment's credentials.
    pub fn open(tables: &Tables, limits: Limits) -> Result<Self> {
        Ok(Self::over(&aws()?, tables, limits))
    }

    /// Opens these tables in any AWS.
    pub fn over(aws: &SdkConfig, tables: &Tables, limits: Limits) -> Self {
        let Tables { polls_table, votes_table, tallies_table } = tables;
        Self {
            polls: PollStore::new(aws, polls_table.clone()),
            votes: VoteStore::new(aws, votes_table.clone()),
            tallies: TallyStore::new(aws, tallies_table.clone()),
            assembled: AssembledStore::new(aws, tallies_table.clone()),
            names: [polls_table, votes_table, tallies_table].map(|name| format!("table {name}")),
            limits,
        }
    }

    /// Reads and compares a whole poll. Its times and lanes are read again at the end, and the votes are judged by
    /// these.
    pub async fn read(&self, poll: &PollId) -> Result<Reading> {
        let times = |rules: &Rules| (rules.settings.spec.opens_at, rules.settings.spec.closes_at);
        let mut rules = self.rules(poll).await?;
        for _ in 1..READINGS_MAX {
            let before = times(&rules);
            let reading = self.read_by(rules).await?;
            rules = self.rules(poll).await?;
            if times(&rules) == before {
                return Ok(Reading { rules, ..reading });
            }
        }
        self.read_by(rules).await
    }

    async fn rules(&self, poll: &PollId) -> Result<Rules> {
        let [polls_table, ..] = &self.names;
        let rules = self.polls.rules(poll).await.map_err(|error| explain(error, polls_table))?;
        rules.with_context(|| format!("{polls_table} has no poll {poll}"))
    }

    async fn read_by(&self, rules: Rules) -> Result<Reading> {
        let (at, started, poll) = (clock::now(), Instant::now(), &rules.settings.poll_id);
        // What is assembled first: it can't be ahead of a COUNT that is read later.
        let assembled = if has_entries(&rules) { Some(self.assembled_of(poll).await?) } else { None };
        let mut tallies = self.tallies(&rules).await?;
        let cut = Cut::at(at, self.limits.on_their_way_ms, &rules.settings);
        let mut findings = self.compare(&rules, &tallies, cut).await?;
        self.look_again_for_missing(poll, &tallies, &mut findings).await?;
        self.look_again_at_counts(poll, &mut tallies).await?;
        self.look_at_runs_of_counts(poll, &mut tallies).await?;
        Ok(Reading { rules, at, tallies, assembled, findings, took: started.elapsed() })
    }

    /// Runs something for many lanes, some at once.
    async fn each_lane<T, F: Future<Output = Result<T>>>(
        &self,
        poll: &PollId,
        lanes: impl IntoIterator<Item = u8>,
        work: impl Fn(LaneKey) -> F,
    ) -> Result<Vec<(u8, T)>> {
        stream::iter(lanes)
            .map(|lane| {
                let work = work(LaneKey { poll: poll.clone(), lane });
                async move { Ok((lane, work.await?)) }
            })
            .buffer_unordered(LANES_AT_ONCE)
            .try_collect()
            .await
    }

    async fn tallies(&self, rules: &Rules) -> Result<BTreeMap<u8, Tally>> {
        let read = async |lane: LaneKey| match has_entries(rules) {
            true => self.tally_with_entries(&lane, lane.lane < rules.lanes).await,
            false => self.tally(&lane).await,
        };
        Ok(self.each_lane(&rules.settings.poll_id, 0..LANES_MAX, read).await?.into_iter().collect())
    }

    async fn tally(&self, lane: &LaneKey) -> Result<Tally> {
        // COUNT first: it is written after HEAD, so it can't be ahead of a HEAD that is read later.
        let count = self.tallies.read_count(lane).await.map_err(|error| self.tallies_failed(error))?;
        let head = self.tallies.read_head(lane).await.map_err(|error| self.tallies_failed(error))?;
        Ok(Tally { head, count, entries: None })
    }

    /// The tally with its entries. Begins again if HEAD's runs were replaced and deleted while they were read.
    async fn tally_with_entries(&self, lane: &LaneKey, is_of_poll: bool) -> Result<Tally> {
        for _ in 0..=AGAIN_MAX {
            // Rows first: one that is listed is named by a HEAD that is read later, or waits for a sweep.
            let rows = if is_of_poll { self.rows_of_runs(lane).await? } else { Vec::new() };
            let tally = self.tally(lane).await?;
            let runs: Vec<Run> = tally.head.entries.runs().copied().collect();
            let read = self.runs(lane, &runs).await?;
            if self.still_names(lane, &read.gone).await? {
                return Ok(Tally { entries: Some(stored_entries(&tally, read, &rows)), ..tally });
            }
        }
        bail!("The runs of lane {lane} were replaced again and again while they were read. Audit the poll again later.")
    }

    async fn rows_of_runs(&self, lane: &LaneKey) -> Result<Vec<RunRow>> {
        self.tallies.list_runs(lane).await.map_err(|error| self.tallies_failed(error))
    }

    /// Whether HEAD names all these runs. A sweep deletes a run only after a HEAD that does not.
    async fn still_names(&self, lane: &LaneKey, runs: &[Run]) -> Result<bool> {
        if runs.is_empty() {
            return Ok(true);
        }
        let head = self.tallies.read_head(lane).await.map_err(|error| self.tallies_failed(error))?;
        Ok(runs.iter().all(|run| names(&head.entries, run)))
    }

    async fn runs(&self, lane: &LaneKey, runs: &[Run]) -> Result<Runs> {
        let read = async |run: &Run| (*run, self.tallies.read_run(lane, run).await);
        let mut read = pin!(stream::iter(runs).map(read).buffered(RUNS_AT_ONCE));
        let mut all = Runs::default();
        while let Some((run, outcome)) = read.next().await {
            match outcome {
                Ok(Some(entries)) => all.sum.merge(&entries),
                Ok(None) => all.gone.push(run),
                Err(LaneStoreError::UnreadableRun(why)) => {
                    all.unreadable.add(1, || format!("{}: {why}", first_row(&run)))
                }
                Err(error) => return Err(self.tallies_failed(error)),
            }
        }
        Ok(all)
    }

    /// Reads the runs that only readers' copies name: of a copy that does not catch up, or that was changed by hand.
    async fn look_at_runs_of_counts(&self, poll: &PollId, tallies: &mut BTreeMap<u8, Tally>) -> Result<()> {
        for (number, Tally { head, count, entries }) in tallies {
            let Some(entries) = entries else { continue };
            let only_in_count = count.entries.runs().filter(|run| !names(&head.entries, run));
            let only_in_count: Vec<Run> = only_in_count.copied().collect();
            let lane = LaneKey { poll: poll.clone(), lane: *number };
            let read = self.runs(&lane, &only_in_count).await?;
            if !read.gone.is_empty() {
                let now = self.tallies.read_count(&lane).await.map_err(|error| self.tallies_failed(error))?;
                let gone = read.gone.iter().filter(|run| names(&now.entries, run));
                gone.for_each(|run| entries.gone.add(1, || first_row(run)));
            }
            entries.unreadable.merge(read.unreadable);
        }
        Ok(())
    }

    async fn assembled_of(&self, poll: &PollId) -> Result<Vec<u64>> {
        let stored = self.assembled.versions(poll).await.map_err(|error| self.tallies_failed(error))?;
        Ok(stored.map(|(_, versions)| versions).unwrap_or_default())
    }

    /// Deletes a poll's assembled results if they show counts that no lane has: they only go forwards in every lane, so
    /// nobody would renew them.
    pub async fn forget_result_ahead(&self, poll: &PollId) -> Result<()> {
        let stored = self.assembled.versions(poll).await.map_err(|error| self.tallies_failed(error))?;
        let Some((generation, versions)) = stored else { return Ok(()) };
        for (lane, version) in (0..).zip(versions) {
            let lane = LaneKey { poll: poll.clone(), lane };
            let count = self.tallies.read_count(&lane).await.map_err(|error| self.tallies_failed(error))?;
            if version > count.version {
                let forgotten = self.assembled.forget(poll, generation).await;
                return forgotten.map(drop).map_err(|error| self.tallies_failed(error));
            }
        }
        Ok(())
    }

    /// Explains a failed call to the Tallies table.
    pub fn tallies_failed(&self, error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
        let [.., tallies_table] = &self.names;
        explain(error, tallies_table)
    }

    /// Explains a failed call to the Votes table.
    pub fn votes_failed(&self, error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
        let [_, votes_table, _] = &self.names;
        explain(error, votes_table)
    }

    /// A rebuild with these tables.
    pub fn rebuild(&self) -> Rebuild<'_, TallyStore, DynamoDbClient, SystemClock> {
        Rebuild {
            tallies: &self.tallies,
            votes: &self.votes,
            clock: SystemClock,
            partitions_at_once: self.limits.partitions_at_once,
            run_limits: RUN_LIMITS,
        }
    }

    /// Compares slice by slice. A slice with more ids than fit into memory is halved.
    async fn compare(&self, poll: &Rules, tallies: &BTreeMap<u8, Tally>, cut: Cut) -> Result<Findings> {
        let progress = progress::of_partitions(poll.partitions);
        let with = |is: fn(&Head) -> bool| {
            tallies.iter().filter(|(_, tally)| is(&tally.head)).map(|(lane, _)| *lane).collect()
        };
        let without_entries = PerSet {
            cells: with(|head| head.entries.kept.cells.dropped.is_some()),
            ballots: with(|head| head.entries.kept.ballots.dropped.is_some()),
        };
        let marks = Marks { sealed: with(|head| head.sealed), without_entries };
        let mut findings = Findings::default();
        let mut slices = vec![Slice::all(poll.partitions)];
        while let Some(mut slice) = slices.pop() {
            let ids = self.counted_ids(poll, tallies, &mut slice, &mut slices).await?;
            findings.merge(
                self.compare_slice(poll, slice, |partition| Comparison::new(cut, &marks, ids.of(partition)), &progress)
                    .await?,
            );
        }
        progress.finish_and_clear();
        Ok(findings)
    }

    async fn compare_slice<'a>(
        &self,
        poll: &Rules,
        slice: Slice,
        comparison: impl Fn(Partition) -> Comparison<'a>,
        progress: &ProgressBar,
    ) -> Result<Findings> {
        stream::iter(slice.partitions())
            .map(|partition| self.compare_partition(poll, partition, comparison(partition), progress))
            .buffer_unordered(self.limits.partitions_at_once)
            .try_fold(Findings::default(), async |mut all, found| {
                all.merge(found);
                Ok(all)
            })
            .await
    }

    async fn compare_partition(
        &self,
        poll: &Rules,
        partition: Partition,
        mut comparison: Comparison<'_>,
        progress: &ProgressBar,
    ) -> Result<Findings> {
        let read = self.votes.each_page(poll, partition, |votes| comparison.page(votes)).await;
        read.map_err(|error| self.votes_failed(error))?;
        progress.inc(1);
        Ok(comparison.finish())
    }

    /// Reads all ids in a slice that the lanes' HEADs contain. If there are too many, the slice shrinks to its lower
    /// half, and the upper one waits.
    async fn counted_ids(
        &self,
        poll: &Rules,
        tallies: &BTreeMap<u8, Tally>,
        slice: &mut Slice,
        waiting: &mut Vec<Slice>,
    ) -> Result<CountedIds> {
        let mut ids = Gathered { ids: Vec::new(), slice, waiting, ids_max: self.limits.ids_at_once };
        for (lane, tally) in tallies.iter().filter(|(_, tally)| !tally.head.sealed) {
            ids.add(*lane, tally.head.recent.values().flatten().copied());
        }
        let lanes = tallies.iter().filter(|(_, tally)| !tally.head.sealed && tally.head.version > 1);
        let mut rows = stream::iter(lanes)
            .map(|(lane, tally)| (LaneKey { poll: poll.settings.poll_id.clone(), lane: *lane }, tally.head.version))
            .map(|(lane, version)| Box::pin(self.rows(lane, version)))
            .flatten_unordered(LANES_AT_ONCE);
        while let Some((lane, rows)) = rows.try_next().await? {
            ids.add(lane, rows.into_iter());
        }
        Ok(CountedIds::sorted(poll.partitions, ids.ids))
    }

    /// Reads the ids in a lane's SEEN rows below HEAD's version, page by page. Later rows hold ids that HEAD holds too,
    /// or that were counted later.
    fn rows(&self, lane: LaneKey, version: u64) -> impl futures_util::Stream<Item = Result<(u8, Vec<VoteId>)>> {
        stream::try_unfold(Some(None), move |after| {
            let lane = lane.clone();
            async move {
                let Some(after) = after else { return Ok(None) };
                let page = self.tallies.seen_page(&lane, after).await.map_err(|error| self.tallies_failed(error))?;
                let rows = page.rows.into_iter().filter(|row| row.version < version);
                let ids = rows.flat_map(|row| row.ids).collect();
                Ok(Some(((lane.lane, ids), page.next.map(Some))))
            }
        })
    }

    /// Reads the tallies again, for changes that seem to be missing.
    async fn look_again_for_missing(
        &self,
        poll: &PollId,
        tallies: &BTreeMap<u8, Tally>,
        findings: &mut Findings,
    ) -> Result<()> {
        for (number, lane) in findings.lanes.iter_mut().filter(|(_, lane)| !lane.missing_first_votes.is_empty()) {
            let version = tallies.get(number).map_or(0, |tally| tally.head.version);
            let key = LaneKey { poll: poll.clone(), lane: *number };
            let still = self.missing_since(&key, version, &lane.missing_first_votes).await?;
            lane.found(still);
        }
        Ok(())
    }

    /// Returns those changes, not counted in HEAD at that version, that are still not counted.
    pub async fn missing_since(&self, lane: &LaneKey, version: u64, changes: &[Change]) -> Result<Vec<Change>> {
        let head = self.tallies.read_head(lane).await.map_err(|error| self.tallies_failed(error))?;
        if head.version == version {
            return Ok(changes.to_vec());
        }
        let mut counted: HashSet<VoteId> = head.recent.values().flatten().copied().collect();
        let buckets: BTreeSet<Minute> = changes.iter().map(|change| Minute::of(change.cast_at)).collect();
        for bucket in buckets {
            let ids = self.tallies.read_all_seen(lane, bucket, version.saturating_sub(1)).await;
            counted.extend(ids.map_err(|error| self.tallies_failed(error))?);
        }
        Ok(changes.iter().filter(|change| !counted.contains(&change.id)).cloned().collect())
    }

    /// Gives readers' copies that are behind their HEADs time to catch up.
    async fn look_again_at_counts(&self, poll: &PollId, tallies: &mut BTreeMap<u8, Tally>) -> Result<()> {
        for _ in 0..COUNT_LOOKS {
            let behind: Vec<u8> = tallies
                .iter()
                .filter(|(_, tally)| tally.count.version < tally.head.version)
                .map(|(lane, _)| *lane)
                .collect();
            if behind.is_empty() {
                break;
            }
            tokio::time::sleep(COUNT_PAUSE).await;
            let read =
                async |lane: LaneKey| self.tallies.read_count(&lane).await.map_err(|error| self.tallies_failed(error));
            for (lane, count) in self.each_lane(poll, behind, read).await? {
                if let Some(tally) = tallies.get_mut(&lane) {
                    // A copy that passed the HEAD read before belongs to a later one, which is not compared.
                    tally.count = if count.version > tally.head.version { tally.head.count() } else { count };
                }
            }
        }
        Ok(())
    }
}

fn has_entries(rules: &Rules) -> bool {
    !rules.settings.spec.has_plain_votes()
}

fn names(entries: &LaneEntries, run: &Run) -> bool {
    entries.runs().any(|named| named == run)
}

/// Some runs as they were read.
#[derive(Default)]
struct Runs {
    /// What the others hold.
    sum: Entries,
    gone: Vec<Run>,
    unreadable: Examples,
}

fn stored_entries(tally: &Tally, read: Runs, rows: &[RunRow]) -> StoredEntries {
    let Runs { mut sum, gone, unreadable } = read;
    let is_whole = gone.is_empty() && unreadable.number == 0;
    Set::ALL.into_iter().for_each(|set| sum.merge(&tally.head.entries.kept.of(set).near));
    let runs = tally.head.entries.runs().chain(tally.count.entries.runs());
    let named: HashSet<RunName> = runs.map(|run| run.name).collect();
    let mut missed = Examples::default();
    gone.iter().for_each(|run| missed.add(1, || first_row(run)));
    let unnamed = rows.iter().filter(|(name, _)| !named.contains(name));
    StoredEntries { sum: is_whole.then_some(sum), gone: missed, unreadable, unnamed_rows: unnamed.count() as u64 }
}

/// A slice's counted ids, while they are read.
struct Gathered<'a> {
    ids: Vec<CountedId>,
    slice: &'a mut Slice,
    waiting: &'a mut Vec<Slice>,
    ids_max: usize,
}

impl Gathered<'_> {
    fn add(&mut self, lane: u8, ids: impl Iterator<Item = VoteId>) {
        for id in ids.filter(|id| self.slice.holds_voter(&id.voter())) {
            self.ids.push((id, lane));
        }
        while self.ids.len() > self.ids_max
            && let Some((lower, upper)) = self.slice.halves()
        {
            *self.slice = lower;
            self.waiting.push(upper);
            self.ids.retain(|(id, _)| lower.holds_voter(&id.voter()));
        }
    }
}
