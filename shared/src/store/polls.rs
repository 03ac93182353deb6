//! The Polls table: an item RULES and an item OPTIONS a poll.

use aws_sdk_dynamodb::{
    Client,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, Put, TransactWriteItem},
};
use aws_types::SdkConfig;

use super::{
    StoreError,
    item::{Attributes, Item, binary, number, string, time, word},
    keys, store_error,
};
use crate::{
    config::{self, ConfigError},
    domain::poll::{Poll, PollId, Rules},
};

/// What became of a poll's creation.
#[derive(Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there now.
    New,
    /// A poll of that id was there already; nothing was written.
    Exists,
}

/// The Polls table.
pub struct PollStore {
    client: Client,
    table: String,
}

impl PollStore {
    /// The table that the environment names.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("POLLS_TABLE")?))
    }

    /// A table by name.
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// A poll's rules, by a strongly consistent read.
    pub async fn rules(&self, poll: &PollId) -> Result<Option<Rules>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(keys::POLL_ID, string(poll.as_str()))
            .key(keys::ITEM, string(keys::RULES))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("read poll's rules", error))?;
        answer.item().map(read_rules).transpose()
    }

    /// A poll whole, by one strongly consistent query of its two items.
    pub async fn poll(&self, poll: &PollId) -> Result<Option<Poll>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#poll_id = :poll_id")
            .expression_attribute_names("#poll_id", keys::POLL_ID)
            .expression_attribute_values(":poll_id", string(poll.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("read poll", error))?;
        read_poll(answer.items())
    }

    /// Writes a poll's two items in one transaction, unless there is one of that id.
    pub async fn create(&self, poll: &Poll) -> Result<Created, StoreError> {
        let outcome = self
            .client
            .transact_write_items()
            .transact_items(self.put_new(rules_item(&poll.rules))?)
            .transact_items(self.put_new(options_item(poll))?)
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(Created::New),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                    if cancelled
                        .cancellation_reasons()
                        .iter()
                        .any(|reason| reason.code() == Some("ConditionalCheckFailed")) =>
                {
                    Ok(Created::Exists)
                }
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                    if cancelled
                        .cancellation_reasons()
                        .iter()
                        .all(|reason| reason.code() != Some("ValidationError")) =>
                {
                    // A conflict with another transaction on the poll, or throttling.
                    Err(StoreError::Unavailable(format!("create poll: {}", super::describe(&error))))
                }
                _ => Err(store_error("create poll", error)),
            },
        }
    }

    fn put_new(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#poll_id)")
            .expression_attribute_names("#poll_id", keys::POLL_ID)
            .build()
            .map_err(|error| StoreError::Broken(format!("create poll: {error}")))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Sends one read, so that the connection and its keys are there before the first request.
    pub async fn prime(&self) {
        if let Some(nobody) = PollId::parse("prime")
            && let Err(error) = self.rules(&nobody).await
        {
            tracing::warn!(%error, "prime polls table");
        }
    }
}

fn rules_item(rules: &Rules) -> Item {
    let attributes = [
        (keys::POLL_ID, string(rules.poll_id.as_str())),
        (keys::ITEM, string(keys::RULES)),
        ("owner", string(&rules.owner)),
        ("owner_order", string(keys::owner_order(rules.created_at, &rules.poll_id))),
        ("question", string(&rules.question)),
        ("kind", word(rules.kind)),
        ("options", number(rules.options)),
        ("max_choices", number(rules.max_choices)),
        ("identity", word(rules.identity)),
        ("vote_change", word(rules.vote_change)),
        ("results", word(rules.results)),
        ("peak_votes_per_second", number(rules.peak_votes_per_second)),
        ("lanes", number(rules.lanes)),
        ("salt", binary(rules.salt)),
        ("revision", number(rules.revision)),
        ("created_at", time(rules.created_at)),
        ("request_hash", binary(rules.request_hash)),
    ];
    let times = [("opens_at", rules.opens_at), ("closes_at", rules.closes_at)];
    let times = times.into_iter().filter_map(|(name, at)| Some((name, time(at?))));
    attributes.into_iter().chain(times).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A poll's rules from its item RULES.
pub(super) fn read_rules(item: &Item) -> Result<Rules, StoreError> {
    let attributes = Attributes(item);
    let id = attributes.string(keys::POLL_ID)?;
    Ok(Rules {
        poll_id: PollId::parse(id).ok_or_else(|| StoreError::Broken(format!("read item: {id:?} is no poll's id")))?,
        owner: attributes.string("owner")?.to_owned(),
        question: attributes.string("question")?.to_owned(),
        kind: attributes.word("kind")?,
        options: attributes.number("options")?,
        max_choices: attributes.number("max_choices")?,
        opens_at: attributes.optional_time("opens_at")?,
        closes_at: attributes.optional_time("closes_at")?,
        identity: attributes.word("identity")?,
        vote_change: attributes.word("vote_change")?,
        results: attributes.word("results")?,
        peak_votes_per_second: attributes.number("peak_votes_per_second")?,
        lanes: attributes.number("lanes")?,
        salt: attributes.bytes("salt")?,
        revision: attributes.number("revision")?,
        created_at: attributes.time("created_at")?,
        request_hash: attributes.bytes("request_hash")?,
    })
}

fn options_item(poll: &Poll) -> Item {
    let labels = poll.options.iter().map(string).collect();
    Item::from([
        (keys::POLL_ID.to_owned(), string(poll.rules.poll_id.as_str())),
        (keys::ITEM.to_owned(), string(keys::OPTIONS)),
        ("labels".to_owned(), AttributeValue::L(labels)),
    ])
}

/// A poll from its items, `None` if they are not both there.
pub(super) fn read_poll(items: &[Item]) -> Result<Option<Poll>, StoreError> {
    let of_kind = |kind: &str| items.iter().find(|item| Attributes(item).string(keys::ITEM).ok() == Some(kind));
    let (Some(rules), Some(options)) = (of_kind(keys::RULES), of_kind(keys::OPTIONS)) else { return Ok(None) };
    let labels = Attributes(options).optional_list("labels")?.unwrap_or_default();
    let options = labels.iter().filter_map(|label| label.as_s().ok().cloned()).collect();
    Ok(Some(Poll { rules: read_rules(rules)?, options }))
}
