//! Reads what results are made from: a poll and its lanes' COUNT items, from two tables in one batch.

#[cfg(feature = "assembled")]
mod assembled;
mod rows;

use std::collections::HashMap;

use aws_sdk_dynamodb::{Client, types::KeysAndAttributes};
use aws_types::SdkConfig;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use landslide_domain::{
    ids::PollId,
    keys,
    lane::LaneKey,
    poll::Poll,
    tally::{BALLOTS, Count},
};

#[cfg(feature = "assembled")]
pub use self::assembled::AssembledSnapshot;
pub use self::rows::{PollDigest, RowsRead};
use super::{
    StoreError,
    batch::read_batch,
    item::{Attributes, Item, string},
    polls::{LANES, Read, read_id, read_poll, read_whole},
    tallies::read_count,
};
use crate::{
    clock::SystemClock,
    config::{self, ConfigError},
};

/// The most keys in a batch.
const KEYS_MAX: usize = 100;
/// How many batches are read at once.
const PORTIONS_AT_ONCE: usize = 8;

/// A poll and its lanes' counts.
#[derive(Debug)]
pub struct Snapshot {
    /// The poll.
    pub poll: Poll,
    /// Each lane's COUNT, in lane order. Version 0 if it has counted nothing yet.
    pub counts: Vec<Count>,
}

impl Snapshot {
    /// Of a poll, and COUNT items that other processes have packed. Fails if these are not what was packed.
    pub fn of_packed(poll: Poll, packed: &[u8]) -> Result<Self, StoreError> {
        Self::of(poll, &rows::unpack(packed)?)
    }

    /// Of a poll, and its lanes' COUNT items in any order.
    fn of(poll: Poll, counts: &[Item]) -> Result<Self, StoreError> {
        let of_lane = |lane| {
            let key = keys::poll_lane(&LaneKey { poll: poll.rules.settings.poll_id.clone(), lane });
            let item = counts.iter().find(|item| Attributes(item).string(keys::POLL_LANE).ok() == Some(&key));
            item.map_or_else(|| Ok(Count::default()), read_count)
        };
        let counts = (0..poll.rules.lanes).map(of_lane).collect::<Result<_, _>>()?;
        Ok(Self { poll, counts })
    }
}

/// The two tables.
pub struct ResultsStore {
    client: Client,
    polls_table: String,
    tallies_table: String,
}

impl ResultsStore {
    /// The tables in the environment's variables.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("POLLS_TABLE")?, config::text("TALLIES_TABLE")?))
    }

    /// Tables by name.
    pub fn new(aws: &SdkConfig, polls_table: String, tallies_table: String) -> Self {
        Self { client: Client::new(aws), polls_table, tallies_table }
    }

    /// Sends one read, so that the connection is open before the first request.
    pub async fn prime(&self) {
        if let Some(nobody) = PollId::parse("prime")
            && let Err(error) = self.read(&nobody, 1).await
        {
            tracing::warn!(%error, "the connection to the results' tables was not opened ahead: {error}");
        }
    }

    /// Reads a poll and its counts, strongly consistent, so that counts never go back. Takes one batch if the poll has
    /// at most `lanes` lanes, the number that the caller knows; otherwise one more.
    pub async fn read(&self, poll_id: &PollId, lanes: u8) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.read_with_rows(poll_id, lanes).await?.map(|(snapshot, _)| snapshot))
    }

    /// The same, with the items that were read.
    pub async fn read_with_rows(
        &self,
        poll_id: &PollId,
        lanes: u8,
    ) -> Result<Option<(Snapshot, RowsRead)>, StoreError> {
        read_whole(&SystemClock, || self.snapshot(poll_id, lanes)).await
    }

    async fn snapshot(&self, poll_id: &PollId, lanes: u8) -> Result<Read<Option<(Snapshot, RowsRead)>>, StoreError> {
        let mut tables = HashMap::from([(self.polls_table.clone(), poll_keys(poll_id))]);
        tables.insert(self.tallies_table.clone(), (0..lanes.max(1)).map(|lane| count_key(poll_id, lane)).collect());
        let mut found = self.batch(tables).await?;
        let of_poll = found.remove(&self.polls_table).unwrap_or_default();
        let poll = match read_poll(&of_poll)? {
            Read::Whole(Some(poll)) => poll,
            Read::Whole(None) => return Ok(Read::Whole(None)),
            Read::Torn => return Ok(Read::Torn),
        };
        let mut counts = found.remove(&self.tallies_table).unwrap_or_default();
        if poll.rules.lanes > lanes.max(1) {
            let further = (lanes.max(1)..poll.rules.lanes).map(|lane| count_key(poll_id, lane)).collect();
            let mut found = self.batch(HashMap::from([(self.tallies_table.clone(), further)])).await?;
            counts.extend(found.remove(&self.tallies_table).unwrap_or_default());
        }
        let snapshot = Snapshot::of(poll, &counts)?;
        Ok(Read::Whole(Some((snapshot, RowsRead { of_poll, tallies: counts }))))
    }

    /// Adds up the ballots that polls hold, eventually consistent.
    pub async fn ballots(&self, polls: &[PollId]) -> Result<u64, StoreError> {
        let portions: Vec<_> = polls.chunks(KEYS_MAX).map(|polls| self.ballots_of_some(polls)).collect();
        stream::iter(portions).buffer_unordered(PORTIONS_AT_ONCE).try_fold(0, async |all, some| Ok(all + some)).await
    }

    async fn ballots_of_some(&self, polls: &[PollId]) -> Result<u64, StoreError> {
        let rules = polls.iter().map(|poll| poll_key(poll, keys::RULES)).collect();
        let rules = self.attributes(&self.polls_table, rules, &[keys::POLL_ID, LANES]).await?;
        let mut counts = Vec::new();
        for item in &rules {
            let (poll, lanes) = (read_id(item)?, Attributes(item).number(LANES)?);
            counts.extend((0..lanes).map(|lane| count_key(&poll, lane)));
        }
        let mut ballots = 0;
        for counts in counts.chunks(KEYS_MAX) {
            for count in self.attributes(&self.tallies_table, counts.to_vec(), &[BALLOTS]).await? {
                ballots += Attributes(&count).optional_number::<i64>(BALLOTS)?.unwrap_or_default();
            }
        }
        // Out of order, counts may be below zero for a while.
        Ok(u64::try_from(ballots).unwrap_or_default())
    }

    /// Reads a few attributes of items.
    async fn attributes(&self, table: &str, keys: Vec<Item>, names: &[&str]) -> Result<Vec<Item>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).projection_expression(names.join(", "));
        let mut found = read_batch(&self.client, "add up ballots", [(table.to_owned(), wanted)]).await?;
        Ok(found.remove(table).unwrap_or_default())
    }

    /// Reads whole items by table, strongly consistent.
    async fn batch(&self, tables: HashMap<String, Vec<Item>>) -> Result<HashMap<String, Vec<Item>>, StoreError> {
        let wanted = |keys| KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        let tables = tables.into_iter().map(|(table, keys)| (table, wanted(keys)));
        read_batch(&self.client, "read results", tables).await
    }
}

fn poll_keys(poll: &PollId) -> Vec<Item> {
    vec![poll_key(poll, keys::RULES), poll_key(poll, keys::OPTIONS)]
}

fn poll_key(poll: &PollId, kind: &str) -> Item {
    Item::from([(keys::POLL_ID.to_owned(), string(poll.as_str())), (keys::ITEM.to_owned(), string(kind))])
}

fn count_key(poll: &PollId, lane: u8) -> Item {
    let lane = keys::poll_lane(&LaneKey { poll: poll.clone(), lane });
    Item::from([(keys::POLL_LANE.to_owned(), string(lane)), (keys::ITEM.to_owned(), string(keys::COUNT))])
}
