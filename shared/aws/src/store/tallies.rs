//! The Tallies table: each lane's HEAD, SEEN rows and COUNT.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    Client,
    operation::{
        get_item::GetItemInput,
        put_item::{PutItemError, PutItemInput},
        query::QueryInput,
    },
    types::AttributeValue,
};
use aws_types::SdkConfig;
use landslide_domain::{
    change::VoteId,
    entries::Entries,
    keys,
    lane::{LaneKey, Split},
    runs::{NewRun, Run},
    tally::{Count, Counters, Head, Ids, Minute, SeenRow},
    time::{DAY_MS, Timestamp},
};

use super::{
    DynamoDb, StoreError,
    item::{Attributes, Item, binary, number, string, time},
    lane_store::{LaneReader, LaneStore, LaneStoreError, RunRow, SeenIds},
    runs::{ENTRIES, Runs, entries_attributes, read_entries},
    store_error, vote_ids,
};
use crate::config::{self, ConfigError};

/// Attributes of HEAD and COUNT that are not counters.
const NOT_COUNTERS: [&str; 9] = [
    keys::POLL_LANE,
    keys::ITEM,
    keys::EXPIRES_AT,
    "version",
    "as_of",
    "recent",
    SEALED,
    ENTRIES.cells,
    ENTRIES.ballots,
];
/// The attribute that is true in a sealed HEAD, and absent otherwise. Code that does not know it can't read a sealed
/// HEAD, and leaves it alone.
const SEALED: &str = "sealed";

/// How long what parts add to lanes is kept after the split, in milliseconds.
pub const PARTS_KEPT_MS: u64 = 7 * DAY_MS;

/// Identifies one SEEN row of a lane: its minute, and the version in its key.
pub type SeenPlace = (Minute, u64);

/// One page of a lane's SEEN rows.
pub struct SeenPage {
    /// The rows.
    pub rows: Vec<SeenRow>,
    /// The row after which the next page begins. If `None`, this is the last page.
    pub next: Option<SeenPlace>,
}

/// The Tallies table.
pub struct TallyStore<D = Client> {
    db: D,
    table: String,
}

impl TallyStore {
    /// The table in the environment's variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("TALLIES_TABLE")?))
    }

    /// A table by name.
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self::over(Client::new(aws), table)
    }
}

impl<D: DynamoDb> TallyStore<D> {
    /// A table by name, in any database.
    pub fn over(db: D, table: String) -> Self {
        Self { db, table }
    }

    fn runs(&self) -> Runs<'_, D> {
        Runs { db: &self.db, table: &self.table }
    }

    /// Sends one read, so that the connection is open before the first event.
    pub async fn prime(&self) {
        let nobody = landslide_domain::ids::PollId::parse("prime").map(|poll| LaneKey { poll, lane: 0 });
        if let Some(nobody) = nobody
            && let Err(error) = self.read_head(&nobody).await
        {
            tracing::warn!(%error, "the connection to the Tallies table was not opened ahead: {error}");
        }
    }

    /// Reads one page of a lane's SEEN rows in minute order, strongly consistent. Starts after the row `after`; if
    /// `None`, with the first. An empty page may be followed by others.
    pub async fn seen_page(&self, lane: &LaneKey, after: Option<SeenPlace>) -> Result<SeenPage, StoreError> {
        let key = |(minute, version): SeenPlace| {
            Item::from([
                (keys::POLL_LANE.to_owned(), string(keys::poll_lane(lane))),
                (keys::ITEM.to_owned(), string(keys::seen(minute, version))),
            ])
        };
        let query = QueryInput::builder()
            .table_name(&self.table)
            .key_condition_expression("#lane = :lane AND begins_with(#item, :seen)")
            .expression_attribute_names("#lane", keys::POLL_LANE)
            .expression_attribute_names("#item", keys::ITEM)
            .expression_attribute_values(":lane", string(keys::poll_lane(lane)))
            .expression_attribute_values(":seen", string(keys::SEEN_PREFIX))
            .set_exclusive_start_key(after.map(key))
            .consistent_read(true);
        let page = self.db.query(query).await.map_err(|error| store_error("read SEEN rows", error))?;
        let rows = page.items().iter().map(read_row).collect::<Result<_, _>>()?;
        let last = page.last_evaluated_key().filter(|last| !last.is_empty());
        Ok(SeenPage { rows, next: last.map(read_place).transpose()? })
    }

    /// Writes what a part of the poll's votes adds to a lane. It expires by itself.
    pub async fn put_part(&self, lane: &LaneKey, split: Split, part: u16, sums: &Head) -> Result<(), StoreError> {
        let mut item = count_item(lane, &keys::part(split, part), sums);
        let until = split.at.plus_millis(PARTS_KEPT_MS);
        item.insert(keys::EXPIRES_AT.to_owned(), number(until.as_millis() / 1_000));
        let put = PutItemInput::builder().table_name(&self.table).set_item(Some(item));
        self.db.put_item(put).await.map_err(|error| store_error("write a part's sums", error)).map(drop)
    }

    /// Reads what the parts of the poll's votes add to a lane, strongly consistent, and in as few calls as may be: a lane of
    /// hundreds of parts would use up its partition's reads one by one. Parts that add nothing, or have expired, are not there.
    pub async fn read_parts(&self, lane: &LaneKey, split: Split) -> Result<Vec<Count>, StoreError> {
        let mut parts = Vec::new();
        let mut after = None;
        loop {
            let query = QueryInput::builder()
                .table_name(&self.table)
                .key_condition_expression("#lane = :lane AND #item BETWEEN :first AND :last")
                .expression_attribute_names("#lane", keys::POLL_LANE)
                .expression_attribute_names("#item", keys::ITEM)
                .expression_attribute_values(":lane", string(keys::poll_lane(lane)))
                .expression_attribute_values(":first", string(keys::part(split, 0)))
                .expression_attribute_values(":last", string(keys::part(split, split.parts - 1)))
                .set_exclusive_start_key(after)
                .consistent_read(true);
            let page = self.db.query(query).await.map_err(|error| store_error("read sums of parts", error))?;
            for item in page.items() {
                parts.push(read_count(item)?);
            }
            after = page.last_evaluated_key.filter(|last| !last.is_empty());
            if after.is_none() {
                return Ok(parts);
            }
        }
    }

    async fn read_item(&self, lane: &LaneKey, item: &str, doing: &str) -> Result<Option<Item>, StoreError> {
        let get = GetItemInput::builder()
            .table_name(&self.table)
            .key(keys::POLL_LANE, string(keys::poll_lane(lane)))
            .key(keys::ITEM, string(item))
            .consistent_read(true);
        let answer = self.db.get_item(get).await.map_err(|error| store_error(doing, error))?;
        Ok(answer.item)
    }

    /// Writes an item. Returns false if the condition failed.
    async fn put_if(&self, doing: &str, item: Item, condition: &str, version: Option<u64>) -> Result<bool, StoreError> {
        let put = PutItemInput::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .expression_attribute_names("#version", "version")
            .set_expression_attribute_values(
                version.map(|version| Item::from([(":version".to_owned(), number(version))])),
            );
        match self.db.put_item(put).await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(store_error(doing, error)),
            },
        }
    }
}

impl From<StoreError> for LaneStoreError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(text) => LaneStoreError::Unavailable(text),
            StoreError::Broken(text) => LaneStoreError::Broken(text),
        }
    }
}

impl<D: DynamoDb> LaneReader for TallyStore<D> {
    async fn read_count(&self, lane: &LaneKey) -> Result<Count, LaneStoreError> {
        let item = self.read_item(lane, keys::COUNT, "read COUNT").await?;
        Ok(item.as_ref().map(read_count).transpose()?.unwrap_or_default())
    }

    async fn read_run(&self, lane: &LaneKey, run: &Run) -> Result<Option<Entries>, LaneStoreError> {
        self.runs().read(lane, run).await
    }
}

impl<D: DynamoDb> LaneStore for TallyStore<D> {
    async fn read_head(&self, lane: &LaneKey) -> Result<Head, LaneStoreError> {
        let item = self.read_item(lane, keys::HEAD, "read HEAD").await?;
        Ok(item.as_ref().map(read_head).transpose()?.unwrap_or_default())
    }

    async fn read_seen(&self, lane: &LaneKey, minute: Minute, above: u64) -> Result<SeenIds, LaneStoreError> {
        let query = QueryInput::builder()
            .table_name(&self.table)
            .key_condition_expression("#lane = :lane AND #item BETWEEN :first AND :last")
            .expression_attribute_names("#lane", keys::POLL_LANE)
            .expression_attribute_names("#item", keys::ITEM)
            .expression_attribute_values(":lane", string(keys::poll_lane(lane)))
            .expression_attribute_values(":first", string(keys::seen(minute, above.saturating_add(1))))
            .expression_attribute_values(":last", string(keys::seen(minute, u64::MAX)))
            .consistent_read(true);
        let page = self.db.query(query).await.map_err(|error| store_error("read SEEN rows", error))?;
        let mut ids = Vec::new();
        for item in page.items() {
            ids.extend(read_ids(item.get("ids"))?);
        }
        let last = page.last_evaluated_key().filter(|last| !last.is_empty());
        let up_to = last.map(read_place).transpose()?.map(|(_, version)| version);
        Ok(SeenIds { ids, up_to })
    }

    async fn put_seen(&self, lane: &LaneKey, row: &SeenRow) -> Result<(), LaneStoreError> {
        let put = PutItemInput::builder()
            .table_name(&self.table)
            .item(keys::POLL_LANE, string(keys::poll_lane(lane)))
            .item(keys::ITEM, string(keys::seen(row.minute, row.version)))
            .item("ids", ids_attribute(&row.ids))
            .item(keys::EXPIRES_AT, number(row.expires_at().as_millis() / 1000));
        self.db.put_item(put).await.map_err(|error| store_error("write SEEN row", error))?;
        Ok(())
    }

    async fn put_head(&self, lane: &LaneKey, head: &Head, over: u64) -> Result<(), LaneStoreError> {
        let mut item = count_item(lane, keys::HEAD, head);
        let recent =
            head.recent.iter().map(|(minute, ids)| (minute.start().as_millis().to_string(), ids_attribute(ids)));
        item.insert("recent".to_owned(), AttributeValue::M(recent.collect()));
        if head.sealed {
            item.insert(SEALED.to_owned(), AttributeValue::Bool(true));
        }
        let written = match over {
            0 => self.put_if("write HEAD", item, "attribute_not_exists(#version)", None).await?,
            version => self.put_if("write HEAD", item, "#version = :version", Some(version)).await?,
        };
        if written { Ok(()) } else { Err(LaneStoreError::Conflict) }
    }

    async fn put_count(&self, lane: &LaneKey, head: &Head) -> Result<(), LaneStoreError> {
        let item = count_item(lane, keys::COUNT, head);
        let condition = "attribute_not_exists(#version) OR #version < :version";
        // If the condition fails, another process has written one that is as new.
        self.put_if("write COUNT", item, condition, Some(head.version)).await?;
        Ok(())
    }

    async fn put_run(&self, lane: &LaneKey, run: &NewRun) -> Result<(), LaneStoreError> {
        self.runs().put(lane, run).await
    }

    async fn list_runs(&self, lane: &LaneKey) -> Result<Vec<RunRow>, LaneStoreError> {
        self.runs().list(lane).await
    }

    async fn delete_runs(&self, lane: &LaneKey, rows: &[RunRow]) -> Result<(), LaneStoreError> {
        self.runs().delete(lane, rows).await
    }
}

fn read_place(key: &Item) -> Result<SeenPlace, StoreError> {
    keys::read_seen(Attributes(key).string(keys::ITEM)?).ok_or_else(unreadable_ids)
}

fn read_row(item: &Item) -> Result<SeenRow, StoreError> {
    let (minute, version) = read_place(item)?;
    Ok(SeenRow { minute, version, ids: read_ids(item.get("ids"))? })
}

/// HEAD without its ids, as either of the two items.
fn count_item(lane: &LaneKey, kind: &str, head: &Head) -> Item {
    let mut item: Item = head.counters.iter().map(|(name, count)| (name.to_owned(), number(count))).collect();
    item.insert(keys::POLL_LANE.to_owned(), string(keys::poll_lane(lane)));
    item.insert(keys::ITEM.to_owned(), string(kind));
    item.insert("version".to_owned(), number(head.version));
    if let Some(as_of) = head.as_of {
        item.insert("as_of".to_owned(), time(as_of));
    }
    item.extend(entries_attributes(&head.entries).map(|(name, entries)| (name.to_owned(), entries)));
    item
}

fn read_head(item: &Item) -> Result<Head, StoreError> {
    let Count { version, as_of, counters, entries } = read_count(item)?;
    let recent = item.get("recent").map(read_recent).transpose()?.unwrap_or_default();
    Ok(Head { version, as_of, counters, entries, recent, sealed: item.contains_key(SEALED) })
}

/// Parses COUNT, or HEAD's counts.
pub(super) fn read_count(item: &Item) -> Result<Count, StoreError> {
    let attributes = Attributes(item);
    let names = item.keys().filter(|name| !NOT_COUNTERS.contains(&name.as_str()));
    let counters = names
        .map(|name| Ok((name.clone(), attributes.number(name)?)))
        .collect::<Result<BTreeMap<_, _>, StoreError>>()?;
    Ok(Count {
        version: attributes.number("version")?,
        as_of: attributes.optional_time("as_of")?,
        counters: Counters::from_entries(counters),
        entries: read_entries(item)?,
    })
}

fn unreadable_ids() -> StoreError {
    StoreError::Broken("read item: ids are not what they should be".to_owned())
}

fn read_recent(recent: &AttributeValue) -> Result<Ids, StoreError> {
    let minutes = recent.as_m().map_err(|_| unreadable_ids())?;
    let read = |(start, ids): (&String, &AttributeValue)| {
        let start = start.parse().ok().and_then(Timestamp::from_millis).ok_or_else(unreadable_ids)?;
        Ok((Minute::of(start), read_ids(Some(ids))?))
    };
    minutes.iter().map(read).collect()
}

fn ids_attribute(ids: &[VoteId]) -> AttributeValue {
    binary(vote_ids::encode(ids))
}

fn read_ids(ids: Option<&AttributeValue>) -> Result<Vec<VoteId>, StoreError> {
    let bytes = ids.and_then(|ids| ids.as_b().ok());
    bytes.and_then(|bytes| vote_ids::decode(bytes.as_ref())).ok_or_else(unreadable_ids)
}
