//! The Audit table: each tenant's log, which is only ever added to.
//!
//! A row and the marker of its event are written in one transaction, both only where there are none. So a row has one
//! number for good, and an event one row, however often and by however many it is written.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::{
    Client,
    operation::{
        query::{QueryInput, builders::QueryInputBuilder},
        transact_write_items::{TransactWriteItemsError, TransactWriteItemsInput},
    },
    types::{AttributeValue, TransactWriteItem},
};
use aws_types::SdkConfig;
use landslide_domain::{
    audit::{Entry, ROW_LIFE_MS, Row, Tail},
    keys,
    tenant::TenantKey,
    time::Timestamp,
};

use super::{
    DynamoDb, StoreError,
    item::{Attributes, Item, number, string},
    put_new, store_error,
};
use crate::{
    clock::Clock,
    config::{self, ConfigError},
    sdk::describe,
};

/// When the row before may go, in seconds. Absent in a log's first row.
const PREVIOUS_EXPIRES_AT: &str = "previous_expires_at";
/// The most entries that one transaction writes. A transaction has 100 items.
const APPENDED_MAX: usize = 25;
/// The most bytes of entries that one transaction writes, unless one entry alone has more. A transaction has 4 MB.
const APPENDED_BYTES_MAX: usize = 1024 * 1024;
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

/// A row as the table holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// The row.
    pub row: Row,
    expires_at: u64,
    previous_expires_at: Option<u64>,
}

impl StoredRow {
    /// Whether all rows before it may have expired by now.
    pub fn may_be_the_oldest(&self, now: Timestamp) -> bool {
        self.previous_expires_at.is_some_and(|previous| previous <= now.as_millis() / 1_000)
    }
}

/// A page of a tenant's log, newest row first.
#[derive(Debug)]
pub struct AuditPage {
    /// The rows.
    pub rows: Vec<Row>,
    /// Whether there are older rows.
    pub has_more: bool,
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

    /// All tenants that have rows. Reads the whole table.
    pub async fn tenants(&self) -> Result<BTreeSet<TenantKey>, StoreError> {
        let (mut tenants, mut start) = (BTreeSet::new(), None);
        loop {
            let scan = self.db.scan().table_name(&self.table).projection_expression("#tenant");
            let scan = scan.expression_attribute_names("#tenant", keys::TENANT).set_exclusive_start_key(start);
            let page = scan.send().await.map_err(|error| store_error("read the audit log", error))?;
            for item in page.items() {
                tenants.insert(TenantKey::stored(Attributes(item).string(keys::TENANT)?));
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(tenants);
            }
        }
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
        // DynamoDB refuses a transaction with two writes of one item.
        let mut events = BTreeSet::new();
        let entries: Vec<&Entry> = entries.iter().filter(|entry| events.insert(&entry.event)).collect();
        for entries in portions(&entries) {
            self.append_some(tenant, entries, clock, now).await?;
        }
        Ok(())
    }

    async fn append_some(
        &self,
        tenant: &TenantKey,
        entries: &[&Entry],
        clock: &impl Clock,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut known = BTreeSet::new();
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                clock.back_off(PAUSE_MS, attempt.min(PAUSE_DOUBLINGS)).await;
            }
            let new: Vec<&Entry> = entries.iter().copied().filter(|entry| !known.contains(&entry.event)).collect();
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
        let last = self.last(tenant).await?;
        let mut previous_expires_at = last.as_ref().map(|last| last.expires_at);
        let mut tail = last.map_or_else(|| Tail::start(tenant), |last| last.row.place());
        let mut items = others.to_vec();
        for entry in entries {
            let row = Row::after(&tail, entry);
            tail = row.place();
            let row = StoredRow { row, expires_at: expires_at(now), previous_expires_at };
            previous_expires_at = Some(row.expires_at);
            items.push(self.put(row_item(tenant, &row))?);
            items.push(self.put(event_item(tenant, entry, now))?);
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
            None if codes.contains(&"ValidationError") => Err(store_error("write the audit log", error)),
            None => Err(StoreError::Unavailable(format!("write the audit log: {}", describe(&error)))),
        }
    }

    /// A page of a tenant's rows before this one, or of the newest.
    pub async fn page(&self, tenant: &TenantKey, before: Option<u64>, limit: usize) -> Result<AuditPage, StoreError> {
        let to = before.map_or(keys::AUDIT_ROW_MAX, |before| before.saturating_sub(1));
        // One more than requested shows whether there is another page, so that no page is empty.
        let query =
            self.rows(tenant, 0, to).scan_index_forward(false).limit(i32::try_from(limit + 1).unwrap_or(i32::MAX));
        let mut rows: Vec<Row> = self.query(query).await?.into_iter().map(|stored| stored.row).collect();
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok(AuditPage { rows, has_more })
    }

    /// A tenant's next rows after this number, as many as DynamoDB returns at once. None are left if there are none.
    pub async fn rows_after(&self, tenant: &TenantKey, sequence: u64) -> Result<Vec<StoredRow>, StoreError> {
        self.query(self.rows(tenant, sequence.saturating_add(1), keys::AUDIT_ROW_MAX)).await
    }

    /// A tenant's last row.
    async fn last(&self, tenant: &TenantKey) -> Result<Option<StoredRow>, StoreError> {
        let query = self.rows(tenant, 1, keys::AUDIT_ROW_MAX).scan_index_forward(false).limit(1);
        Ok(self.query(query).await?.pop())
    }

    async fn query(&self, query: QueryInputBuilder) -> Result<Vec<StoredRow>, StoreError> {
        let answer = self.db.query(query).await.map_err(|error| store_error("read the audit log", error))?;
        answer.items().iter().map(read_row).collect()
    }

    fn rows(&self, tenant: &TenantKey, from: u64, to: u64) -> QueryInputBuilder {
        QueryInput::builder()
            .table_name(&self.table)
            .key_condition_expression("#tenant = :tenant AND #item BETWEEN :from AND :to")
            .expression_attribute_names("#tenant", keys::TENANT)
            .expression_attribute_names("#item", keys::ITEM)
            .expression_attribute_values(":tenant", string(tenant.as_str()))
            .expression_attribute_values(":from", string(keys::audit_row(from)))
            .expression_attribute_values(":to", string(keys::audit_row(to.max(from))))
            .consistent_read(true)
    }

    /// Puts an item where there is none.
    fn put(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        put_new("write the audit log", &self.table, item)
    }
}

/// As many entries at a time as fit into a transaction.
fn portions<'a, 'b>(entries: &'a [&'b Entry]) -> Vec<&'a [&'b Entry]> {
    let (mut portions, mut rest, mut bytes, mut count) = (Vec::new(), entries, 0, 0);
    for entry in entries {
        let size = entry.size();
        if count > 0 && (count == APPENDED_MAX || bytes + size > APPENDED_BYTES_MAX) {
            let (portion, others) = rest.split_at(count);
            portions.push(portion);
            (rest, bytes, count) = (others, 0, 0);
        }
        (bytes, count) = (bytes + size, count + 1);
    }
    portions.push(rest);
    portions
}

fn row_item(tenant: &TenantKey, stored: &StoredRow) -> Item {
    let StoredRow { row, expires_at, previous_expires_at } = stored;
    let attributes = HashMap::from([
        (keys::TENANT, string(tenant.as_str())),
        (keys::ITEM, string(keys::audit_row(row.sequence))),
        ("previous", string(&row.previous)),
        ("entry", string(&row.entry)),
        ("hash", string(&row.hash)),
        (keys::EXPIRES_AT, number(expires_at)),
    ]);
    let previous = previous_expires_at.map(|at| (PREVIOUS_EXPIRES_AT, number(at)));
    attributes.into_iter().chain(previous).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn event_item(tenant: &TenantKey, entry: &Entry, now: Timestamp) -> Item {
    let attributes: [(&str, AttributeValue); 3] = [
        (keys::TENANT, string(tenant.as_str())),
        (keys::ITEM, string(keys::audit_event(&entry.event))),
        (keys::EXPIRES_AT, number(expires_at(now))),
    ];
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
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
fn expires_at(now: Timestamp) -> u64 {
    now.plus_millis(ROW_LIFE_MS).as_millis() / 1_000
}

fn read_row(item: &Item) -> Result<StoredRow, StoreError> {
    let attributes = Attributes(item);
    let key = attributes.string(keys::ITEM)?;
    let no_row = || StoreError::Broken(format!("read the audit log: {key:?} is no row"));
    let row = Row {
        sequence: keys::read_audit_row(key).ok_or_else(no_row)?,
        previous: attributes.string("previous")?.to_owned(),
        entry: attributes.string("entry")?.to_owned(),
        hash: attributes.string("hash")?.to_owned(),
    };
    Ok(StoredRow {
        row,
        expires_at: attributes.number(keys::EXPIRES_AT)?,
        previous_expires_at: attributes.optional_number(PREVIOUS_EXPIRES_AT)?,
    })
}

#[cfg(test)]
mod tests;
