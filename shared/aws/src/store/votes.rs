//! The Votes table: one item per voter and poll.

use aws_sdk_dynamodb::{
    Client,
    operation::{
        get_item::GetItemInput,
        put_item::{PutItemError, PutItemInput},
        query::QueryInput,
    },
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use aws_types::SdkConfig;
use landslide_domain::{
    ballot::Ballot,
    ids::VoterKey,
    keys,
    lane::{LANES_MAX, Partition},
    poll::Rules,
    vote::Vote,
};

use super::{
    DynamoDb, StoreError,
    item::{Attributes, Item, number, string, time},
    store_error,
};
use crate::config::{self, ConfigError};

/// The outcome of writing a vote.
#[derive(Debug, PartialEq, Eq)]
pub enum PutVote {
    /// The vote is stored.
    Stored,
    /// Another vote stands than the one it was to replace. Nothing was written.
    Exists(Vote),
}

/// A vote and its voter; or the sort key of an item that is no vote, or is in the wrong place.
pub type StoredVote = Result<(VoterKey, Vote), String>;

/// One page of a partition's votes.
pub struct VotePage {
    /// The votes.
    pub votes: Vec<StoredVote>,
    /// The voter after whom the next page begins. If `None`, this is the last page.
    pub next: Option<String>,
}

/// The Votes table.
pub struct VoteStore<D = Client> {
    db: D,
    table: String,
}

impl VoteStore {
    /// The table in the environment's variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("VOTES_TABLE")?))
    }

    /// A table by name.
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self::over(Client::new(aws), table)
    }
}

impl<D: DynamoDb> VoteStore<D> {
    /// A table by name, in any database.
    pub fn over(db: D, table: String) -> Self {
        Self { db, table }
    }

    /// Stores a vote over its previous revision, by one conditional write that decides every race. For the first
    /// revision there must be no vote.
    pub async fn put(&self, poll: &Rules, voter: &VoterKey, vote: &Vote) -> Result<PutVote, StoreError> {
        let put = PutItemInput::builder()
            .table_name(&self.table)
            .set_item(Some(vote_item(poll, voter, vote)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match vote.revision {
            1 => put
                .condition_expression("attribute_not_exists(#voter)")
                .expression_attribute_names("#voter", keys::VOTER),
            revision => put
                .condition_expression("#revision = :before")
                .expression_attribute_names("#revision", "revision")
                .expression_attribute_values(":before", number(revision - 1)),
        };
        match self.db.put_item(put).await {
            Ok(_) => Ok(PutVote::Stored),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    let gone = || StoreError::Broken("store vote: the one that stands did not come back".to_owned());
                    Ok(PutVote::Exists(read_vote(failed.item().ok_or_else(gone)?)?))
                }
                _ => Err(store_error("store vote", error)),
            },
        }
    }

    /// Reads one page of a partition's votes in voter order, strongly consistent. Starts after the voter `after`; if
    /// `None`, with the first.
    pub async fn page(&self, poll: &Rules, partition: Partition, after: Option<&str>) -> Result<VotePage, StoreError> {
        let poll_partition = keys::poll_partition(&poll.settings.poll_id, partition);
        let key = |voter: &str| {
            Item::from([
                (keys::POLL_PARTITION.to_owned(), string(&poll_partition)),
                (keys::VOTER.to_owned(), string(voter)),
            ])
        };
        let query = QueryInput::builder()
            .table_name(&self.table)
            .key_condition_expression("#partition = :partition")
            .expression_attribute_names("#partition", keys::POLL_PARTITION)
            .expression_attribute_values(":partition", string(&poll_partition))
            .set_exclusive_start_key(after.map(key))
            .consistent_read(true);
        let page = self.db.query(query).await.map_err(|error| store_error("read votes", error))?;
        let last = page.last_evaluated_key().filter(|last| !last.is_empty());
        let next = last.map(|last| Attributes(last).string(keys::VOTER).map(str::to_owned)).transpose()?;
        Ok(VotePage { votes: page.items().iter().map(|item| read_stored(poll, partition, item)).collect(), next })
    }

    /// Reads a voter's vote, strongly consistent.
    pub async fn vote(&self, poll: &Rules, voter: &VoterKey) -> Result<Option<Vote>, StoreError> {
        let get = GetItemInput::builder()
            .table_name(&self.table)
            .key(keys::POLL_PARTITION, string(partition_of(poll, voter)))
            .key(keys::VOTER, string(voter.to_string()))
            .consistent_read(true);
        let answer = self.db.get_item(get).await.map_err(|error| store_error("read vote", error))?;
        answer.item().map(read_vote).transpose()
    }
}

/// The key of the partition that holds a voter's vote.
fn partition_of(poll: &Rules, voter: &VoterKey) -> String {
    keys::poll_partition(&poll.settings.poll_id, poll.partitions.of(voter))
}

fn vote_item(poll: &Rules, voter: &VoterKey, vote: &Vote) -> Item {
    let choices = vote.ballot.map(|Ballot::Choices(choices)| AttributeValue::L(choices.iter().map(number).collect()));
    let attributes = [
        (keys::POLL_PARTITION, Some(string(partition_of(poll, voter)))),
        (keys::VOTER, Some(string(voter.to_string()))),
        ("choices", choices),
        ("revision", Some(number(vote.revision))),
        ("cast_at", Some(time(vote.cast_at))),
        ("lane", Some(number(vote.lane))),
        ("nonce", Some(number(vote.nonce))),
    ];
    attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn read_stored(poll: &Rules, partition: Partition, item: &Item) -> StoredVote {
    let name = Attributes(item).string(keys::VOTER).unwrap_or_default();
    let voter = VoterKey::parse(name).filter(|voter| poll.partitions.of(voter) == partition);
    let vote = read_vote(item).ok().filter(|vote| vote.lane < LANES_MAX && vote.revision > 0);
    voter.zip(vote).ok_or_else(|| name.to_owned())
}

fn read_vote(item: &Item) -> Result<Vote, StoreError> {
    let attributes = Attributes(item);
    let unreadable = || StoreError::Broken("read item: attribute choices is not what it should be".to_owned());
    let ballot = attributes.optional_list("choices")?.map(|list| {
        let ids = list.iter().map(|id| id.as_n().ok()?.parse().ok()).collect::<Option<Vec<u64>>>();
        Ballot::of_options(&ids?)
    });
    Ok(Vote {
        ballot: ballot.map(|ballot| ballot.ok_or_else(unreadable)).transpose()?,
        revision: attributes.number("revision")?,
        cast_at: attributes.time("cast_at")?,
        lane: attributes.number("lane")?,
        // Absent in seeded items that no cast wrote.
        nonce: attributes.optional_number("nonce")?.unwrap_or(0),
    })
}
