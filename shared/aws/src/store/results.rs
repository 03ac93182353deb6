//! Reads what results are made from: a poll and its lanes' COUNT items, from two tables in one batch.

use std::collections::HashMap;

use aws_sdk_dynamodb::{Client, types::KeysAndAttributes};
use aws_types::SdkConfig;
use landslide_domain::{ids::PollId, keys, lane::LaneKey, poll::Poll, tally::Count};

use super::{
    StoreError,
    batch::read_batch,
    item::{Attributes, Item, string},
    polls::{Read, read_poll, read_whole},
    tallies::read_count,
};
use crate::{
    clock::SystemClock,
    config::{self, ConfigError},
};

/// A poll and its lanes' counts.
#[derive(Debug)]
pub struct Snapshot {
    /// The poll.
    pub poll: Poll,
    /// Each lane's COUNT, in lane order. Version 0 if it has counted nothing yet.
    pub counts: Vec<Count>,
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
        read_whole(&SystemClock, || self.snapshot(poll_id, lanes)).await
    }

    async fn snapshot(&self, poll_id: &PollId, lanes: u8) -> Result<Read<Option<Snapshot>>, StoreError> {
        let mut tables = HashMap::from([(self.polls_table.clone(), poll_keys(poll_id))]);
        tables.insert(self.tallies_table.clone(), (0..lanes.max(1)).map(|lane| count_key(poll_id, lane)).collect());
        let mut found = self.batch(tables).await?;
        let poll = match read_poll(&found.remove(&self.polls_table).unwrap_or_default())? {
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
        let of_lane = |lane| {
            let key = keys::poll_lane(&LaneKey { poll: poll_id.clone(), lane });
            let item = counts.iter().find(|item| Attributes(item).string(keys::POLL_LANE).ok() == Some(&key));
            item.map_or_else(|| Ok(Count::default()), read_count)
        };
        let counts = (0..poll.rules.lanes).map(of_lane).collect::<Result<_, _>>()?;
        Ok(Read::Whole(Some(Snapshot { poll, counts })))
    }

    async fn batch(&self, tables: HashMap<String, Vec<Item>>) -> Result<HashMap<String, Vec<Item>>, StoreError> {
        let tables = tables.into_iter().map(|(table, keys)| (table, KeysAndAttributes::builder().set_keys(Some(keys))));
        read_batch(&self.client, "read results", tables).await
    }
}

fn poll_keys(poll: &PollId) -> Vec<Item> {
    let key = |kind: &str| {
        Item::from([(keys::POLL_ID.to_owned(), string(poll.as_str())), (keys::ITEM.to_owned(), string(kind))])
    };
    vec![key(keys::RULES), key(keys::OPTIONS)]
}

fn count_key(poll: &PollId, lane: u8) -> Item {
    let lane = keys::poll_lane(&LaneKey { poll: poll.clone(), lane });
    Item::from([(keys::POLL_LANE.to_owned(), string(lane)), (keys::ITEM.to_owned(), string(keys::COUNT))])
}
