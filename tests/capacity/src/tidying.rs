//! Merges and sweeps of a lane's runs, by the real code, over the model's table.

use std::rc::Rc;

use futures_util::{
    TryStreamExt,
    future::{join_all, try_join_all},
    stream,
};
use landslide_aws::store::{LaneReader, LaneStore, LaneStoreError, ROWS_AT_ONCE, RunRow, SeenIds};
use landslide_counting::tallies::{Tallies, TallyLimits};
use landslide_domain::{
    entries::Entries,
    ids::PollId,
    keys::{RUN_PARTITIONS, run_place},
    lane::LaneKey,
    runs::{NewRun, RUN_LIMITS, Run},
    tally::{Count, Head, Minute, SeenRow},
};

use crate::{
    measures::add,
    model::Model,
    tallies::{Call, Failed},
    world::WorldClock,
};

/// Merges and sweeps a lane as `tally-votes` does once it has counted.
pub async fn tidy(model: &Rc<Model>, lane: u8) -> Result<(), LaneStoreError> {
    let is_to_be_tidied = {
        let items = model.tallies.lane(lane).borrow();
        items.entries.to_merge(&RUN_LIMITS).is_some() || items.entries.is_to_be_swept(&RUN_LIMITS)
    };
    if !is_to_be_tidied {
        return Ok(());
    }
    let store = LaneOf { model: model.clone(), lane };
    let key = LaneKey { poll: PollId::from_bytes([7; 16]), lane };
    Tallies::new(store, TallyLimits::remembering(0), WorldClock(model.world.clone())).tidy(&key).await
}

/// Writes a run's rows.
pub async fn put_run(model: &Model, lane: u8, new: &NewRun) -> Result<(), Failed> {
    let rows: Vec<(RunRow, u64)> = (0..)
        .zip(new.chunks())
        .map(|(number, chunk)| ((new.run.name, number), model.world.sizes.run_row(chunk.len())))
        .collect();
    let put = async |((name, number), bytes): &(RunRow, u64)| {
        model.tallies.call_run(&model.world, lane, run_place(*name, *number), Call::Write(*bytes, 0)).await
    };
    stream::iter(rows.iter().map(Ok)).try_for_each_concurrent(ROWS_AT_ONCE, put).await?;
    add(&model.world.measures.counts.run_rows, rows.len() as u64);
    let mut items = model.tallies.lane(lane).borrow_mut();
    items.run_rows.extend(rows);
    let content: Vec<u8> = new.chunks().flatten().copied().collect();
    items.runs.insert(new.run.name, Entries::decode(content).expect("what was encoded"));
    Ok(())
}

/// A lane of the model's table.
struct LaneOf {
    model: Rc<Model>,
    lane: u8,
}

impl From<Failed> for LaneStoreError {
    fn from(_: Failed) -> Self {
        Self::Unavailable("refused, or not answered".to_owned())
    }
}

impl LaneOf {
    async fn call(&self, call: Call) -> Result<(), Failed> {
        self.model.tallies.call(&self.model.world, self.lane, call).await
    }

    async fn call_run(&self, (name, number): RunRow, call: Call) -> Result<(), Failed> {
        self.model.tallies.call_run(&self.model.world, self.lane, run_place(name, number), call).await
    }

    fn row_bytes(&self, row: &RunRow) -> u64 {
        self.model.tallies.lane(self.lane).borrow().run_rows.get(row).copied().unwrap_or_default()
    }
}

impl LaneReader for LaneOf {
    async fn read_count(&self, _: &LaneKey) -> Result<Count, LaneStoreError> {
        unreachable!("tidying reads HEAD")
    }

    async fn read_run(&self, _: &LaneKey, run: &Run) -> Result<Option<Entries>, LaneStoreError> {
        let rows = (0..usize::from(run.chunks)).map(|number| (run.name, number));
        try_join_all(rows.map(|row| self.call_run(row, Call::Read(self.row_bytes(&row))))).await?;
        Ok(self.model.tallies.lane(self.lane).borrow().runs.get(&run.name).cloned())
    }
}

impl LaneStore for LaneOf {
    async fn read_head(&self, _: &LaneKey) -> Result<Head, LaneStoreError> {
        let (bytes, version, entries) = {
            let items = self.model.tallies.lane(self.lane).borrow();
            (items.head_bytes, items.version, items.entries.clone())
        };
        self.call(Call::Read(bytes)).await?;
        Ok(Head { version, entries, ..Head::default() })
    }

    async fn read_seen(&self, _: &LaneKey, _: Minute, _: u64) -> Result<SeenIds, LaneStoreError> {
        unreachable!("tidying reads no SEEN rows")
    }

    async fn put_seen(&self, _: &LaneKey, _: &SeenRow) -> Result<(), LaneStoreError> {
        unreachable!("tidying writes no SEEN rows")
    }

    async fn put_head(&self, _: &LaneKey, head: &Head, over: u64) -> Result<(), LaneStoreError> {
        let sizes = &self.model.world.sizes;
        let (bytes, former) = {
            let items = self.model.tallies.lane(self.lane).borrow();
            (sizes.head_with(&items.recent) + sizes.entries(&head.entries), items.head_bytes)
        };
        self.call(Call::Write(bytes, former)).await?;
        add(&self.model.world.measures.counts.heads, 1);
        let mut items = self.model.tallies.lane(self.lane).borrow_mut();
        if items.version != over {
            return Err(LaneStoreError::Conflict);
        }
        (items.version, items.head_bytes, items.entries) = (head.version, bytes, head.entries.clone());
        Ok(())
    }

    async fn put_count(&self, _: &LaneKey, head: &Head) -> Result<(), LaneStoreError> {
        let sizes = &self.model.world.sizes;
        let bytes = sizes.copy + sizes.entries(&head.entries);
        self.call(Call::Write(bytes, bytes)).await?;
        add(&self.model.world.measures.counts.copies, 1);
        Ok(())
    }

    async fn put_run(&self, _: &LaneKey, run: &NewRun) -> Result<(), LaneStoreError> {
        Ok(put_run(&self.model, self.lane, run).await?)
    }

    async fn list_runs(&self, _: &LaneKey) -> Result<Vec<RunRow>, LaneStoreError> {
        let rows: Vec<(RunRow, u64)> = {
            let items = self.model.tallies.lane(self.lane).borrow();
            items.run_rows.iter().map(|(row, bytes)| (*row, *bytes)).collect()
        };
        let bytes_at = |place| rows.iter().filter(move |((name, number), _)| run_place(*name, *number) == place);
        let reads = (0..RUN_PARTITIONS).map(|place| {
            let bytes = bytes_at(place).map(|(_, bytes)| bytes).sum();
            self.model.tallies.call_run(&self.model.world, self.lane, place, Call::Read(bytes))
        });
        join_all(reads).await.into_iter().collect::<Result<(), Failed>>()?;
        Ok(rows.into_iter().map(|(row, _)| row).collect())
    }

    async fn delete_runs(&self, _: &LaneKey, rows: &[RunRow]) -> Result<(), LaneStoreError> {
        let delete = async |row: &RunRow| {
            // A delete is billed like a write of what it deletes.
            self.call_run(*row, Call::Write(self.row_bytes(row), 0)).await?;
            add(&self.model.world.measures.counts.run_rows_deleted, 1);
            let mut items = self.model.tallies.lane(self.lane).borrow_mut();
            items.run_rows.remove(row);
            items.runs.remove(&row.0);
            Ok(())
        };
        stream::iter(rows.iter().map(Ok)).try_for_each_concurrent(ROWS_AT_ONCE, delete).await
    }
}
