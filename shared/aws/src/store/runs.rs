//! Entries in the Tallies table: as an attribute of HEAD and COUNT, and as the rows of runs.

use aws_sdk_dynamodb::{
    operation::{delete_item::DeleteItemInput, get_item::GetItemInput, put_item::PutItemInput, query::QueryInput},
    types::AttributeValue,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_domain::{
    entries::{Entries, PerSet, Set},
    keys,
    lane::LaneKey,
    runs::{Dropped, Kept, LaneEntries, NewRun, Run, RunName},
};

use super::{
    DynamoDb, StoreError,
    item::{Attributes, Item, binary, number, string},
    lane_store::{LaneStoreError, RunRow},
    store_error,
};

/// The attributes of HEAD and COUNT with the lane's entries of each multiset. Absent where there were never any. Code that
/// does not know them takes them for counters that are no numbers, and leaves the lane alone.
pub(super) const ENTRIES: PerSet<&str> = PerSet { cells: "cells", ballots: "entries" };
/// The attribute that counts a lane's sweeps, and the one for runs replaced since the last. Both are in the map of ballots.
const SWEEPS: &str = "sweeps";
const REPLACED: &str = "replaced";
/// The attribute of a row with the run's entries.
const CONTENT: &str = "entries";
/// Bytes of a run in that attribute: version, attempt, level, chunks, bytes.
const RUN_BYTES: usize = 8 + 8 + 1 + 2 + 4;
/// How many rows of a run are read, written or deleted at once.
pub const ROWS_AT_ONCE: usize = 8;

/// The attributes for a lane's entries.
pub(super) fn entries_attributes(entries: &LaneEntries) -> impl Iterator<Item = (&'static str, AttributeValue)> {
    let none = LaneEntries::default();
    let cells = (entries.kept.cells != none.kept.cells).then(|| kept_map(&entries.kept.cells));
    let ballots = (LaneEntries { kept: PerSet { cells: Kept::default(), ..entries.kept.clone() }, ..*entries } != none)
        .then(|| {
            let mut map = kept_map(&entries.kept.ballots);
            map.insert(SWEEPS.to_owned(), number(entries.sweeps));
            map.insert(REPLACED.to_owned(), number(entries.replaced));
            map
        });
    let cells = cells.map(|map| (ENTRIES.cells, AttributeValue::M(map)));
    cells.into_iter().chain(ballots.map(|map| (ENTRIES.ballots, AttributeValue::M(map))))
}

fn kept_map(kept: &Kept) -> Item {
    let runs: Vec<u8> = kept.runs.iter().flat_map(run_bytes).collect();
    let mut map = Item::from([("near".to_owned(), binary(kept.near.as_bytes())), ("runs".to_owned(), binary(runs))]);
    if kept.missed() > 0 {
        let missed = kept.runs.iter().map(|run| number(run.missed));
        map.insert("missed".to_owned(), AttributeValue::L(missed.collect()));
    }
    if let Some(dropped) = kept.dropped {
        map.insert("dropped".to_owned(), string(dropped_word(dropped)));
    }
    map
}

/// Parses a lane's entries from HEAD or COUNT.
pub(super) fn read_entries(item: &Item) -> Result<LaneEntries, StoreError> {
    let map = |set: Set| {
        let map = item.get(*ENTRIES.of(set)).map(|map| map.as_m().map_err(|_| unreadable()));
        map.transpose()
    };
    let (cells, ballots) = (map(Set::Cells)?, map(Set::Ballots)?);
    let of_lane = |name| ballots.map_or(Ok(0), |map| Attributes(map).number(name));
    Ok(LaneEntries {
        sweeps: of_lane(SWEEPS)?,
        replaced: of_lane(REPLACED)?.try_into().map_err(|_| unreadable())?,
        kept: PerSet {
            cells: cells.map(read_kept).transpose()?.unwrap_or_default(),
            ballots: ballots.map(read_kept).transpose()?.unwrap_or_default(),
        },
    })
}

fn read_kept(map: &Item) -> Result<Kept, StoreError> {
    let bytes = |name: &str| map.get(name).and_then(|bytes| bytes.as_b().ok()).map(|bytes| bytes.as_ref());
    let mut runs = read_runs(bytes("runs").ok_or_else(unreadable)?)?;
    let missed = Attributes(map).optional_list("missed")?.unwrap_or_default();
    for (run, missed) in runs.iter_mut().zip(missed) {
        run.missed = missed.as_n().ok().and_then(|digits| digits.parse().ok()).ok_or_else(unreadable)?;
    }
    let dropped = Attributes(map).optional_string("dropped")?;
    Ok(Kept {
        near: Entries::decode(bytes("near").ok_or_else(unreadable)?.to_vec()).map_err(|_| unreadable())?,
        runs,
        dropped: dropped.map(|word| dropped_of(word).ok_or_else(unreadable)).transpose()?,
    })
}

fn dropped_word(dropped: Dropped) -> &'static str {
    match dropped {
        Dropped::Lost => "lost",
        Dropped::TooMany => "too_many",
    }
}

fn dropped_of(word: &str) -> Option<Dropped> {
    [Dropped::Lost, Dropped::TooMany].into_iter().find(|dropped| dropped_word(*dropped) == word)
}

fn run_bytes(run: &Run) -> impl Iterator<Item = u8> + use<> {
    let Run { name: RunName { version, attempt }, level, chunks, bytes, .. } = *run;
    let numbers = version.to_be_bytes().into_iter().chain(attempt.to_be_bytes()).chain([level]);
    numbers.chain(chunks.to_be_bytes()).chain(bytes.to_be_bytes())
}

fn read_runs(bytes: &[u8]) -> Result<Vec<Run>, StoreError> {
    let (runs, rest) = bytes.as_chunks::<RUN_BYTES>();
    if rest.is_empty() { Ok(runs.iter().map(read_run).collect()) } else { Err(unreadable()) }
}

fn read_run(bytes: &[u8; RUN_BYTES]) -> Run {
    let number = |from: usize, length: usize| {
        bytes.iter().skip(from).take(length).fold(0u64, |number, byte| number << 8 | u64::from(*byte))
    };
    Run {
        name: RunName { version: number(0, 8), attempt: number(8, 8) },
        level: number(16, 1) as u8,
        chunks: number(17, 2) as u16,
        bytes: number(19, 4) as u32,
        missed: 0,
    }
}

fn unreadable() -> StoreError {
    super::item::unreadable(CONTENT)
}

fn unreadable_run() -> LaneStoreError {
    LaneStoreError::UnreadableRun("read a run: it is not what was written".to_owned())
}

/// The rows of runs in the Tallies table.
pub(super) struct Runs<'a, D> {
    /// The database.
    pub(super) db: &'a D,
    /// The table's name.
    pub(super) table: &'a str,
}

impl<D: DynamoDb> Runs<'_, D> {
    pub(super) async fn put(&self, lane: &LaneKey, new: &NewRun) -> Result<(), LaneStoreError> {
        let rows = new.chunks().enumerate().map(Ok);
        let put = async |(number, chunk): (usize, &[u8])| self.put_row(lane, (new.run.name, number), chunk).await;
        stream::iter(rows).try_for_each_concurrent(ROWS_AT_ONCE, put).await
    }

    /// Nobody else writes under this name: a row that is there already is this one, whose answer was lost.
    async fn put_row(&self, lane: &LaneKey, row: RunRow, chunk: &[u8]) -> Result<(), LaneStoreError> {
        let mut item = row_key(lane, row);
        item.insert(CONTENT.to_owned(), binary(chunk));
        let put = PutItemInput::builder()
            .table_name(self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#item)")
            .expression_attribute_names("#item", keys::ITEM);
        match self.db.put_item(put).await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|it| it.is_conditional_check_failed_exception()) => {
                Ok(())
            }
            Err(error) => Err(store_error("write a run", error).into()),
        }
    }

    pub(super) async fn read(&self, lane: &LaneKey, run: &Run) -> Result<Option<Entries>, LaneStoreError> {
        let rows = (0..usize::from(run.chunks)).map(|number| self.read_row(lane, (run.name, number)));
        let rows: Option<Vec<Vec<u8>>> =
            stream::iter(rows).buffered(ROWS_AT_ONCE).try_collect::<Vec<_>>().await?.into_iter().collect();
        let Some(rows) = rows else { return Ok(None) };
        let content = rows.concat();
        let whole = content.len() == run.bytes as usize;
        let entries = Entries::decode(content).ok().filter(|_| whole);
        entries.map(Some).ok_or_else(unreadable_run)
    }

    async fn read_row(&self, lane: &LaneKey, row: RunRow) -> Result<Option<Vec<u8>>, LaneStoreError> {
        let get =
            GetItemInput::builder().table_name(self.table).set_key(Some(row_key(lane, row))).consistent_read(true);
        let answer = self.db.get_item(get).await.map_err(|error| store_error("read a run", error))?;
        let Some(item) = answer.item() else { return Ok(None) };
        let chunk = item.get(CONTENT).and_then(|chunk| chunk.as_b().ok());
        Ok(Some(chunk.ok_or_else(unreadable_run)?.as_ref().to_vec()))
    }

    pub(super) async fn list(&self, lane: &LaneKey) -> Result<Vec<RunRow>, LaneStoreError> {
        let partitions = (0..keys::RUN_PARTITIONS).map(|place| self.list_partition(lane, place));
        let rows: Vec<Vec<RunRow>> = stream::iter(partitions).buffered(ROWS_AT_ONCE).try_collect().await?;
        Ok(rows.concat())
    }

    async fn list_partition(&self, lane: &LaneKey, place: usize) -> Result<Vec<RunRow>, LaneStoreError> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let query = QueryInput::builder()
                .table_name(self.table)
                .key_condition_expression("#lane = :lane AND begins_with(#item, :run)")
                .projection_expression("#lane, #item")
                .expression_attribute_names("#lane", keys::POLL_LANE)
                .expression_attribute_names("#item", keys::ITEM)
                .expression_attribute_values(":lane", string(keys::run_partition(lane, place)))
                .expression_attribute_values(":run", string(keys::RUN_PREFIX))
                .set_exclusive_start_key(after)
                .consistent_read(true);
            let page = self.db.query(query).await.map_err(|error| store_error("list runs", error))?;
            for item in page.items() {
                rows.push(keys::read_run(Attributes(item).string(keys::ITEM)?).ok_or_else(unreadable)?);
            }
            after = page.last_evaluated_key.filter(|last| !last.is_empty());
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    pub(super) async fn delete(&self, lane: &LaneKey, rows: &[RunRow]) -> Result<(), LaneStoreError> {
        let delete = async |row: &RunRow| {
            let delete = DeleteItemInput::builder().table_name(self.table).set_key(Some(row_key(lane, *row)));
            self.db.delete_item(delete).await.map_err(|error| store_error("delete a run", error))?;
            Ok(())
        };
        stream::iter(rows.iter().map(Ok)).try_for_each_concurrent(ROWS_AT_ONCE, delete).await
    }
}

fn row_key(lane: &LaneKey, (name, number): RunRow) -> Item {
    Item::from([
        (keys::POLL_LANE.to_owned(), string(keys::run_partition(lane, keys::run_place(name, number)))),
        (keys::ITEM.to_owned(), string(keys::run(name, number))),
    ])
}
