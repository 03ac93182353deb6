//! The months of `count_history`: created ahead, and detached when they are old.

use landslide_domain::time::Timestamp;
use tokio_postgres::Client;

use crate::error::Error;

/// How many months after this one there is room for. A job that fails for a month does no harm.
pub const AHEAD: i32 = 2;
/// How many months before this one stay. Older ones are detached into the schema `analytics_archive`.
pub const KEPT: i32 = 12;

/// Of the advisory lock that keeps two processes from doing this at once.
const LOCK: i64 = 0x6c61_6e64_6d6f_6e74;

/// From the first month that is there (at first, the one before this) to the last one ahead: those that are missing.
const MISSING: &str = "SELECT wanted::date::text FROM generate_series(
        coalesce((SELECT min(month) FROM analytics.months WHERE detached_at IS NULL),
            date_trunc('month', $1::text::date) - interval '1 month')::timestamp,
        date_trunc('month', $1::text::date)::timestamp + make_interval(months => $2), interval '1 month') wanted
    WHERE NOT EXISTS (SELECT FROM analytics.months m WHERE m.month = wanted::date) ORDER BY 1";

/// Marks what is too old, so that nothing is written to it any more.
const MARK_OLD: &str = "UPDATE analytics.months SET detached_at = now()
    WHERE detached_at IS NULL AND month < date_trunc('month', $1::text::date) - make_interval(months => $2)";

/// Those that are marked and still lie beside the others, and whether a detach of it was cut short.
const TO_DETACH: &str =
    "SELECT to_char(m.month, 'YYYY_MM'), i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false)
    FROM analytics.months m JOIN pg_class c ON c.relname = 'count_history_' || to_char(m.month, 'YYYY_MM')
        AND c.relnamespace = 'analytics'::regnamespace
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE m.detached_at IS NOT NULL ORDER BY 1";

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MonthsChanged {
    /// Months that were created, such as `2026-11`.
    pub created: Vec<String>,
    /// Months that were detached.
    pub detached: Vec<String>,
}

/// Creates months ahead, and detaches old ones without keeping anybody waiting. The connection has the owner's rights
/// afterwards, so it is to be used for nothing else. A run that was cut short is completed by the next; if another
/// process is at it, this one does nothing.
pub async fn keep(client: &Client, server: &str, now: Timestamp) -> Result<MonthsChanged, Error> {
    keep_some(client, server, now, AHEAD, KEPT).await
}

/// The same with other numbers of months.
pub async fn keep_some(
    client: &Client,
    server: &str,
    now: Timestamp,
    ahead: i32,
    kept: i32,
) -> Result<MonthsChanged, Error> {
    let failed = |error: tokio_postgres::Error| Error::of_statement(server, &error);
    client.batch_execute("SET ROLE landslide_owner; SET statement_timeout = 0").await.map_err(failed)?;
    let locked = client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await.map_err(failed)?;
    if !locked.get::<_, bool>(0) {
        return Ok(MonthsChanged::default());
    }
    let day = now.day();
    let mut changed = MonthsChanged::default();
    for row in client.query(MISSING, &[&day, &ahead]).await.map_err(failed)? {
        let month: String = row.get(0);
        client.execute("SELECT analytics.create_month($1::text::date)", &[&month]).await.map_err(failed)?;
        changed.created.push(month.chars().take("2026-11".len()).collect());
    }
    client.execute(MARK_OLD, &[&day, &kept]).await.map_err(failed)?;
    for row in client.query(TO_DETACH, &[]).await.map_err(failed)? {
        let (month, is_attached, is_pending): (String, bool, bool) = (row.get(0), row.get(1), row.get(2));
        let table = format!("count_history_{month}");
        if is_attached {
            // In no transaction, or it could not be CONCURRENTLY.
            let how = if is_pending { "FINALIZE" } else { "CONCURRENTLY" };
            let detach = format!("ALTER TABLE analytics.count_history DETACH PARTITION analytics.{table} {how}");
            client.batch_execute(&detach).await.map_err(failed)?;
        }
        client.query("SELECT analytics.archive_month($1)", &[&table]).await.map_err(failed)?;
        changed.detached.push(month.replace('_', "-"));
    }
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await.map_err(failed)?;
    Ok(changed)
}
