//! The Audit table: each tenant's log, which is only ever added to.
//!
//! A row and the marker of its event are written in one transaction, both only where there are none. So a row has one
//! number for good, and an event one row, however often and by however many it is written.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::{
    Client,
    operation::{
        query::QueryInput,
        transact_write_items::{TransactWriteItemsError, TransactWriteItemsInput},
    },
    types::{Put, TransactWriteItem},
};
use aws_types::SdkConfig;
use landslide_domain::{
    audit::{Entry, Row, Tail},
    keys,
    tenant::TenantKey,
    time::{DAY_MS, Timestamp},
};

use super::{
    DynamoDb, StoreError,
    item::{Attributes, Item, number, string},
    store_error,
};
use crate::{
    clock::Clock,
    config::{self, ConfigError},
};

/// The partition key of Audit.
const TENANT: &str = "tenant";
/// How long a row is kept.
const ROW_LIFE_MS: u64 = 400 * DAY_MS;
/// The most entries that one transaction writes. A transaction has 100 items.
pub const APPENDED_MAX: usize = 25;
/// How often entries are written again because another process wrote to the log first. The pauses add up to 10 s at most.
const ATTEMPTS_MAX: u32 = 14;
/// The pause before the n-th further attempt is drawn at random below this times 2ⁿ, up to n = `PAUSE_DOUBLINGS`.
const PAUSE_MS: u64 = 15;
const PAUSE_DOUBLINGS: u32 = 6;

/// What became of a write that goes with its entries.
#[derive(Debug, PartialEq, Eq)]
pub enum Appended {
    /// All is written.
    Done,
    /// The condition of one of the other writes does not hold. Nothing was written.
    Refused,
}

/// The Audit table.
pub struct AuditStore<D = Client> {
    db: D,
    table: String,
}

impl AuditStore {
    /// The table in the environment's variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("AUDIT_TABLE")?))
    }

    /// A table by name.
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self::over(Client::new(aws), table)
    }
}

impl<D: DynamoDb> AuditStore<D> {
    /// A table by name, in any database.
    pub fn over(db: D, table: String) -> Self {
        Self { db, table }
    }

    /// Adds entries to a tenant's log, in their order and each once, however often it is called.
    pub async fn append(
        &self,
        tenant: &TenantKey,
        entries: &[Entry],
        clock: &impl Clock,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for entries in entries.chunks(APPENDED_MAX) {
            self.append_some(tenant, entries, clock, now).await?;
        }
        Ok(())
    }

    async fn append_some(
        &self,
        tenant: &TenantKey,
        entries: &[Entry],
        clock: &impl Clock,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut known = BTreeSet::new();
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                clock.back_off(PAUSE_MS, attempt.min(PAUSE_DOUBLINGS)).await;
            }
            let new: Vec<&Entry> = entries.iter().filter(|entry| !known.contains(&entry.event)).collect();
            if new.is_empty() {
                return Ok(());
            }
            match self.write(tenant, &new, &[], now).await? {
                Written::Done => return Ok(()),
                Written::Overtaken { logged } => known.extend(logged),
                Written::Refused => {
                    return Err(StoreError::Broken("write the audit log: nothing could refuse".to_owned()));
                }
            }
        }
        Err(StoreError::Unavailable("write the audit log: others were first again and again".to_owned()))
    }

    /// Writes an entry together with what it is about, which names no item of the log.
    pub async fn append_with(
        &self,
        tenant: &TenantKey,
        entry: &Entry,
        others: &[TransactWriteItem],
        clock: &impl Clock,
        now: Timestamp,
    ) -> Result<Appended, StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                clock.back_off(PAUSE_MS, attempt.min(PAUSE_DOUBLINGS)).await;
            }
            match self.write(tenant, &[entry], others, now).await? {
                Written::Done => return Ok(Appended::Done),
                // An earlier attempt of this very request landed without an answer.
                Written::Overtaken { logged } if !logged.is_empty() => return Ok(Appended::Done),
                Written::Overtaken { .. } => {}
                Written::Refused => return Ok(Appended::Refused),
            }
        }
        Err(StoreError::Unavailable("write the audit log: others were first again and again".to_owned()))
    }

    async fn write(
        &self,
        tenant: &TenantKey,
        entries: &[&Entry],
        others: &[TransactWriteItem],
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        let mut tail = self.tail(tenant).await?;
        let mut items = others.to_vec();
        for entry in entries {
            let row = Row::after(&tail, entry);
            items.push(self.put(self.row_item(tenant, &row, now))?);
            items.push(self.put(self.event_item(tenant, entry, now))?);
            tail = row.place();
        }
        let outcome = self.db.transact(TransactWriteItemsInput::builder().set_transact_items(Some(items))).await;
        let Err(error) = outcome else { return Ok(Written::Done) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
            return Err(store_error("write the audit log", error));
        };
        let codes: Vec<&str> =
            cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or_default()).collect();
        match Written::by_reasons(&codes, others.len(), entries) {
            Some(written) => Ok(written),
            None => Err(store_error("write the audit log", error)),
        }
    }

    /// A tenant's last row.
    async fn tail(&self, tenant: &TenantKey) -> Result<Tail, StoreError> {
        let query = self.rows(tenant).scan_index_forward(false).limit(1);
        let answer = self.db.query(query).await.map_err(|error| store_error("read the audit log", error))?;
        match answer.items().first() {
            Some(item) => Ok(read_row(item)?.place()),
            None => Ok(Tail::start(tenant)),
        }
    }

    fn rows(&self, tenant: &TenantKey) -> aws_sdk_dynamodb::operation::query::builders::QueryInputBuilder {
        QueryInput::builder()
            .table_name(&self.table)
            .key_condition_expression("#tenant = :tenant AND begins_with(#item, :rows)")
            .expression_attribute_names("#tenant", TENANT)
            .expression_attribute_names("#item", keys::ITEM)
            .expression_attribute_values(":tenant", string(tenant.as_str()))
            .expression_attribute_values(":rows", string(keys::AUDIT_ROW_PREFIX))
            .consistent_read(true)
    }

    /// Puts an item where there is none.
    fn put(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#item)")
            .expression_attribute_names("#item", keys::ITEM)
            .build()
            .map_err(|error| StoreError::Broken(format!("write the audit log: {error}")))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn row_item(&self, tenant: &TenantKey, row: &Row, now: Timestamp) -> Item {
        Item::from([
            (TENANT.to_owned(), string(tenant.as_str())),
            (keys::ITEM.to_owned(), string(keys::audit_row(row.sequence))),
            ("sequence".to_owned(), number(row.sequence)),
            ("previous".to_owned(), string(&row.previous)),
            ("entry".to_owned(), string(&row.entry)),
            ("hash".to_owned(), string(&row.hash)),
            (keys::EXPIRES_AT.to_owned(), expires_at(now)),
        ])
    }

    fn event_item(&self, tenant: &TenantKey, entry: &Entry, now: Timestamp) -> Item {
        Item::from([
            (TENANT.to_owned(), string(tenant.as_str())),
            (keys::ITEM.to_owned(), string(keys::audit_event(&entry.event))),
            (keys::EXPIRES_AT.to_owned(), expires_at(now)),
        ])
    }
}

/// What became of a transaction.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    Done,
    /// Another process wrote to the log first. These events are there already.
    Overtaken {
        logged: Vec<String>,
    },
    /// The condition of a write besides the log does not hold.
    Refused,
}

impl Written {
    /// By the reasons of a cancelled transaction: first those of the other writes, then two for each entry.
    fn by_reasons(codes: &[&str], others: usize, entries: &[&Entry]) -> Option<Self> {
        const CONDITION: &str = "ConditionalCheckFailed";
        let (of_others, of_log) = codes.split_at_checked(others)?;
        let markers = of_log.chunks(2).map(|codes| codes.get(1) == Some(&CONDITION));
        let logged: Vec<String> = entries
            .iter()
            .zip(markers)
            .filter(|(_, is_there)| *is_there)
            .map(|(entry, _)| entry.event.clone())
            .collect();
        if !logged.is_empty() {
            Some(Self::Overtaken { logged })
        } else if of_others.contains(&CONDITION) {
            Some(Self::Refused)
        } else if codes.contains(&CONDITION) || codes.contains(&"TransactionConflict") {
            Some(Self::Overtaken { logged })
        } else {
            None
        }
    }
}

/// When an item may go, in seconds.
fn expires_at(now: Timestamp) -> aws_sdk_dynamodb::types::AttributeValue {
    number(now.plus_millis(ROW_LIFE_MS).as_millis() / 1_000)
}

fn read_row(item: &Item) -> Result<Row, StoreError> {
    let attributes = Attributes(item);
    Ok(Row {
        sequence: attributes.number("sequence")?,
        previous: attributes.string("previous")?.to_owned(),
        entry: attributes.string("entry")?.to_owned(),
        hash: attributes.string("hash")?.to_owned(),
    })
}
