//! What a database holds, for its operator.

use landslide_domain::time::Timestamp;
use tokio_postgres::Client;

use crate::{error::Error, time::from_sql};

const STATUS: &str = "SELECT (SELECT max(number) FROM analytics.migrations),
    (SELECT to_char(min(month), 'YYYY-MM') FROM analytics.months WHERE detached_at IS NULL),
    (SELECT to_char(max(month), 'YYYY-MM') FROM analytics.months WHERE detached_at IS NULL),
    (SELECT count(*) FROM analytics.months WHERE detached_at IS NOT NULL),
    (SELECT count(*) FROM analytics.polls WHERE deleted_at IS NULL),
    (SELECT count(*) FROM analytics.count_history),
    (SELECT read_at FROM analytics.state)";

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The last migration.
    pub migration: i32,
    /// The first month of the history that is attached, such as `2026-11`. `None` before there is any.
    pub first_month: Option<String>,
    /// The last one.
    pub last_month: Option<String>,
    /// How many months were detached.
    pub detached: i64,
    /// Polls that are not deleted.
    pub polls: i64,
    /// Rows of the history that are attached.
    pub history_rows: i64,
    /// Until when changes are in it. `None` if nothing was ever synced.
    pub read_at: Option<Timestamp>,
}

/// Reads it as the sync's role, which sees all rows.
pub async fn status(client: &Client, server: &str) -> Result<Status, Error> {
    let row = client.query_one(STATUS, &[]).await.map_err(|error| Error::of_statement(server, &error))?;
    Ok(Status {
        migration: row.get(0),
        first_month: row.get(1),
        last_month: row.get(2),
        detached: row.get(3),
        polls: row.get(4),
        history_rows: row.get(5),
        read_at: row.get::<_, Option<std::time::SystemTime>>(6).map(from_sql),
    })
}

/// Until when changes are in what this server shows. `None` if nothing was ever synced.
pub async fn read_at(client: &Client, server: &str) -> Result<Option<Timestamp>, Error> {
    let row = client.query_opt("SELECT read_at FROM analytics.state", &[]).await;
    let row = row.map_err(|error| Error::of_statement(server, &error))?;
    Ok(row.map(|row| from_sql(row.get(0))))
}
