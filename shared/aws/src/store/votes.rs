//! The Votes table: one item per voter and poll.

use std::str::FromStr;

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
    ballot::{Ballot, Field, Fields, SEE_BALLOT},
    ids::VoterKey,
    keys,
    lane::{LANES_MAX, Partition},
    poll::Rules,
    vote::Vote,
};

use super::{
    DynamoDb, StoreError,
    item::{Attributes, Item, number, string, time, unreadable},
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

    /// Reads all votes of a partition, page by page, strongly consistent.
    pub async fn each_page(
        &self,
        poll: &Rules,
        partition: Partition,
        mut read: impl FnMut(&[StoredVote]),
    ) -> Result<(), StoreError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.page(poll, partition, after.as_deref()).await?;
            read(&page.votes);
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
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
    let (choices, ballot) = ballot_attributes(vote.ballot.as_ref());
    let attributes = [
        (keys::POLL_PARTITION, Some(string(partition_of(poll, voter)))),
        (keys::VOTER, Some(string(voter.to_string()))),
        (CHOICES, choices),
        (BALLOT, ballot),
        ("revision", Some(number(vote.revision))),
        ("cast_at", Some(time(vote.cast_at))),
        ("lane", Some(number(vote.lane))),
        ("nonce", Some(number(vote.nonce))),
    ];
    attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The attribute with the option ids of choices, or the word that says where a full ballot is. Absent in a retracted vote.
const CHOICES: &str = "choices";
/// The attribute with a full ballot.
const BALLOT: &str = "ballot";

/// The attributes `choices` and `ballot`.
fn ballot_attributes(ballot: Option<&Ballot>) -> (Option<AttributeValue>, Option<AttributeValue>) {
    match ballot {
        None => (None, None),
        Some(Ballot::Choices(choices)) => (Some(AttributeValue::L(choices.iter().map(number).collect())), None),
        Some(Ballot::Full(full)) => {
            let fields = full.fields().into_iter().map(|(name, field)| (name.into_owned(), field_attribute(&field)));
            (Some(string(SEE_BALLOT)), Some(AttributeValue::M(fields.collect())))
        }
    }
}

fn field_attribute(field: &Field<'_>) -> AttributeValue {
    match field {
        Field::Number(value) => number(value),
        Field::Text(text) => string(text.as_ref()),
        Field::Numbers(numbers) => AttributeValue::L(numbers.iter().map(number).collect()),
    }
}

fn read_ballot(item: &Item) -> Result<Option<Ballot>, StoreError> {
    let ballot = match item.get(CHOICES) {
        None => return Ok(None),
        Some(AttributeValue::L(ids)) => read_numbers(ids).and_then(|ids| Ballot::of_options(&ids)),
        Some(AttributeValue::S(see)) if see == SEE_BALLOT => {
            let fields = item.get(BALLOT).and_then(|ballot| ballot.as_m().ok()).and_then(read_fields);
            fields.and_then(Ballot::read)
        }
        Some(_) => None,
    };
    ballot.map(Some).ok_or_else(|| unreadable(CHOICES))
}

fn read_fields(ballot: &Item) -> Option<Fields<'_>> {
    ballot.iter().map(|(name, attribute)| Some((name.as_str().into(), read_field(attribute)?))).collect()
}

fn read_field(attribute: &AttributeValue) -> Option<Field<'_>> {
    match attribute {
        AttributeValue::N(digits) => digits.parse().ok().map(Field::Number),
        AttributeValue::S(text) => Some(Field::Text(text.into())),
        AttributeValue::L(list) => read_numbers(list).map(Field::Numbers),
        _ => None,
    }
}

fn read_numbers<T: FromStr>(list: &[AttributeValue]) -> Option<Vec<T>> {
    list.iter().map(|number| number.as_n().ok()?.parse().ok()).collect()
}

fn read_stored(poll: &Rules, partition: Partition, item: &Item) -> StoredVote {
    let name = Attributes(item).string(keys::VOTER).unwrap_or_default();
    let voter = VoterKey::parse(name).filter(|voter| poll.partitions.of(voter) == partition);
    let vote = read_vote(item).ok().filter(|vote| vote.lane < LANES_MAX && vote.revision > 0);
    voter.zip(vote).ok_or_else(|| name.to_owned())
}

fn read_vote(item: &Item) -> Result<Vote, StoreError> {
    let attributes = Attributes(item);
    Ok(Vote {
        ballot: read_ballot(item)?,
        revision: attributes.number("revision")?,
        cast_at: attributes.time("cast_at")?,
        lane: attributes.number("lane")?,
        // Absent in seeded items that no cast wrote.
        nonce: attributes.optional_number("nonce")?.unwrap_or(0),
    })
}
