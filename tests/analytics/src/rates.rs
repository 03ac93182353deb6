//! How fast it is. Printed, not asserted: run with `--nocapture`.

use std::time::Instant;

use landslide_analytics::{snapshot::PollSnapshot, writer::HistoryRow};

use crate::{
    database::{Database, at, count},
    snapshots::{id, snapshot, tenant},
};

#[tokio::test]
async fn ten_thousand_changed_polls_are_written() {
    let database = Database::alone().await;
    let mut writer = database.writer();
    for version in 1..=2 {
        let polls: Vec<PollSnapshot> = (0..10_000)
            .map(|poll| {
                snapshot(&format!("p{poll}"), "alice", version, at("2026-11-30T09:00:00Z"), [version as i64, 1])
            })
            .collect();
        let began = Instant::now();
        for outcome in writer.write(&polls).await.unwrap() {
            outcome.unwrap();
        }
        println!("10,000 {} polls: {:.1} s", ["new", "changed"][version as usize - 1], began.elapsed().as_secs_f64());
    }
    let ballots = count(&database.admin().await, "SELECT sum(ballots)::bigint FROM analytics.polls").await;
    assert_eq!(ballots, 30_000);
}

#[tokio::test]
async fn a_million_rows_of_history_are_loaded() {
    const POLLS: u64 = 1_000;
    const MINUTES: u64 = 1_000;
    let database = Database::alone().await;
    let mut writer = database.writer();
    let ids: Vec<_> = (0..POLLS).map(|poll| id(&format!("p{poll}"))).collect();
    let start = at("2026-11-01T00:00:00Z");
    let row = |place: u64| {
        let (minute, poll) = (place / POLLS, (place % POLLS) as usize);
        let minute_at = start.plus_millis(minute * 60_000);
        HistoryRow {
            poll_id: ids[poll].clone(),
            minute: minute_at,
            tenant: tenant("alice"),
            version: minute + 1,
            as_of: minute_at.plus_millis(59_000),
            ballots: minute + 1,
            ballots_before: minute,
            votes: vec![minute as i64, 1],
        }
    };
    let began = Instant::now();
    let written = writer.load_history((0..POLLS * MINUTES).map(row)).await.unwrap();
    let seconds = began.elapsed().as_secs_f64();
    println!("1,000,000 rows of history: {seconds:.1} s, {:.0} rows/s", written as f64 / seconds);
    assert_eq!(written, POLLS * MINUTES);
    let again = writer.load_history((0..1_000).map(row)).await.unwrap();
    assert_eq!(again, 0, "rows that are there already");
    let added =
        count(&database.admin().await, "SELECT sum(ballots - ballots_before)::bigint FROM analytics.count_history")
            .await;
    assert_eq!(added, 1_000_000);
}
