//! Assembles a ranked poll's results from its lanes, so that no reader has to.
//!
//! It keeps the runs that it has read: a run never changes. Anyone may call it at any time, and twice: what is stored
//! only goes forwards in every lane.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_aws::{
    clock,
    config::ConfigError,
    sdk,
    store::{Assembled, AssembledStore, LaneReader, LaneStoreError, ResultsStore, StoreError, TallyStore},
};
use landslide_domain::{
    entries::{Entries, PerSet},
    ids::PollId,
    lane::LaneKey,
    poll::Kind,
    results::assembled::assemble,
    runs::{Dropped, Run, RunName},
    tally::Count,
};

use crate::tallies::reading::{Read, ReadError, read_entries};

/// How many bytes of runs a process keeps, as they are stored.
const KEPT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// If a poll's lanes name more bytes of runs than these, none is read.
const RUNS_BYTES_MAX: usize = 96 * 1024 * 1024;
/// The longest document. DynamoDB's items have 400 KB.
const DOCUMENT_BYTES_MAX: usize = 300 * 1024;
/// How long results count as current, in milliseconds.
const CURRENT_MS: u64 = 1_000;
/// How many lanes are read at once.
const LANES_AT_ONCE: usize = 8;

/// Why results were not assembled. Trying again is safe.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// A table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A lane could not be read.
    #[error(transparent)]
    Lane(#[from] ReadError),
    /// The document could not be written as JSON.
    #[error("write results: {0}")]
    Json(#[from] serde_json::Error),
}

/// What assembles.
pub struct Assembly {
    results: ResultsStore,
    assembled: AssembledStore,
    lanes: KeptRuns<TallyStore>,
}

impl Assembly {
    /// Uses the tables in the environment's variables.
    pub fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let lanes = KeptRuns::new(TallyStore::from_env(&aws)?);
        Ok(Self { results: ResultsStore::from_env(&aws)?, assembled: AssembledStore::from_env(&aws)?, lanes })
    }

    /// Renews a poll's results if its lanes have counted since, and lets the lease end.
    pub async fn renew(&self, poll_id: &PollId) -> Result<(), AssemblyError> {
        let current_until = clock::now().plus_millis(CURRENT_MS);
        let Some(snapshot) = self.results.read(poll_id, 1).await? else { return Ok(()) };
        if snapshot.poll.rules.settings.spec.kind != Kind::Ranked {
            return Ok(());
        }
        let stored = self.assembled.versions(poll_id).await?;
        let (generation, known) = stored.unwrap_or_default();
        let versions = |counts: &[Count]| counts.iter().map(|count| count.version).collect::<Vec<_>>();
        if known != versions(&snapshot.counts) {
            let (counts, entries) = self.read(poll_id, &snapshot.counts).await?;
            let versions = versions(&counts);
            if goes_forwards(&known, &versions) {
                let document = self.document(&snapshot.poll.rules, &counts, entries)?;
                self.assembled.put(poll_id, &Assembled { generation: generation + 1, versions, document }).await?;
            }
        }
        Ok(self.assembled.end_lease(poll_id, current_until).await?)
    }

    /// Each lane's COUNT, and the sum of the entries that belong to them.
    async fn read(&self, poll_id: &PollId, counts: &[Count]) -> Result<(Vec<Count>, Read), AssemblyError> {
        let bytes: usize = counts.iter().flat_map(|count| count.entries.runs()).map(|run| run.bytes as usize).sum();
        if bytes > RUNS_BYTES_MAX {
            return Ok((counts.to_vec(), PerSet::default().map(|_, ()| Err(Dropped::TooMany))));
        }
        let lane = |lane: usize| LaneKey { poll: poll_id.clone(), lane: lane as u8 };
        let lanes: Vec<_> = (0..counts.len()).map(|number| self.read_lane(lane(number))).collect();
        let lanes: Vec<_> = stream::iter(lanes).buffered(LANES_AT_ONCE).try_collect().await?;
        let (mut counts, mut sums) = (Vec::new(), PerSet::default().map(|_, ()| Ok(Entries::default())));
        for (count, read) in lanes {
            counts.push(count);
            sums = sums.map(|set, sum: Result<Entries, Dropped>| match (sum, read.of(set)) {
                (Ok(mut sum), Ok(entries)) => {
                    sum.merge(entries);
                    Ok(sum)
                }
                (Err(dropped), _) | (_, &Err(dropped)) => Err(dropped),
            });
        }
        Ok((counts, sums))
    }

    async fn read_lane(&self, lane: LaneKey) -> Result<(Count, Read), ReadError> {
        read_entries(&self.lanes, &lane).await
    }

    fn document(
        &self,
        rules: &landslide_domain::poll::Rules,
        counts: &[Count],
        entries: Read,
    ) -> Result<String, serde_json::Error> {
        let document =
            serde_json::to_string(&assemble(rules, counts, entries.ballots.as_ref().map_err(|dropped| *dropped)))?;
        if document.len() <= DOCUMENT_BYTES_MAX {
            return Ok(document);
        }
        serde_json::to_string(&assemble(rules, counts, Err(Dropped::TooMany)))
    }
}

/// Whether no lane's version is below the known one. A poll may have gained lanes meanwhile.
fn goes_forwards(known: &[u64], versions: &[u64]) -> bool {
    known.len() <= versions.len() && known.iter().zip(versions).all(|(known, version)| known <= version)
}

/// A store whose runs are kept once they are read.
struct KeptRuns<S> {
    store: S,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    runs: HashMap<(LaneKey, RunName), Entries>,
    bytes: usize,
}

impl<S> KeptRuns<S> {
    fn new(store: S) -> Self {
        Self { store, kept: Mutex::default() }
    }

    fn kept(&self, lane: &LaneKey, run: &Run) -> Option<Entries> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.runs.get(&(lane.clone(), run.name)).cloned()
    }

    /// Keeps a run. If there is no room, all others go: those that are still named are read once more.
    fn keep(&self, lane: &LaneKey, run: &Run, entries: &Entries) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + run.bytes as usize > KEPT_BYTES_MAX {
            *kept = Kept::default();
        }
        kept.bytes += run.bytes as usize;
        kept.runs.insert((lane.clone(), run.name), entries.clone());
    }
}

impl<S: LaneReader> LaneReader for KeptRuns<S> {
    async fn read_count(&self, lane: &LaneKey) -> Result<Count, LaneStoreError> {
        self.store.read_count(lane).await
    }

    async fn read_run(&self, lane: &LaneKey, run: &Run) -> Result<Option<Entries>, LaneStoreError> {
        if let Some(entries) = self.kept(lane, run) {
            return Ok(Some(entries));
        }
        let entries = self.store.read_run(lane, run).await?;
        if let Some(entries) = &entries {
            self.keep(lane, run, entries);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use landslide_domain::{ballot::Ballot, runs::RunName};

    use super::*;

    #[test]
    fn what_is_older_in_any_lane_is_not_written() {
        for (known, versions, forwards) in [
            (&[][..], &[0][..], true),
            (&[1, 2], &[1, 2], true),
            (&[1, 2], &[2, 2], true),
            (&[1, 2], &[9, 1], false),
            (&[1, 2], &[9], false),
            (&[1], &[1, 0], true),
        ] {
            assert_eq!(goes_forwards(known, versions), forwards, "{known:?} {versions:?}");
        }
    }

    /// A lane whose runs all hold one ranking.
    #[derive(Default)]
    struct Lane(Cell<usize>);

    impl LaneReader for Lane {
        async fn read_count(&self, _: &LaneKey) -> Result<Count, LaneStoreError> {
            Ok(Count::default())
        }

        async fn read_run(&self, _: &LaneKey, _: &Run) -> Result<Option<Entries>, LaneStoreError> {
            self.0.set(self.0.get() + 1);
            let mut entries = PerSet::default();
            Ballot::of_ranking(&[1]).iter().for_each(|ballot| entries.add_ballot(ballot, 1));
            Ok(Some(entries.ballots))
        }
    }

    #[tokio::main(flavor = "current_thread")]
    async fn read_all(kept: &KeptRuns<Lane>, runs: &[Run]) -> usize {
        let lane = LaneKey { poll: PollId::parse("p").unwrap(), lane: 0 };
        let before = kept.store.0.get();
        for run in runs {
            assert!(kept.read_run(&lane, run).await.unwrap().is_some());
        }
        kept.store.0.get() - before
    }

    fn run(version: u64, bytes: u32) -> Run {
        Run { name: RunName { version, attempt: 7 }, level: 0, chunks: 1, bytes, missed: 0 }
    }

    #[test]
    fn a_run_is_read_once_while_there_is_room() {
        let kept = KeptRuns::new(Lane::default());
        let runs = [run(1, 10), run(2, 10)];
        assert_eq!([read_all(&kept, &runs), read_all(&kept, &runs)], [2, 0]);
        let large = run(3, KEPT_BYTES_MAX as u32);
        assert_eq!([read_all(&kept, &[large]), read_all(&kept, &[large]), read_all(&kept, &runs)], [1, 0, 2]);
    }
}
