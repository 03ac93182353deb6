//! The Polls table: two items per poll, RULES and OPTIONS, and where there are any, the answers that it hides.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::{
        get_item::GetItemInput,
        query::QueryInput,
        transact_write_items::{
            TransactWriteItemsError, TransactWriteItemsInput, TransactWriteItemsOutput,
            builders::TransactWriteItemsInputBuilder,
        },
        update_item::{UpdateItemError, UpdateItemInput},
    },
    types::{
        AttributeValue, KeysAndAttributes, Put, Select, TransactWriteItem, Update,
        builders::{PutBuilder, UpdateBuilder},
    },
};
use aws_types::SdkConfig;
use landslide_domain::{
    ballot::Answer,
    due::Slot,
    ids::PollId,
    keys,
    lane::{LANE_PROPAGATION_MS, LANES_MAX, Partitions},
    member::Stamp,
    method::{LotSeed, LotSeedHash},
    poll::hidden::{HiddenAnswers, Hiding},
    poll::{FinalEvent, Finality, OwnerOrder, Poll, PollSpec, RESULTS_FINAL, Rules, Settings},
    series::SlotWidth,
    tenant::TenantKey,
    time::Timestamp,
    usage::Month,
};

use super::{
    DynamoDb, Outcome, StoreError,
    batch::read_batch,
    change::Change,
    item::{Attributes, Item, attribute, binary, number, string, time, unreadable},
    store_error,
};
use crate::{
    clock::Clock,
    config::{self, ConfigError},
};

/// The outcome of creating a poll.
#[derive(Debug, PartialEq, Eq)]
pub enum Created {
    /// The poll was created.
    New,
    /// A poll with this id already exists. Nothing was written.
    Exists,
    /// The condition of one of the other writes does not hold. Nothing was written.
    Refused,
    /// Another transaction holds one of the items. Nothing was written.
    Busy,
}

/// The outcome of changing a poll.
#[derive(Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The change is stored.
    Done,
    /// The poll's revision is not the one before the new one, or a transaction holds the poll. Nothing was written.
    Overtaken,
}

/// One page of a tenant's polls, newest first.
#[derive(Debug)]
pub struct Page {
    /// The polls as they are now, without options and secrets. One that has just gone to another tenant is left out.
    pub polls: Vec<Settings>,
    /// Behind which poll the next page begins. If `None`, there are no older polls.
    pub next_after: Option<OwnerOrder>,
}

/// The most ids in a page of all polls.
const IDS_MAX: i32 = 1_000;

/// The ids of some polls, and where the next ones begin. If `None`, these are the last.
#[derive(Debug)]
pub struct IdPage {
    /// The ids.
    pub ids: Vec<PollId>,
    /// The place of the next page.
    pub next: Option<Item>,
}

/// The outcome of reading a poll's two items. The read is not isolated from a transaction.
pub(super) enum Read<T> {
    /// Both items belong together, or there is none.
    Whole(T),
    /// One item is from before a change, and one from after it.
    Torn,
}

/// How often a poll's items are read until they belong together. A transaction usually lands within milliseconds. One
/// that stalls delays readers by 2.2 s on average, 4.5 s at most.
const READS_MAX: u32 = 12;
/// The pause before the n-th further read is drawn at random below this times 2ⁿ, up to n = `READ_PAUSE_DOUBLINGS`.
const READ_PAUSE_MS: u64 = 10;
const READ_PAUSE_DOUBLINGS: u32 = 6;

/// Reads a poll's items until they belong together.
pub(super) async fn read_whole<T, R>(clock: &impl Clock, read: impl Fn() -> R) -> Result<T, StoreError>
where
    R: Future<Output = Result<Read<T>, StoreError>>,
{
    for further in 0..READS_MAX {
        if further > 0 {
            clock.back_off(READ_PAUSE_MS, further.min(READ_PAUSE_DOUBLINGS)).await;
        }
        if let Read::Whole(found) = read().await? {
            return Ok(found);
        }
    }
    Err(StoreError::Unavailable("read poll: a change of it does not end".to_owned()))
}

/// The attribute with the poll's revision; in OPTIONS, that of the labels.
const REVISION: &str = "revision";
/// The attribute with the time when the poll was created.
const CREATED_AT: &str = "created_at";
/// The attribute with the labels' revision.
const OPTIONS_REVISION: &str = "options_revision";
/// The attribute with the number of logical partitions. If absent, 512.
const PARTITIONS: &str = "partitions";
/// The attribute with the time from which on the poll is paused. Absent unless it is, or will be.
const PAUSED_FROM: &str = "paused_from";
/// The attribute with the tenant that the poll is offered to, if it is.
const OFFERED_TO: &str = "offered_to";
/// The attribute with the width of the slots of a poll's series. Absent where there is none.
const SLOT_WIDTH: &str = "slot_width";
/// The attribute that says which hidden answers stand. Absent in polls that never hid any.
const HIDING: &str = "hiding";
/// The attribute with the answers in HIDDEN.
const ANSWERS: &str = "answers";
/// The attribute with the seed of a ranked poll's lot.
const LOT_SEED: &str = "lot_seed";
/// The attribute with that seed's SHA-256, for those who may not read the seed.
const LOT_SEED_SHA256: &str = "lot_seed_sha256";
/// The attribute with the poll that this one was copied from, if it was.
const COPIED_FROM: &str = "copied_from";
/// The attribute with the number of lanes.
pub(super) const LANES: &str = "lanes";
/// The attribute with the time when the lanes were last doubled, if ever.
const LANES_DOUBLED_AT: &str = "lanes_doubled_at";
/// The attribute that says who wrote this revision, and how. Absent in polls from before there were stamps.
const STAMP: &str = "stamp";
/// The attribute that says that the counts are final. An edit never writes it: it may not have seen it yet.
const FINALITY: &str = "final";
/// The attribute with the time when the poll closes, or the last there is if it never does.
const CLOSING: &str = "closing";
/// The index by what is due.
const BY_DUE: &str = "by-due";
/// The index by tenant and closing.
const BY_CLOSING: &str = "by-closing";
/// The most pages of it that are counted. A page has a megabyte, which is a thousand polls at least.
const OPEN_PAGES_MAX: usize = 200;
/// The attribute with the poll's place among its tenant's.
const OWNER_ORDER: &str = "owner_order";
/// The index by tenant and creation.
const BY_OWNER: &str = "by-owner";

/// The Polls table.
pub struct PollStore<D = Client> {
    db: D,
    table: String,
}

impl PollStore {
    /// The table in the environment's variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("POLLS_TABLE")?))
    }

    /// A table by name.
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self::over(Client::new(aws), table)
    }

    /// Reads at most `limit` polls of a tenant, up to 100, older than `after`. Which polls there are comes from the index,
    /// which is eventually consistent; the polls themselves are as they are now.
    pub async fn page(&self, tenant: &TenantKey, after: Option<&OwnerOrder>, limit: usize) -> Result<Page, StoreError> {
        let mut places = self.places(tenant, after, limit).await?;
        let has_more = places.len() > limit;
        places.truncate(limit);
        let next_after = places.last().filter(|_| has_more).cloned();
        Ok(Page { polls: self.polls_at(tenant, &places).await?, next_after })
    }

    /// The places of a tenant's polls, and one more than `limit` if there is another page.
    async fn places(
        &self,
        tenant: &TenantKey,
        after: Option<&OwnerOrder>,
        limit: usize,
    ) -> Result<Vec<OwnerOrder>, StoreError> {
        let start = after.map(|after| {
            Item::from([
                (keys::OWNER.to_owned(), string(tenant.as_str())),
                (OWNER_ORDER.to_owned(), string(keys::owner_order(after.created_at, &after.poll_id))),
                (keys::POLL_ID.to_owned(), string(after.poll_id.as_str())),
                (keys::ITEM.to_owned(), string(keys::RULES)),
            ])
        });
        let answer = self
            .db
            .query()
            .table_name(&self.table)
            .index_name(BY_OWNER)
            .key_condition_expression("#owner = :owner")
            .projection_expression("#poll_id, #created_at")
            .expression_attribute_names("#owner", keys::OWNER)
            .expression_attribute_names("#poll_id", keys::POLL_ID)
            .expression_attribute_names("#created_at", CREATED_AT)
            .expression_attribute_values(":owner", string(tenant.as_str()))
            .scan_index_forward(false)
            .set_exclusive_start_key(start)
            // One more than requested shows whether there is another page, so that no page is empty.
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| store_error("list polls", error))?;
        answer.items().iter().map(read_place).collect()
    }

    /// The tenant's polls at these places, in their order.
    async fn polls_at(&self, tenant: &TenantKey, places: &[OwnerOrder]) -> Result<Vec<Settings>, StoreError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = [keys::POLL_ID, keys::OWNER].into_iter().chain(settings_names()).collect();
        let alias = |number: usize| format!("#a{number}");
        let aliases: Vec<String> = (0..names.len()).map(alias).collect();
        let wanted = KeysAndAttributes::builder()
            .consistent_read(true)
            .set_keys(Some(places.iter().map(|place| rules_key(&place.poll_id)).collect()))
            .projection_expression(aliases.join(", "))
            .set_expression_attribute_names(Some(
                aliases.into_iter().zip(names.into_iter().map(str::to_owned)).collect(),
            ));
        let mut found = read_batch(&self.db, "list polls", [(self.table.clone(), wanted)]).await?;
        let mut by_id = HashMap::new();
        for item in found.remove(&self.table).unwrap_or_default() {
            if Attributes(&item).string(keys::OWNER)? == tenant.as_str() {
                let settings = read_settings(&item)?;
                by_id.insert(settings.poll_id.clone(), settings);
            }
        }
        Ok(places.iter().filter_map(|place| by_id.remove(&place.poll_id)).collect())
    }

    /// All tenants that have polls. Reads the whole index.
    pub async fn tenants(&self) -> Result<BTreeSet<TenantKey>, StoreError> {
        let (mut tenants, mut start) = (BTreeSet::new(), None);
        loop {
            let scan = self.db.scan().table_name(&self.table).index_name(BY_OWNER).projection_expression("#owner");
            let scan = scan.expression_attribute_names("#owner", keys::OWNER).set_exclusive_start_key(start);
            let page = scan.send().await.map_err(|error| store_error("list polls", error))?;
            for item in page.items() {
                tenants.insert(TenantKey::stored(Attributes(item).string(keys::OWNER)?));
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(tenants);
            }
        }
    }
}

impl PollStore {
    /// Reads a page of the ids of all polls, in no order. Eventually consistent, as the index is.
    pub async fn ids(&self, after: Option<Item>) -> Result<IdPage, StoreError> {
        let scan = self
            .db
            .scan()
            .table_name(&self.table)
            .index_name(BY_OWNER)
            .projection_expression("#poll_id")
            .expression_attribute_names("#poll_id", keys::POLL_ID)
            .limit(IDS_MAX)
            .set_exclusive_start_key(after);
        let page = Box::pin(scan.send()).await.map_err(|error| store_error("list all polls", error))?;
        let ids = page.items().iter().map(read_id).collect::<Result<_, _>>()?;
        Ok(IdPage { ids, next: page.last_evaluated_key.filter(|last| !last.is_empty()) })
    }
}

impl<D: DynamoDb> PollStore<D> {
    /// A table by name, in any database.
    pub fn over(db: D, table: String) -> Self {
        Self { db, table }
    }

    /// Reads a poll's rules, strongly consistent.
    pub async fn rules(&self, poll: &PollId) -> Result<Option<Rules>, StoreError> {
        let get = GetItemInput::builder().table_name(&self.table).set_key(Some(rules_key(poll))).consistent_read(true);
        let answer = self.db.get_item(get).await.map_err(|error| store_error("read poll's rules", error))?;
        answer.item().map(read_rules).transpose()
    }

    /// Reads a whole poll by a strongly consistent query for both items. Reads again if a change landed between them.
    pub async fn poll(&self, poll: &PollId, clock: &impl Clock) -> Result<Option<Poll>, StoreError> {
        read_whole(clock, || self.poll_items(poll)).await
    }

    async fn poll_items(&self, poll: &PollId) -> Result<Read<Option<Poll>>, StoreError> {
        let query = QueryInput::builder()
            .table_name(&self.table)
            .key_condition_expression("#poll_id = :poll_id AND #item BETWEEN :options AND :rules")
            .expression_attribute_names("#poll_id", keys::POLL_ID)
            .expression_attribute_names("#item", keys::ITEM)
            .expression_attribute_values(":poll_id", string(poll.as_str()))
            .expression_attribute_values(":options", string(keys::OPTIONS))
            .expression_attribute_values(":rules", string(keys::RULES))
            .consistent_read(true);
        let answer = self.db.query(query).await.map_err(|error| store_error("read poll", error))?;
        read_poll(answer.items())
    }

    /// Reads a poll's rules and the answers that it hides, strongly consistent. Reads again if a change landed between them.
    pub async fn hidden_answers(
        &self,
        poll: &PollId,
        clock: &impl Clock,
    ) -> Result<Option<(Rules, HiddenAnswers)>, StoreError> {
        read_whole(clock, || self.rules_and_hidden(poll)).await
    }

    async fn rules_and_hidden(&self, poll: &PollId) -> Result<Read<Option<(Rules, HiddenAnswers)>>, StoreError> {
        let query = QueryInput::builder()
            .table_name(&self.table)
            .key_condition_expression("#poll_id = :poll_id")
            .expression_attribute_names("#poll_id", keys::POLL_ID)
            .expression_attribute_values(":poll_id", string(poll.as_str()))
            .consistent_read(true);
        let answer = self.db.query(query).await.map_err(|error| store_error("read hidden answers", error))?;
        let Some(rules) = item_of_kind(answer.items(), keys::RULES) else { return Ok(Read::Whole(None)) };
        let (rules, hidden) = (read_rules(rules)?, read_hidden(answer.items())?);
        let is_torn = hidden.revision != rules.hidden_revision();
        Ok(if is_torn { Read::Torn } else { Read::Whole(Some((rules, hidden))) })
    }

    /// Replaces a poll's previous revision, in one attempt: a change holds only for a while, so it must not be retried
    /// blindly. Writes RULES conditionally, or both items in a transaction if the labels changed too. Attributes that this
    /// code does not know stay: after a rollback, a poll may have some of a later release.
    pub async fn replace(&self, poll: &Poll) -> Result<Replaced, StoreError> {
        if poll.rules.options_revision == poll.rules.settings.revision {
            return self.replace_both(poll).await;
        }
        let change = rules_change(&poll.rules);
        let update = UpdateItemInput::builder()
            .table_name(&self.table)
            .set_key(Some(rules_key(&poll.rules.settings.poll_id)))
            .update_expression(change.expression)
            .condition_expression(OVER_THE_REVISION_BEFORE)
            .set_expression_attribute_names(Some(change.names))
            .set_expression_attribute_values(Some(change.values));
        match self.db.update_item_once(update).await {
            Ok(_) => Ok(Replaced::Done),
            Err(error) if is_overtaken(&error) => Ok(Replaced::Overtaken),
            Err(error) => Err(store_error("change poll", error)),
        }
    }

    async fn replace_both(&self, poll: &Poll) -> Result<Replaced, StoreError> {
        let options = item_key(&poll.rules.settings.poll_id, keys::OPTIONS);
        self.replace_with(&poll.rules, options, Change::of(options_attributes(poll))).await
    }

    /// Replaces a poll's previous revision by one that hides these answers, both items in a transaction, as `replace` does.
    pub async fn replace_hidden(&self, poll: &Poll, answers: &[Answer]) -> Result<Replaced, StoreError> {
        let hidden = item_key(&poll.rules.settings.poll_id, keys::HIDDEN);
        let revision = poll.rules.settings.revision;
        self.replace_with(&poll.rules, hidden, Change::of(hidden_attributes(revision, answers))).await
    }

    /// Writes RULES conditionally, and with it a change of another of the poll's items.
    async fn replace_with(&self, rules: &Rules, other: Item, change: Change) -> Result<Replaced, StoreError> {
        let update = self.update(rules_key(&rules.settings.poll_id), rules_change(rules));
        let both = TransactWriteItemsInput::builder()
            .transact_items(transact_update(update.condition_expression(OVER_THE_REVISION_BEFORE))?)
            .transact_items(transact_update(self.update(other, change))?);
        let outcome = self.db.transact_once(both).await;
        Ok(if written("change poll", outcome)? { Replaced::Done } else { Replaced::Overtaken })
    }

    fn update(&self, key: Item, change: Change) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression(change.expression)
            .set_expression_attribute_names(Some(change.names))
            .set_expression_attribute_values(Some(change.values))
    }

    /// Creates a poll's two items in one transaction with other writes, unless the id is taken.
    pub async fn create(&self, poll: &Poll, others: &[TransactWriteItem]) -> Result<Created, StoreError> {
        let all = TransactWriteItemsInput::builder()
            .transact_items(transact(self.put_new(rules_item(&poll.rules)))?)
            .transact_items(transact(self.put_new(options_item(poll)))?);
        let all = others.iter().cloned().fold(all, TransactWriteItemsInputBuilder::transact_items);
        created(self.db.transact(all).await)
    }

    /// Reads a page of the ids of a tenant's polls that were created in a month, oldest first. Eventually consistent, as
    /// the index is.
    pub async fn created_in(
        &self,
        tenant: &TenantKey,
        month: Month,
        after: Option<Item>,
    ) -> Result<IdPage, StoreError> {
        let query = QueryInput::builder()
            .table_name(&self.table)
            .index_name(BY_OWNER)
            .key_condition_expression("#owner = :owner AND #order BETWEEN :begins AND :ends")
            .projection_expression("#poll_id")
            .expression_attribute_names("#owner", keys::OWNER)
            .expression_attribute_names("#order", OWNER_ORDER)
            .expression_attribute_names("#poll_id", keys::POLL_ID)
            .expression_attribute_values(":owner", string(tenant.as_str()))
            .expression_attribute_values(":begins", string(keys::owner_order_from(month.begins())))
            .expression_attribute_values(":ends", string(keys::owner_order_from(month.ends())))
            .set_exclusive_start_key(after);
        let page = self.db.query(query).await.map_err(|error| store_error("list a month's polls", error))?;
        let ids = page.items().iter().map(read_id).collect::<Result<_, _>>()?;
        Ok(IdPage { ids, next: page.last_evaluated_key.filter(|last| !last.is_empty()) })
    }

    /// Counts a tenant's polls that close after `now`, or never; no further than `max`. Eventually consistent, as the
    /// index is, which has no polls from before there was one.
    pub async fn count_open(&self, tenant: &TenantKey, max: u32, now: Timestamp) -> Result<u32, StoreError> {
        let (mut open, mut after) = (0, None);
        for _ in 0..OPEN_PAGES_MAX {
            let query = QueryInput::builder()
                .table_name(&self.table)
                .index_name(BY_CLOSING)
                .key_condition_expression("#owner = :owner AND #closing > :now")
                .expression_attribute_names("#owner", keys::OWNER)
                .expression_attribute_names("#closing", CLOSING)
                .expression_attribute_values(":owner", string(tenant.as_str()))
                .expression_attribute_values(":now", time(now))
                .select(Select::Count)
                .limit(i32::try_from(max.saturating_sub(open).max(1)).unwrap_or(i32::MAX))
                .set_exclusive_start_key(after);
            let page = self.db.query(query).await.map_err(|error| store_error("count open polls", error))?;
            open += u32::try_from(page.count()).unwrap_or_default();
            after = page.last_evaluated_key.filter(|last| !last.is_empty());
            if after.is_none() || open >= max {
                return Ok(open);
            }
        }
        Err(StoreError::Broken(format!("count open polls: there are more than {OPEN_PAGES_MAX} pages")))
    }

    /// Reads a page of the ids of polls in which something is due in a slot. Eventually consistent, as the index is.
    pub async fn due(&self, slot: Slot, after: Option<Item>) -> Result<IdPage, StoreError> {
        let query = QueryInput::builder()
            .table_name(&self.table)
            .index_name(BY_DUE)
            .key_condition_expression("#due = :due")
            .expression_attribute_names("#due", keys::DUE)
            .expression_attribute_values(":due", string(keys::due(slot)))
            .set_exclusive_start_key(after);
        let page = self.db.query(query).await.map_err(|error| store_error("list what is due", error))?;
        let ids = page.items().iter().map(read_id).collect::<Result<_, _>>()?;
        Ok(IdPage { ids, next: page.last_evaluated_key.filter(|last| !last.is_empty()) })
    }

    /// Records that a poll's counts are final, together with the event that says so, unless that is recorded already or the
    /// poll was changed meanwhile. The revision stays, as no setting has changed. Whether it was recorded.
    pub async fn finalise(&self, rules: &Rules, finality: &Finality, jobs_table: &str) -> Result<bool, StoreError> {
        let poll_id = &rules.settings.poll_id;
        let json = |what: Result<String, serde_json::Error>| {
            what.map_err(|error| StoreError::Broken(format!("write final counts: {error}")))
        };
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(rules_key(poll_id)))
            .update_expression("SET #final = :final REMOVE #due")
            .condition_expression("attribute_not_exists(#final) AND #revision = :revision")
            .expression_attribute_names("#final", FINALITY)
            .expression_attribute_names("#due", keys::DUE)
            .expression_attribute_names("#revision", REVISION)
            .expression_attribute_values(":final", string(json(serde_json::to_string(finality))?))
            .expression_attribute_values(":revision", number(rules.settings.revision));
        let Finality { at, ballots, .. } = *finality;
        let event = FinalEvent { event: RESULTS_FINAL, poll_id, at, ballots };
        let event = Put::builder()
            .table_name(jobs_table)
            .item(keys::JOB, string(keys::event(RESULTS_FINAL, poll_id)))
            .item(keys::ITEM, string("EVENT"))
            .item("event", string(json(serde_json::to_string(&event))?));
        let both = TransactWriteItemsInput::builder()
            .transact_items(transact_update(update)?)
            .transact_items(transact(event)?);
        let outcome = self.db.transact(both).await;
        written("write final counts", outcome)
    }

    fn put_new(&self, item: Item) -> PutBuilder {
        Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#poll_id)")
            .expression_attribute_names("#poll_id", keys::POLL_ID)
    }

    /// Doubles a poll's lanes, up to `LANES_MAX`, because one got too many votes from `hot_since` on. Returns whether
    /// it did: not if an earlier doubling had not taken effect everywhere by then, nor if there is no such poll. The
    /// revision stays, as nobody is shown the lane count.
    pub async fn double_lanes(&self, poll: &PollId, hot_since: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        let propagated = hot_since.as_millis().saturating_sub(LANE_PROPAGATION_MS);
        let update = UpdateItemInput::builder()
            .table_name(&self.table)
            .key(keys::POLL_ID, string(poll.as_str()))
            .key(keys::ITEM, string(keys::RULES))
            .update_expression("SET #lanes = #lanes + #lanes, #doubled_at = :now")
            .condition_expression("#lanes < :most AND (attribute_not_exists(#doubled_at) OR #doubled_at < :propagated)")
            .expression_attribute_names("#lanes", LANES)
            .expression_attribute_names("#doubled_at", LANES_DOUBLED_AT)
            .expression_attribute_values(":most", number(LANES_MAX))
            .expression_attribute_values(":propagated", number(propagated))
            .expression_attribute_values(":now", time(now));
        match self.db.update_item(update).await {
            Ok(_) => Ok(true),
            Err(error) if is_refused(&error) => Ok(false),
            Err(error) => Err(store_error("double a poll's lanes", error)),
        }
    }

    /// Sends one read, so that connection and keys are there before the first request.
    pub async fn prime(&self) {
        if let Some(nobody) = PollId::parse("prime")
            && let Err(error) = self.poll_items(&nobody).await
        {
            tracing::warn!(%error, "the connection to the Polls table was not opened ahead: {error}");
        }
    }
}

/// Lanes may have doubled meanwhile, under the same revision. They never become fewer.
const OVER_THE_REVISION_BEFORE: &str = "#revision = :before AND #lanes <= :lanes";

/// A change of RULES, with the names and values of that condition.
fn rules_change(rules: &Rules) -> Change {
    let before = rules.settings.revision.saturating_sub(1);
    Change::of(rules_attributes(rules)).with_value(":before", number(before))
}

fn is_overtaken<R>(error: &SdkError<UpdateItemError, R>) -> bool {
    is_refused(error) || error.as_service_error().is_some_and(UpdateItemError::is_transaction_conflict_exception)
}

fn is_refused<R>(error: &SdkError<UpdateItemError, R>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}

fn transact(put: PutBuilder) -> Result<TransactWriteItem, StoreError> {
    let put = put.build().map_err(|error| StoreError::Broken(format!("write poll: {error}")))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

fn transact_update(update: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
    let update = update.build().map_err(|error| StoreError::Broken(format!("write poll: {error}")))?;
    Ok(TransactWriteItem::builder().update(update).build())
}

const CONDITION: &str = "ConditionalCheckFailed";
const CONFLICT: &str = "TransactionConflict";

/// Why a transaction was not written, item by item. Fails if that is not known, or no matter of other writers.
fn reasons(
    doing: &str,
    outcome: Outcome<TransactWriteItemsOutput, TransactWriteItemsError>,
) -> Result<Vec<String>, StoreError> {
    let Err(error) = outcome else { return Ok(Vec::new()) };
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return Err(store_error(doing, error));
    };
    let codes = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or_default().to_owned());
    let codes: Vec<String> = codes.collect();
    let has = |code: &str| codes.iter().any(|known| known == code);
    if has(CONDITION) || has(CONFLICT) {
        Ok(codes)
    } else if has("ValidationError") {
        Err(store_error(doing, error))
    } else {
        Err(StoreError::Unavailable(format!("{doing}: {}", super::describe(&error))))
    }
}

/// Whether a transaction was written. False if another came first: a condition failed, or the other is still in
/// progress.
fn written(
    doing: &str,
    outcome: Outcome<TransactWriteItemsOutput, TransactWriteItemsError>,
) -> Result<bool, StoreError> {
    Ok(reasons(doing, outcome)?.is_empty())
}

/// What became of a new poll, whose items come before the other writes.
fn created(outcome: Outcome<TransactWriteItemsOutput, TransactWriteItemsError>) -> Result<Created, StoreError> {
    let reasons = reasons("create poll", outcome)?;
    Ok(match reasons.iter().position(|code| code == CONDITION) {
        Some(0 | 1) => Created::Exists,
        _ if reasons.iter().any(|code| code == CONFLICT) => Created::Busy,
        Some(_) => Created::Refused,
        None => Created::New,
    })
}

fn rules_key(poll: &PollId) -> Item {
    item_key(poll, keys::RULES)
}

fn item_key(poll: &PollId, item: &str) -> Item {
    Item::from([(keys::POLL_ID.to_owned(), string(poll.as_str())), (keys::ITEM.to_owned(), string(item))])
}

/// An item of this key and these attributes.
fn item_of(key: Item, attributes: impl IntoIterator<Item = (&'static str, Option<AttributeValue>)>) -> Item {
    let present = attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    key.into_iter().chain(present).collect()
}

fn rules_item(rules: &Rules) -> Item {
    item_of(rules_key(&rules.settings.poll_id), rules_attributes(rules))
}

fn options_item(poll: &Poll) -> Item {
    item_of(item_key(&poll.rules.settings.poll_id, keys::OPTIONS), options_attributes(poll))
}

/// All that this code knows of RULES, but its key. If `None`, the poll has no such attribute.
fn rules_attributes(rules: &Rules) -> impl Iterator<Item = (&'static str, Option<AttributeValue>)> {
    let settings = &rules.settings;
    let is_default = rules.partitions == Partitions::default();
    let stamp = rules.stamp.as_ref().and_then(|stamp| serde_json::to_string(stamp).ok());
    let hiding = rules.hiding.as_ref().and_then(|hiding| serde_json::to_string(hiding).ok());
    let attributes = [
        (keys::OWNER, Some(string(rules.tenant.as_str()))),
        (OWNER_ORDER, Some(string(keys::owner_order(settings.created_at, &settings.poll_id)))),
        ("options", Some(number(rules.options))),
        (OPTIONS_REVISION, Some(number(rules.options_revision))),
        (LANES, Some(number(rules.lanes))),
        ("salt", Some(binary(rules.salt))),
        (LOT_SEED, rules.lot_seed.as_ref().map(|seed| binary(seed.bytes()))),
        (LOT_SEED_SHA256, settings.lot_seed_sha256.map(|hash| binary(hash.bytes()))),
        (REVISION, Some(number(settings.revision))),
        (CREATED_AT, Some(time(settings.created_at))),
        (CLOSING, Some(time(settings.spec.closes_at.unwrap_or(Timestamp::LATEST)))),
        (keys::DUE, rules.due_slot().map(|slot| string(keys::due(slot)))),
        ("request_hash", Some(binary(rules.request_hash))),
        (PAUSED_FROM, settings.paused_from.map(time)),
        (SLOT_WIDTH, settings.slot_width.map(|width| string(width.name()))),
        (OFFERED_TO, settings.offered_to.as_ref().map(|tenant| string(tenant.as_str()))),
        (HIDING, hiding.map(string)),
        (COPIED_FROM, rules.copied_from.as_ref().map(|source| string(source.as_str()))),
        (STAMP, stamp.map(string)),
        (LANES_DOUBLED_AT, rules.lanes_doubled_at.map(time)),
        (PARTITIONS, (!is_default).then(|| number(rules.partitions.number()))),
    ];
    attributes.into_iter().chain(settings.spec.stored().map(|(name, stored)| (name, stored.map(attribute))))
}

/// All that this code knows of OPTIONS, but its key.
fn options_attributes(poll: &Poll) -> [(&'static str, Option<AttributeValue>); 2] {
    let labels = poll.options.iter().map(string).collect();
    [("labels", Some(AttributeValue::L(labels))), (REVISION, Some(number(poll.rules.options_revision)))]
}

/// All of HIDDEN, but its key.
fn hidden_attributes(revision: u64, answers: &[Answer]) -> [(&'static str, Option<AttributeValue>); 2] {
    let answers = answers.iter().map(|answer| string(answer.as_str())).collect();
    [(ANSWERS, Some(AttributeValue::L(answers))), (REVISION, Some(number(revision)))]
}

pub(super) fn read_id(item: &Item) -> Result<PollId, StoreError> {
    parse_id(Attributes(item).string(keys::POLL_ID)?)
}

fn parse_id(id: &str) -> Result<PollId, StoreError> {
    PollId::parse(id).ok_or_else(|| StoreError::Broken(format!("read item: {id:?} is no poll's id")))
}

/// The names of the attributes that make a poll's settings, but for its id.
fn settings_names() -> impl Iterator<Item = &'static str> {
    PollSpec::NAMES.iter().copied().chain([PAUSED_FROM, OFFERED_TO, SLOT_WIDTH, LOT_SEED_SHA256, REVISION, CREATED_AT])
}

/// Parses a poll's place in its tenant's list.
fn read_place(item: &Item) -> Result<OwnerOrder, StoreError> {
    Ok(OwnerOrder { created_at: Attributes(item).time(CREATED_AT)?, poll_id: read_id(item)? })
}

/// Parses the settings of the item RULES.
fn read_settings(item: &Item) -> Result<Settings, StoreError> {
    let attributes = Attributes(item);
    Ok(Settings {
        poll_id: read_id(item)?,
        spec: PollSpec::read(|name| attributes.setting(name))?,
        paused_from: attributes.optional_time(PAUSED_FROM)?,
        offered_to: attributes.optional_string(OFFERED_TO)?.map(TenantKey::stored),
        slot_width: attributes.optional_string(SLOT_WIDTH)?.map(read_slot_width).transpose()?,
        lot_seed_sha256: attributes.optional_bytes(LOT_SEED_SHA256)?.map(LotSeedHash::from_bytes),
        revision: attributes.number(REVISION)?,
        created_at: attributes.time(CREATED_AT)?,
    })
}

fn read_slot_width(name: &str) -> Result<SlotWidth, StoreError> {
    SlotWidth::ALL.into_iter().find(|width| width.name() == name).ok_or_else(|| unreadable(SLOT_WIDTH))
}

/// Parses a poll's rules from its item RULES.
pub(super) fn read_rules(item: &Item) -> Result<Rules, StoreError> {
    let attributes = Attributes(item);
    let settings = read_settings(item)?;
    Ok(Rules {
        // Absent if both items were always written together.
        options_revision: attributes.optional_number(OPTIONS_REVISION)?.unwrap_or(settings.revision),
        settings,
        tenant: TenantKey::stored(attributes.string(keys::OWNER)?),
        stamp: read_stamp(attributes.optional_string(STAMP)?)?,
        hiding: read_hiding(attributes.optional_string(HIDING)?)?,
        copied_from: attributes.optional_string(COPIED_FROM)?.map(parse_id).transpose()?,
        finality: read_finality(attributes.optional_string(FINALITY)?)?,
        options: attributes.number("options")?,
        partitions: read_partitions(&attributes)?,
        lanes: attributes.number(LANES)?,
        lanes_doubled_at: attributes.optional_time(LANES_DOUBLED_AT)?,
        salt: attributes.bytes("salt")?,
        lot_seed: attributes.optional_bytes(LOT_SEED)?.map(LotSeed::from_bytes),
        request_hash: attributes.bytes("request_hash")?,
    })
}

fn read_stamp(text: Option<&str>) -> Result<Option<Stamp>, StoreError> {
    let stamp = text.map(serde_json::from_str).transpose();
    stamp.map_err(|error| StoreError::Broken(format!("read item: the stamp: {error}")))
}

fn read_finality(text: Option<&str>) -> Result<Option<Finality>, StoreError> {
    let finality = text.map(serde_json::from_str).transpose();
    finality.map_err(|error| StoreError::Broken(format!("read item: the record of final counts: {error}")))
}

fn read_hiding(text: Option<&str>) -> Result<Option<Hiding>, StoreError> {
    text.map(serde_json::from_str).transpose().map_err(|_| unreadable(HIDING))
}

fn read_partitions(attributes: &Attributes) -> Result<Partitions, StoreError> {
    let Some(number) = attributes.optional_number(PARTITIONS)? else { return Ok(Partitions::default()) };
    // With any other number, votes would be looked up in the wrong place.
    Partitions::from_number(number)
        .ok_or_else(|| StoreError::Broken(format!("read item: no poll has {number} partitions")))
}

/// Parses a poll from its items. `None` unless both are there.
pub(super) fn read_poll(items: &[Item]) -> Result<Read<Option<Poll>>, StoreError> {
    let (Some(rules), Some(options)) = (item_of_kind(items, keys::RULES), item_of_kind(items, keys::OPTIONS)) else {
        return Ok(Read::Whole(None));
    };
    let (rules, options) = (read_rules(rules)?, Attributes(options));
    if options.number::<u64>(REVISION)? != rules.options_revision {
        return Ok(Read::Torn);
    }
    Ok(Read::Whole(Some(Poll { rules, options: read_labels(&options)? })))
}

fn item_of_kind<'a>(items: &'a [Item], kind: &str) -> Option<&'a Item> {
    items.iter().find(|item| Attributes(item).string(keys::ITEM).ok() == Some(kind))
}

/// Parses the answers that a poll hides from its items. None were ever hidden if there is no HIDDEN.
pub(super) fn read_hidden(items: &[Item]) -> Result<HiddenAnswers, StoreError> {
    let Some(hidden) = item_of_kind(items, keys::HIDDEN) else { return Ok(HiddenAnswers::default()) };
    let attributes = Attributes(hidden);
    let answers = attributes.optional_list(ANSWERS)?.unwrap_or_default().iter();
    let answers = answers.map(|answer| answer.as_s().ok().and_then(|text| Answer::stored(text)));
    let answers = answers.collect::<Option<_>>().ok_or_else(|| unreadable(ANSWERS))?;
    Ok(HiddenAnswers { revision: attributes.number(REVISION)?, answers })
}

/// Parses the labels from a poll's item OPTIONS.
pub(super) fn read_labels(options: &Attributes) -> Result<Vec<String>, StoreError> {
    let labels = options.optional_list("labels")?.unwrap_or_default();
    Ok(labels.iter().filter_map(|label| label.as_s().ok().cloned()).collect())
}
