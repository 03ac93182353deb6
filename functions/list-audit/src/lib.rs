//! `GET /v1/audit`: lists the audit log of the caller's tenant, newest row first.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_domain::audit::Row;
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_service::audit::AuditLog;
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
struct AuditRows {
    rows: Vec<AuditRow>,
    next_cursor: Option<String>,
}

/// A row with its entry to the letter, so that its hash can be computed from the response.
#[derive(Serialize)]
struct AuditRow {
    sequence: u64,
    entry: Box<RawValue>,
    previous: String,
    hash: String,
}

/// 200 with a page, and a cursor if there is a next one.
pub async fn handle(log: Arc<AuditLog>, request: Request) -> Result<Reply, Error> {
    let member = request.member(clock::now())?;
    let page = log.page(&member, request.query("cursor"), request.limit()?).await?;
    let rows = page.rows.into_iter().map(audit_row).collect::<Result<_, _>>()?;
    Ok(Reply::ok(&AuditRows { rows, next_cursor: page.next_cursor })?.cache(CacheControl::Private))
}

fn audit_row(Row { sequence, previous, entry, hash }: Row) -> Result<AuditRow, Error> {
    let entry = RawValue::from_string(entry)
        .map_err(|error| Error::internal(format!("row {sequence} of an audit log is no JSON: {error}")))?;
    Ok(AuditRow { sequence, entry, previous, hash })
}
