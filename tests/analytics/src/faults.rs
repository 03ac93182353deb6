//! Servers that end in the middle, and the sync itself.

use std::time::Duration;

use landslide_analytics::{error::Error, reader::Window, snapshot::PollSnapshot, writer::Written};

use crate::{
    database::{Database, at, count, servers},
    snapshots::{snapshot, tenant},
};

const POLLS: usize = 3_000;

/// Kept long enough for a server to end before the last is written.
fn batch(version: u64) -> Vec<PollSnapshot> {
    let votes = [version as i64, 1];
    (0..POLLS).map(|poll| snapshot(&format!("p{poll}"), "alice", version, at("2026-11-30T09:00:00Z"), votes)).collect()
}

/// Each poll that is there is there whole.
async fn assert_whole(database: &Database) {
    let torn = "SELECT count(*) FROM analytics.polls p WHERE
        p.ballots <> (SELECT sum(votes) FROM analytics.option_counts o WHERE o.poll_id = p.poll_id)
        OR p.ballots <> (SELECT sum(ballots) FROM analytics.segment_counts s WHERE s.poll_id = p.poll_id)
        OR p.ballots <> (SELECT sum(ballots - ballots_before) FROM analytics.count_history h WHERE h.poll_id = p.poll_id)";
    assert_eq!(count(&database.admin().await, torn).await, 0);
}

async fn written_so_far(database: &Database, version: u64) -> i64 {
    let query = format!("SELECT count(*) FROM analytics.polls WHERE version = {version}");
    count(&database.admin().await, &query).await
}

async fn until_some_are_written(database: &Database, version: u64) {
    while written_so_far(database, version).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_ends_in_the_middle_leaves_whole_polls_and_a_replay_completes_them() {
    let database = Database::alone().await;
    let mut writer = database.writer();
    for version in 1..=2 {
        let writing = tokio::spawn(async move {
            let outcome = writer.write(&batch(version)).await;
            (writer, outcome)
        });
        until_some_are_written(&database, version).await;
        servers(&["kill", "primary"]);
        let (again, outcome) = writing.await.unwrap();
        writer = again;
        assert!(matches!(outcome, Err(Error::Unreachable(..))), "{outcome:?}");
        assert!(writer.check().await.unwrap_err().is_temporary());
        servers(&["start"]);
        let before = written_so_far(&database, version).await;
        assert!((1..POLLS as i64).contains(&before), "{before} were written before the end");
        assert_whole(&database).await;
        // The same writer, over a connection of now.
        let outcomes = writer.write(&batch(version)).await.unwrap();
        let old = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Written::Older))).count();
        assert_eq!(old as i64, before);
        assert_eq!(written_so_far(&database, version).await, POLLS as i64);
        assert_whole(&database).await;
    }
    database.replayed().await;
}

#[tokio::test]
async fn without_the_replica_reads_fail_writes_go_on_and_it_catches_up() {
    let database = Database::alone().await;
    let (mut writer, reader) = (database.writer(), database.reader());
    let window = Window { from: at("2026-11-01T00:00:00Z"), until: at("2026-12-01T00:00:00Z") };
    assert_eq!(reader.ranking(&tenant("alice"), window, 10).await.unwrap().rows, []);
    servers(&["kill", "replica"]);
    let error = reader.ranking(&tenant("alice"), window, 10).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    for outcome in writer.write(&batch(1)).await.unwrap() {
        assert_eq!(outcome.unwrap(), Written::Written);
    }
    servers(&["start"]);
    database.replayed().await;
    assert_eq!(reader.ranking(&tenant("alice"), window, 10).await.unwrap().rows.len(), 10);
    let client = database.open("READ").await;
    client.execute("SELECT set_config('app.tenant', $1, false)", &[&tenant("alice").as_str()]).await.unwrap();
    assert_eq!(count(&client, "SELECT count(*) FROM analytics.polls").await, POLLS as i64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_ends_in_the_middle_leaves_whole_polls_and_a_replay_completes_them() {
    let database = Database::new().await;
    let mut writer = database.writer();
    let writing = tokio::spawn(async move { writer.write(&batch(1)).await });
    until_some_are_written(&database, 1).await;
    writing.abort();
    assert!(writing.await.is_err_and(|ended| ended.is_cancelled()));
    assert_whole(&database).await;
    database.writer().write(&batch(1)).await.unwrap();
    assert_eq!(written_so_far(&database, 1).await, POLLS as i64);
    assert_whole(&database).await;
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_opened_again_unnoticed() {
    let database = Database::new().await;
    let reader = database.reader();
    let window = Window { from: at("2026-11-01T00:00:00Z"), until: at("2026-12-01T00:00:00Z") };
    reader.check().await.unwrap();
    let replica = database.url("READ").split('@').nth(1).unwrap().to_owned();
    let admin = database.url("ADMIN").split('@').next().unwrap().to_owned();
    let address = landslide_analytics::address::Address::parse(&format!("{admin}@{replica}"), None).unwrap();
    let admin = landslide_analytics::connection::open(&address).await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'landslide_api'";
    assert_eq!(count(&admin, end).await, 1);
    assert_eq!(reader.ranking(&tenant("alice"), window, 10).await.unwrap().rows, []);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up_and_the_next_one_is_answered() {
    let database = Database::alone().await;
    let reader = database.reader();
    let window = Window { from: at("2026-11-01T00:00:00Z"), until: at("2026-12-01T00:00:00Z") };
    let admin = database.admin().await;
    admin.batch_execute("BEGIN; LOCK TABLE analytics.polls IN ACCESS EXCLUSIVE MODE").await.unwrap();
    database.replayed().await;
    let error = reader.ranking(&tenant("alice"), window, 10).await.unwrap_err();
    assert!(matches!(error, Error::GivenUp(_)) && error.is_temporary(), "{error:?}");
    admin.batch_execute("ROLLBACK").await.unwrap();
    database.replayed().await;
    assert_eq!(reader.ranking(&tenant("alice"), window, 10).await.unwrap().rows, []);
}

#[tokio::test]
async fn servers_that_were_stopped_are_started_again_without_loss() {
    let database = Database::alone().await;
    database.writer().write(&batch(1)).await.unwrap();
    servers(&["stop"]);
    assert!(database.writer().check().await.unwrap_err().is_temporary());
    servers(&["start"]);
    assert_eq!(written_so_far(&database, 1).await, POLLS as i64);
    database.replayed().await;
    database.reader().check().await.unwrap();
}
