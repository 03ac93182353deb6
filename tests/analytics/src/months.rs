//! Partitions by month and poll: used by queries, created ahead, and detached.

use landslide_analytics::{
    connection,
    months::{self, MonthsChanged},
    reader::{HISTORY, RANKING},
};
use tokio_postgres::Client;

use crate::{
    database::{Database, at, count, now, refusal, texts},
    snapshots::{snapshot, tenant},
};

/// The partitions that a query with these values in its place reads.
async fn partitions_read(client: &Client, query: &str, values: &[&str]) -> Vec<String> {
    let mut query = query.to_owned();
    for (place, value) in values.iter().enumerate().rev() {
        query = query.replace(&format!("${}", place + 1), value);
    }
    let plan = texts(client, &format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {query}"), &[]).await.join("\n");
    let mut read: Vec<String> = plan
        .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
        .filter(|word| word.starts_with("count_history_20") && !word.contains("idx") && !word.contains("pkey"))
        .map(str::to_owned)
        .collect();
    read.sort();
    read.dedup();
    assert!(!read.is_empty(), "{plan}");
    read
}

async fn with_votes() -> Database {
    let database = Database::new().await;
    let mut writer = database.writer();
    for (version, month) in [(1, "2026-10"), (2, "2026-11")] {
        let polls: Vec<_> = (0..50)
            .map(|poll| {
                snapshot(
                    &format!("p{poll}"),
                    "alice",
                    version,
                    at(&format!("{month}-10T00:00:00Z")),
                    [5, version as i64],
                )
            })
            .collect();
        for outcome in writer.write(&polls).await.unwrap() {
            outcome.unwrap();
        }
    }
    database.replayed().await;
    database
}

#[tokio::test]
async fn a_window_reads_the_partitions_of_its_months_alone() {
    let database = with_votes().await;
    let client = database.open("READ").await;
    client.execute("SELECT set_config('app.tenant', $1, false)", &[&tenant("alice").as_str()]).await.unwrap();
    let window = ["'2026-11-01T00:00:00Z'::timestamptz", "'2026-11-15T00:00:00Z'::timestamptz", "10"];
    let read = partitions_read(&client, RANKING, &window).await;
    assert_eq!(read, (0..8).map(|hash| format!("count_history_2026_11_{hash}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_polls_history_reads_one_partition_of_each_month() {
    let database = with_votes().await;
    let client = database.open("READ").await;
    client.execute("SELECT set_config('app.tenant', $1, false)", &[&tenant("alice").as_str()]).await.unwrap();
    let asked = ["'p7'", "'2026-10-01T00:00:00Z'::timestamptz", "'2026-11-15T00:00:00Z'::timestamptz", "10"];
    let read = partitions_read(&client, HISTORY, &asked).await;
    let months: Vec<&str> = read.iter().map(|name| &name[.."count_history_2026_11".len()]).collect();
    assert_eq!(months, ["count_history_2026_10", "count_history_2026_11"], "{read:?}");
}

#[tokio::test]
async fn polls_are_spread_over_all_partitions_of_a_month() {
    let database = with_votes().await;
    let parts = "SELECT count(DISTINCT tableoid) FROM analytics.count_history WHERE minute >= '2026-11-01'";
    assert_eq!(count(&database.admin().await, parts).await, 8);
}

#[tokio::test]
async fn months_are_created_ahead_and_once() {
    let database = Database::new().await; // which keeps months as of November
    let client = database.open("WRITE").await;
    let keep = async |time: &str| months::keep(&client, "the primary", at(time)).await.unwrap();
    assert_eq!(keep("2026-11-30T23:59:59Z").await, MonthsChanged::default());
    let created = |months: &[&str]| MonthsChanged {
        created: months.iter().map(|month| (*month).to_owned()).collect(),
        detached: vec![],
    };
    assert_eq!(keep("2026-12-01T00:00:00Z").await, created(&["2027-02"]));
    // A job that had not run for months leaves no gap.
    assert_eq!(keep("2027-03-05T00:00:00Z").await, created(&["2027-03", "2027-04", "2027-05"]));
    let all =
        texts(&database.admin().await, "SELECT to_char(month, 'YYYY-MM') FROM analytics.months ORDER BY 1", &[]).await;
    assert_eq!(all, ["2026-10", "2026-11", "2026-12", "2027-01", "2027-02", "2027-03", "2027-04", "2027-05"]);
}

/// As of January, with no month kept but the last.
async fn detach(database: &Database) -> MonthsChanged {
    let client = database.open("WRITE").await;
    months::keep_some(&client, "the primary", at("2027-01-10T00:00:00Z"), 0, 1).await.unwrap()
}

fn detached(months: &[&str]) -> MonthsChanged {
    MonthsChanged { created: vec![], detached: months.iter().map(|month| (*month).to_owned()).collect() }
}

#[tokio::test]
async fn an_old_month_is_detached_with_its_rows_into_the_archive() {
    let database = with_votes().await;
    assert_eq!(detach(&database).await, detached(&["2026-10", "2026-11"]));
    assert_eq!(detach(&database).await, MonthsChanged::default());
    let admin = database.admin().await;
    assert_eq!(count(&admin, "SELECT count(*) FROM analytics.count_history").await, 0);
    let archived = "SELECT count(*) FROM analytics_archive.count_history_2026_11";
    assert_eq!(count(&admin, archived).await, 50);
    admin.batch_execute("SET ROLE landslide_analyst").await.unwrap();
    assert_eq!(count(&admin, archived).await, 50);
    admin.batch_execute("SET ROLE landslide_owner").await.unwrap();
    assert_eq!(count(&admin, archived).await, 50, "who owns it can dump it");
    let api = database.api_on_primary().await;
    assert_eq!(refusal(&api, archived).await, "permission denied for schema analytics_archive");
    // What is counted later goes on, and what belongs there is in the polls alone.
    let late = snapshot("p1", "alice", 9, at("2026-11-20T00:00:00Z"), [9, 9]);
    let new = snapshot("p2", "alice", 9, at("2026-12-20T00:00:00Z"), [9, 9]);
    for outcome in database.writer().write(&[late, new]).await.unwrap() {
        outcome.unwrap();
    }
    assert_eq!(texts(&admin, "RESET ROLE", &[]).await, Vec::<String>::new());
    let rows =
        texts(&admin, "SELECT poll_id || ' ' || (ballots - ballots_before) FROM analytics.count_history", &[]).await;
    assert_eq!(rows, ["p2 11"], "18 ballots, 7 of them in November");
}

#[tokio::test]
async fn a_detach_that_was_cut_short_is_completed_by_the_next_run() {
    let database = with_votes().await;
    let reader = database.admin().await;
    reader.batch_execute("BEGIN; SELECT FROM analytics.count_history LIMIT 1").await.unwrap();
    let client = database.open("WRITE").await;
    client.batch_execute("SET ROLE landslide_owner; SET statement_timeout = '300ms'").await.unwrap();
    client.batch_execute("UPDATE analytics.months SET detached_at = now() WHERE month = '2026-10-01'").await.unwrap();
    let alter = "ALTER TABLE analytics.count_history DETACH PARTITION analytics.count_history_2026_10 CONCURRENTLY";
    assert_eq!(refusal(&client, alter).await, "canceling statement due to statement timeout");
    assert_eq!(count(&reader, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending").await, 1);
    reader.batch_execute("COMMIT").await.unwrap();
    assert_eq!(detach(&database).await, detached(&["2026-10", "2026-11"]));
    assert_eq!(count(&reader, "SELECT count(*) FROM analytics_archive.count_history_2026_10").await, 50);
}

#[tokio::test]
async fn a_detached_month_that_was_not_moved_is_moved_by_the_next_run() {
    let database = with_votes().await;
    let client = database.open("WRITE").await;
    client.batch_execute("SET ROLE landslide_owner").await.unwrap();
    client.batch_execute("UPDATE analytics.months SET detached_at = now() WHERE month = '2026-10-01'").await.unwrap();
    let alter = "ALTER TABLE analytics.count_history DETACH PARTITION analytics.count_history_2026_10 CONCURRENTLY";
    client.batch_execute(alter).await.unwrap();
    assert_eq!(detach(&database).await, detached(&["2026-10", "2026-11"]));
}

#[tokio::test]
async fn who_reads_keeps_no_detach_from_others() {
    let database = with_votes().await;
    let reader = database.admin().await;
    reader.batch_execute("BEGIN; SELECT FROM analytics.count_history LIMIT 1").await.unwrap();
    let client = database.open("WRITE").await;
    let detaching = tokio::spawn(async move {
        months::keep_some(&client, "the primary", at("2027-01-10T00:00:00Z"), 0, 1).await.unwrap()
    });
    let other = database.admin().await;
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE%CONCURRENTLY' AND wait_event_type = 'Lock'
        AND datname = current_database()";
    while count(&other, waits).await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // It waits for the reader, and nobody waits for it.
    let new = snapshot("p1", "alice", 9, at("2026-12-20T00:00:00Z"), [9, 9]);
    database.writer().write(&[new]).await.unwrap().remove(0).unwrap();
    assert_eq!(count(&other, "SELECT ballots FROM analytics.count_history WHERE minute > '2026-12-01'").await, 18);
    reader.batch_execute("COMMIT").await.unwrap();
    assert_eq!(detaching.await.unwrap(), detached(&["2026-10", "2026-11"]));
}

#[tokio::test]
async fn of_two_runs_at_once_one_does_it() {
    let database = Database::new().await;
    let address = database.address("WRITE");
    let (one, other) = (connection::open(&address).await.unwrap(), connection::open(&address).await.unwrap());
    let later = at("2027-03-05T00:00:00Z");
    let (one, other) =
        futures_util::future::join(months::keep(&one, "one", later), months::keep(&other, "other", later)).await;
    let created = [one.unwrap().created, other.unwrap().created].concat();
    assert_eq!(created, ["2027-02", "2027-03", "2027-04", "2027-05"]);
    assert!(now() < later);
}
