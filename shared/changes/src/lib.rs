//! Copies the changes of polls from the Polls table's stream into the audit log, and marks these polls for analytics.
//!
//! Running it twice on the same records is safe: a revision is one event, and the log has each event once; a mark says no
//! more than that a poll is to be read again. If the log or a mark can't be written, the whole batch fails and the stream
//! delivers it again.

mod event;

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    metrics::Metric,
    queue::{Outgoing, Queue, SendBatch, SendError, Sqs},
    sdk,
    store::{AuditStore, DynamoDb, DynamoDbClient, MarkStore, StoreError},
};
use landslide_domain::{audit::Entry, tenant::TenantKey};

pub use self::event::{ChangeEvent, UnreadableRecord, is_of_polls};

/// How many tenants' logs are written at once.
const TENANTS_AT_ONCE: usize = 8;

/// Writes changes to the audit log, and records that can't be read to the relays' dead-letter queue.
pub struct ChangeRelay<D = DynamoDbClient, S = Sqs, C = SystemClock> {
    audit: AuditStore<D>,
    relay_dlq: Queue<S, C>,
    /// Where polls are marked. `None` in a stack without analytics.
    marks: Option<MarkStore<D>>,
    clock: C,
}

/// Why a batch failed. It is safe to relay it again.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum RelayError {
    /// Not all changes are in the log, or not all polls are marked.
    Log(#[from] StoreError),
    /// All changes are in the log, but not all unreadable records in the queue.
    Letters(#[from] SendError),
}

impl ChangeRelay {
    /// The relay that the environment configures.
    pub fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let relay = Self::new(AuditStore::from_env(&aws)?, Queue::from_env(&aws, "RELAY_DLQ_URL")?, SystemClock);
        Ok(Self { marks: MarkStore::from_env_if_any(&aws), ..relay })
    }
}

impl<D: DynamoDb, S: SendBatch, C: Clock> ChangeRelay<D, S, C> {
    /// A relay over this table and this queue, which marks no polls.
    pub fn new(audit: AuditStore<D>, relay_dlq: Queue<S, C>, clock: C) -> Self {
        Self { audit, relay_dlq, marks: None, clock }
    }

    /// The same, which marks polls in this table.
    pub fn marking(self, marks: MarkStore<D>) -> Self {
        Self { marks: Some(marks), ..self }
    }

    /// Writes all changes to their tenants' logs, then marks their polls, and then sends unreadable records to the
    /// dead-letter queue, so that they block nobody. A tenant whose log can't be written does not hold up the others.
    pub async fn relay(&self, event: ChangeEvent) -> Result<Relayed, RelayError> {
        let now = self.clock.now();
        let logs = by_tenant(&event);
        let changes = logs.values().map(Vec::len).sum();
        let append = |(tenant, entries): (TenantKey, Vec<Entry>)| async move {
            self.audit.append(&tenant, &entries, &self.clock, now).await
        };
        let outcomes: Vec<_> = stream::iter(logs).map(append).buffer_unordered(TENANTS_AT_ONCE).collect().await;
        outcomes.into_iter().collect::<Result<(), StoreError>>()?;
        if let Some(marks) = &self.marks {
            marks.mark(&event.polls, now).await?;
        }
        let letters: Vec<Outgoing> = event.unreadable.iter().map(letter).collect();
        self.relay_dlq.send_all(&letters).await?;
        Ok(Relayed { changes, dead_letters: letters.len() })
    }
}

/// Each tenant's entries, in their order.
fn by_tenant(event: &ChangeEvent) -> BTreeMap<TenantKey, Vec<Entry>> {
    let mut logs: BTreeMap<TenantKey, Vec<Entry>> = BTreeMap::new();
    for change in event.changes() {
        for tenant in change.tenants() {
            logs.entry(tenant.clone()).or_default().push(change.entry());
        }
    }
    logs
}

fn letter((record, error): &(String, UnreadableRecord)) -> Outgoing {
    tracing::error!(%error, "stream record can't be read and goes to the dead-letter queue: {error}");
    Outgoing::dead_letter(record.clone(), None, &error.to_string())
}

/// The outcome of a relayed batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Entries that the log has, in two tenants' logs twice.
    pub changes: usize,
    /// Records that can't be read.
    pub dead_letters: usize,
}

/// The metrics for a batch of `records` records. If `relayed` is `None`, the batch failed, and the stream delivers it
/// again.
pub fn metrics_of(records: usize, relayed: Option<Relayed>) -> [Metric; 4] {
    let failed = if relayed.is_some() { 0 } else { records };
    let Relayed { changes, dead_letters } = relayed.unwrap_or_default();
    [
        Metric::count("Records", records),
        Metric::count("Changes", changes),
        Metric::count("DeadLetters", dead_letters),
        Metric::count("Failed", failed),
    ]
}

#[cfg(test)]
mod tests;
