//! The Tenants table's rows LIMITS and DAY: a tenant's own limits, and what it has used of them day by day.

use aws_sdk_dynamodb::{
    Client,
    operation::{
        get_item::GetItemInput,
        query::QueryInput,
        update_item::{UpdateItemError, UpdateItemInput, builders::UpdateItemInputBuilder},
    },
    types::{Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};
use aws_types::SdkConfig;
use landslide_domain::{
    keys,
    limits::{DayUse, OwnLimits},
    tenant::TenantKey,
    time::{DAY_MS, Timestamp},
    usage::Month,
};

use super::{
    DynamoDb, StoreError,
    item::{Attributes, Item, number, string, time},
    store_error,
};
use crate::config::{self, ConfigError};

/// How long a day's row is kept.
const DAY_ROW_LIFE_MS: u64 = 400 * DAY_MS;

const POLLS_PER_DAY: &str = "polls_per_day";
const OPEN_POLLS: &str = "open_polls";
const REQUESTS_PER_MINUTE: &str = "requests_per_minute";
const REQUESTS: &str = "requests";
const POLLS: &str = "polls";
const MINUTE: &str = "minute";
const IN_MINUTE: &str = "in_minute";
/// The attribute with the number of the request that was counted last.
const LAST: &str = "last";

/// The outcome of counting a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Counted {
    /// It is counted; the day after it.
    Done(DayUse),
    /// The day is not as it was thought to be, but this. Nothing was counted.
    Not(DayUse),
    /// A transaction holds the row. Nothing was counted.
    Busy,
}

/// Tenants' limits, and what they have used.
pub struct LimitStore<D = Client> {
    db: D,
    table: String,
}

impl LimitStore {
    /// The table in the environment's variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("TENANTS_TABLE")?))
    }

    /// A table by name.
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self::over(Client::new(aws), table)
    }
}

impl<D: DynamoDb> LimitStore<D> {
    /// A table by name, in any database.
    pub fn over(db: D, table: String) -> Self {
        Self { db, table }
    }

    /// Reads a tenant's own limits, strongly consistent.
    pub async fn own_limits(&self, tenant: &TenantKey) -> Result<OwnLimits, StoreError> {
        let item = self.row(tenant, keys::LIMITS).await?.unwrap_or_default();
        let attributes = Attributes(&item);
        Ok(OwnLimits {
            polls_per_day: attributes.optional_number(POLLS_PER_DAY)?,
            open_polls: attributes.optional_number(OPEN_POLLS)?,
            requests_per_minute: attributes.optional_number(REQUESTS_PER_MINUTE)?,
        })
    }

    /// Whether anything of a tenant is stored here: limits, requests of the last 400 days, API keys.
    pub async fn knows(&self, tenant: &TenantKey) -> Result<bool, StoreError> {
        let query = QueryInput::builder()
            .table_name(&self.table)
            .key_condition_expression("#scope = :tenant")
            .expression_attribute_names("#scope", keys::SCOPE)
            .expression_attribute_values(":tenant", string(tenant.as_str()))
            .consistent_read(true)
            .limit(1);
        let page = self.db.query(query).await.map_err(|error| store_error("look for a tenant", error))?;
        Ok(!page.items().is_empty())
    }

    /// How many requests of a tenant were counted in a month.
    pub async fn requests_in(&self, tenant: &TenantKey, month: Month) -> Result<u64, StoreError> {
        // One page: a month has 31 rows at most.
        let query = QueryInput::builder()
            .table_name(&self.table)
            .key_condition_expression("#scope = :tenant AND begins_with(#item, :days)")
            .expression_attribute_names("#scope", keys::SCOPE)
            .expression_attribute_names("#item", keys::ITEM)
            .expression_attribute_values(":tenant", string(tenant.as_str()))
            .expression_attribute_values(":days", string(format!("{}{month}-", keys::DAY_USE_PREFIX)));
        let days = self.db.query(query).await.map_err(|error| store_error("read a tenant's days", error))?;
        days.items().iter().map(|day| Ok(read_day(day)?.requests)).sum()
    }

    /// The write that replaces a tenant's own limits, for the transaction that logs it. Its condition is that they are
    /// still those before.
    pub fn replace_own_limits(
        &self,
        tenant: &TenantKey,
        before: &OwnLimits,
        after: &OwnLimits,
    ) -> Result<TransactWriteItem, StoreError> {
        let key = [(keys::SCOPE, string(tenant.as_str())), (keys::ITEM, string(keys::LIMITS))];
        let limits = own(after).into_iter().filter_map(|(name, limit)| Some((name, number(limit?))));
        let item: Item = key.into_iter().chain(limits).map(|(name, value)| (name.to_owned(), value)).collect();
        let (mut put, mut conditions) = (Put::builder().table_name(&self.table).set_item(Some(item)), Vec::new());
        for (name, limit) in own(before) {
            conditions.push(match limit {
                Some(_) => format!("{name} = :{name}"),
                None => format!("attribute_not_exists({name})"),
            });
            if let Some(limit) = limit {
                put = put.expression_attribute_values(format!(":{name}"), number(limit));
            }
        }
        let put = put.condition_expression(conditions.join(" AND ")).build();
        let put = put.map_err(|error| StoreError::Broken(format!("set limits: {error}")))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Reads what a tenant has used on the day of a time, strongly consistent.
    pub async fn day_use(&self, tenant: &TenantKey, day: Timestamp) -> Result<DayUse, StoreError> {
        let row = self.row(tenant, &keys::day_use(day)).await?;
        Ok(row.as_ref().map(read_day).transpose()?.unwrap_or_default())
    }

    async fn row(&self, tenant: &TenantKey, item: &str) -> Result<Option<Item>, StoreError> {
        let get = GetItemInput::builder()
            .table_name(&self.table)
            .key(keys::SCOPE, string(tenant.as_str()))
            .key(keys::ITEM, string(item))
            .consistent_read(true);
        Ok(self.db.get_item(get).await.map_err(|error| store_error("read a tenant", error))?.item)
    }

    /// Counts a request as one more in a minute that has begun, if that has fewer than `max`.
    pub async fn count_another(
        &self,
        tenant: &TenantKey,
        day: Timestamp,
        minute: Timestamp,
        max: u32,
    ) -> Result<Counted, StoreError> {
        let update = self
            .day(tenant, day)
            .update_expression("SET #requests = #requests + :one, #in_minute = #in_minute + :one, #last = :this")
            .condition_expression("#minute = :minute AND #in_minute < :max AND #last <> :this")
            .expression_attribute_values(":max", number(max));
        self.count(update, minute).await
    }

    /// Counts a request as the first in a minute, if no request was counted in it or in a later one.
    pub async fn count_first(
        &self,
        tenant: &TenantKey,
        day: Timestamp,
        minute: Timestamp,
    ) -> Result<Counted, StoreError> {
        let update = self
            .day(tenant, day)
            .update_expression(
                "SET #requests = if_not_exists(#requests, :none) + :one, #in_minute = :one, #minute = :minute, \
                 #last = :this, #expires_at = :expires_at",
            )
            .condition_expression("attribute_not_exists(#minute) OR #minute < :minute")
            .expression_attribute_names("#expires_at", keys::EXPIRES_AT)
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":expires_at", expires_at(day));
        self.count(update, minute).await
    }

    fn day(&self, tenant: &TenantKey, day: Timestamp) -> UpdateItemInputBuilder {
        UpdateItemInput::builder()
            .table_name(&self.table)
            .key(keys::SCOPE, string(tenant.as_str()))
            .key(keys::ITEM, string(keys::day_use(day)))
    }

    /// An update that got no answer is sent again. It recognises its own number, and counts twice only if another
    /// request was counted in between: a limit is then reached one request early.
    async fn count(&self, update: UpdateItemInputBuilder, minute: Timestamp) -> Result<Counted, StoreError> {
        let this = fastrand::u64(..).to_string();
        let update = update
            .expression_attribute_names("#last", LAST)
            .expression_attribute_values(":this", string(&this))
            .expression_attribute_names("#requests", REQUESTS)
            .expression_attribute_names("#minute", MINUTE)
            .expression_attribute_names("#in_minute", IN_MINUTE)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":minute", time(minute))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.db.update_item(update).await {
            Ok(counted) => Ok(Counted::Done(read_day(&counted.attributes.unwrap_or_default())?)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let Some(item) = failed.item() else { return Ok(Counted::Not(DayUse::default())) };
                    let is_ours = Attributes(item).optional_string(LAST)? == Some(&this);
                    Ok(if is_ours { Counted::Done(read_day(item)?) } else { Counted::Not(read_day(item)?) })
                }
                Some(UpdateItemError::TransactionConflictException(_)) => Ok(Counted::Busy),
                _ => Err(store_error("count a request", error)),
            },
        }
    }

    /// The write that counts a new poll at `now`, for the transaction that creates it. Its condition is that the day has
    /// fewer than `max`, which is at least one.
    pub fn one_more_poll(&self, tenant: &TenantKey, max: u32, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key(keys::SCOPE, string(tenant.as_str()))
            .key(keys::ITEM, string(keys::day_use(now)))
            .update_expression("SET #polls = if_not_exists(#polls, :none) + :one, #expires_at = :expires_at")
            .condition_expression("attribute_not_exists(#polls) OR #polls < :max")
            .expression_attribute_names("#polls", POLLS)
            .expression_attribute_names("#expires_at", keys::EXPIRES_AT)
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":max", number(max))
            .expression_attribute_values(":expires_at", expires_at(now))
            .build()
            .map_err(|error| StoreError::Broken(format!("count a poll: {error}")))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Sends one read, so that connection and keys are there before the first request.
    pub async fn prime(&self) {
        if let Err(error) = self.own_limits(&TenantKey::stored("prime")).await {
            tracing::warn!(%error, "the connection to the Tenants table was not opened ahead: {error}");
        }
    }
}

/// A tenant's own limits by attribute.
fn own(limits: &OwnLimits) -> [(&'static str, Option<u32>); 3] {
    [
        (POLLS_PER_DAY, limits.polls_per_day),
        (OPEN_POLLS, limits.open_polls),
        (REQUESTS_PER_MINUTE, limits.requests_per_minute),
    ]
}

/// When a day's row may go, in seconds.
fn expires_at(day: Timestamp) -> aws_sdk_dynamodb::types::AttributeValue {
    number(day.midnight().plus_millis(DAY_ROW_LIFE_MS).as_millis() / 1_000)
}

fn read_day(item: &Item) -> Result<DayUse, StoreError> {
    let attributes = Attributes(item);
    Ok(DayUse {
        requests: attributes.optional_number(REQUESTS)?.unwrap_or_default(),
        polls: attributes.optional_number(POLLS)?.unwrap_or_default(),
        minute: attributes.optional_time(MINUTE)?,
        in_minute: attributes.optional_number(IN_MINUTE)?.unwrap_or_default(),
    })
}
