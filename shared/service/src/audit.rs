//! The audit log, shown to the owners of its tenant.

use landslide_aws::{config::ConfigError, sdk, store::AuditStore};
use landslide_domain::{
    audit::{
        Row,
        cursor::{cursor, read_cursor},
    },
    error::Error,
    member::Member,
    role::Operation,
};

/// The Audit table, read by tenant.
pub struct AuditLog {
    audit: AuditStore,
}

/// One page of a tenant's audit log, newest row first.
pub struct AuditLogPage {
    /// The rows.
    pub rows: Vec<Row>,
    /// The cursor of the next page. If `None`, this is the last one.
    pub next_cursor: Option<String>,
}

impl AuditLog {
    /// Uses the table in the environment's variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { audit: AuditStore::from_env(&sdk::sdk_config()?)? })
    }

    /// Returns at most `limit` rows of the member's tenant, starting at an earlier page's cursor.
    pub async fn page(&self, member: &Member, after: Option<&str>, limit: usize) -> Result<AuditLogPage, Error> {
        member.must(Operation::ListAudit)?;
        let tenant = member.tenant.key();
        let before = after.map(|after| read_cursor(&tenant, after).ok_or(Error::UnknownCursor)).transpose()?;
        let page = self.audit.page(&tenant, before, limit).await?;
        let last = page.rows.last().filter(|_| page.has_more);
        let next_cursor = last.map(|last| cursor(&tenant, last.sequence));
        Ok(AuditLogPage { rows: page.rows, next_cursor })
    }
}
