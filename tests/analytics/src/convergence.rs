//! What is written converges, whatever comes twice, late, out of order or from two processes at once.

use std::collections::BTreeMap;

use landslide_analytics::{error::Error, snapshot::PollSnapshot, writer::Written};
use landslide_domain::time::Timestamp;

use crate::{
    database::{Database, at, count, texts},
    snapshots::{id, snapshot, tenant},
};

/// All rows of a table as texts, in order.
async fn rows(database: &Database, table: &str, columns: &str) -> Vec<String> {
    let query = format!("SELECT row_to_json(r)::text FROM (SELECT {columns} FROM analytics.{table}) r ORDER BY 1");
    texts(&database.admin().await, &query, &[]).await
}

async fn write(database: &Database, snapshots: &[PollSnapshot]) -> Vec<Written> {
    let outcomes = database.writer().write(snapshots).await.unwrap();
    outcomes.into_iter().map(Result::unwrap).collect()
}

/// In each poll the history adds up to its ballots.
async fn assert_history_adds_up(database: &Database) {
    let off = "SELECT p.poll_id FROM analytics.polls p LEFT JOIN
            (SELECT poll_id, sum(ballots - ballots_before) AS votes FROM analytics.count_history GROUP BY 1) h USING (poll_id)
        WHERE p.deleted_at IS NULL AND p.ballots <> coalesce(h.votes, 0)";
    assert_eq!(texts(&database.admin().await, off, &[]).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_newer_snapshot_replaces_a_poll_whole() {
    let database = Database::new().await;
    let first = snapshot("p1", "alice", 5, at("2026-11-30T09:00:10Z"), [3, 1]);
    let second = PollSnapshot {
        labels: vec!["perhaps".to_owned()],
        votes: vec![7],
        ballots: 7,
        segments: vec![],
        is_final: true,
        version: 6,
        ..first.clone()
    };
    assert_eq!(write(&database, &[first]).await, [Written::Written]);
    assert_eq!(write(&database, &[second]).await, [Written::Written]);
    let polls = rows(&database, "polls", "poll_id, version, ballots, is_final, ballots_before").await;
    assert_eq!(polls, [r#"{"poll_id":"p1","version":6,"ballots":7,"is_final":true,"ballots_before":0}"#]);
    assert_eq!(rows(&database, "option_counts", "label, votes").await, [r#"{"label":"perhaps","votes":7}"#]);
    assert_eq!(rows(&database, "segment_counts", "value").await, Vec::<String>::new());
    let history = rows(&database, "count_history", "version, ballots, ballots_before, votes").await;
    assert_eq!(history, [r#"{"version":6,"ballots":7,"ballots_before":0,"votes":[7]}"#], "one row a minute");
}

#[tokio::test]
async fn the_same_or_an_older_snapshot_changes_nothing() {
    let database = Database::new().await;
    let newer = snapshot("p1", "alice", 6, at("2026-11-30T09:05:00Z"), [5, 1]);
    let older = snapshot("p1", "alice", 5, at("2026-11-30T09:00:00Z"), [3, 1]);
    let other = snapshot("p1", "alice", 6, at("2026-11-30T09:09:00Z"), [9, 9]);
    assert_eq!(write(&database, std::slice::from_ref(&newer)).await, [Written::Written]);
    let before = rows(&database, "count_history", "*").await;
    for repeat in [newer, older, other] {
        assert_eq!(write(&database, &[repeat]).await, [Written::Older]);
    }
    assert_eq!(rows(&database, "count_history", "*").await, before);
    assert_eq!(rows(&database, "polls", "ballots").await, [r#"{"ballots":6}"#]);
}

#[tokio::test]
async fn a_deletion_is_overwritten_by_nothing() {
    let database = Database::new().await;
    let mut writer = database.writer();
    let poll = snapshot("p1", "alice", 5, at("2026-11-30T09:00:00Z"), [3, 1]);
    let newer = snapshot("p1", "alice", 9, at("2026-11-30T09:20:00Z"), [9, 1]);
    writer.write(std::slice::from_ref(&poll)).await.unwrap();
    for _ in 0..2 {
        writer.delete(&poll.poll_id, at("2026-11-30T09:10:00Z")).await.unwrap();
        assert_eq!(write(&database, std::slice::from_ref(&newer)).await, [Written::Deleted]);
    }
    for (table, left) in [("polls", 1), ("option_counts", 0), ("segment_counts", 0), ("count_history", 0)] {
        assert_eq!(count(&database.admin().await, &format!("SELECT count(*) FROM analytics.{table}")).await, left);
    }
    // One that was never there before leaves its row too.
    writer.delete(&id("p2"), at("2026-11-30T09:10:00Z")).await.unwrap();
    let unknown = snapshot("p2", "alice", 9, at("2026-11-30T09:20:00Z"), [9, 1]);
    assert_eq!(write(&database, &[unknown]).await, [Written::Deleted]);
    let stored = writer.stored(None, 10).await.unwrap();
    let shown: Vec<_> =
        stored.iter().map(|row| (row.poll_id.as_str(), row.version, row.is_deleted, row.tenant.clone())).collect();
    assert_eq!(shown, [("p1", 5, true, None), ("p2", 0, true, None)]);
}

#[tokio::test]
async fn a_transfer_takes_the_history_along() {
    let database = Database::new().await;
    let before = snapshot("p1", "alice", 5, at("2026-10-30T09:00:00Z"), [3, 1]);
    let after = PollSnapshot { version: 6, tenant: tenant("bob"), ..before.clone() };
    write(&database, &[before]).await;
    write(&database, &[snapshot("p1", "alice", 5, at("2026-11-30T09:00:00Z"), [3, 1])]).await;
    assert_eq!(write(&database, &[after]).await, [Written::Written]);
    let admin = database.admin().await;
    for table in ["polls", "option_counts", "segment_counts", "count_history"] {
        let tenants = texts(&admin, &format!("SELECT DISTINCT tenant FROM analytics.{table}"), &[]).await;
        assert_eq!(tenants, [tenant("bob").as_str()], "{table}");
    }
}

#[tokio::test]
async fn history_adds_up_where_votes_are_retracted_and_counts_repaired() {
    let database = Database::new().await;
    for (version, time, votes) in [
        (2, "2026-10-31T23:59:59Z", [5, 0]),
        (3, "2026-11-01T00:00:00Z", [2, 0]),
        (4, "2026-11-01T00:00:30Z", [2, 2]),
        (5, "2026-10-31T20:00:00Z", [4, 3]), // a repair, whose newest vote is older
        (6, "2026-11-02T00:00:00Z", [4, 4]),
    ] {
        assert_eq!(write(&database, &[snapshot("p1", "alice", version, at(time), votes)]).await, [Written::Written]);
    }
    assert_history_adds_up(&database).await;
    let added = rows(&database, "votes_by_day", "day, votes").await;
    let expected = [("2026-10-31", 5), ("2026-11-01", 2), ("2026-11-02", 1)];
    assert_eq!(added, expected.map(|(day, votes)| format!(r#"{{"day":"{day}","votes":{votes}}}"#)));
}

#[tokio::test]
async fn a_poll_without_votes_has_no_history() {
    let database = Database::new().await;
    let poll = PollSnapshot { as_of: None, ..snapshot("p1", "alice", 1, at("2026-11-30T09:00:00Z"), [0, 0]) };
    assert_eq!(write(&database, &[poll]).await, [Written::Written]);
    assert_eq!(rows(&database, "count_history", "*").await, Vec::<String>::new());
    assert_eq!(rows(&database, "polls", "minute, ballots").await, [r#"{"minute":null,"ballots":0}"#]);
}

#[tokio::test]
async fn counts_from_before_the_first_month_are_stored_without_history() {
    let database = Database::new().await;
    let poll = snapshot("p1", "alice", 5, at("2024-02-29T09:00:00Z"), [3, 1]);
    assert_eq!(write(&database, &[poll]).await, [Written::Written]);
    assert_eq!(rows(&database, "count_history", "*").await, Vec::<String>::new());
    assert_eq!(rows(&database, "polls", "ballots").await, [r#"{"ballots":4}"#]);
}

#[tokio::test]
async fn a_month_that_is_missing_is_named_and_keeps_no_other_poll_back() {
    let database = Database::new().await;
    let polls = [
        snapshot("p1", "alice", 5, at("2026-11-30T09:00:00Z"), [3, 1]),
        snapshot("p2", "alice", 5, at("2027-06-30T09:00:00Z"), [3, 1]),
        snapshot("p3", "alice", 5, at("2026-11-30T09:00:00Z"), [3, 1]),
    ];
    let outcomes = database.writer().write(&polls).await.unwrap();
    assert!(
        matches!(outcomes.as_slice(), [Ok(Written::Written), Err(Error::NoMonth), Ok(Written::Written)]),
        "{outcomes:?}"
    );
    assert_eq!(rows(&database, "polls", "poll_id").await, [r#"{"poll_id":"p1"}"#, r#"{"poll_id":"p3"}"#]);
}

#[tokio::test]
async fn stored_polls_are_listed_page_by_page_by_the_order_of_their_ids() {
    let database = Database::new().await;
    let ids = ["-z", "0", "A", "Z", "_", "a", "b"];
    let polls = ids.map(|id| snapshot(id, "alice", 5, at("2026-11-30T09:00:00Z"), [3, 1]));
    write(&database, &polls).await;
    let mut writer = database.writer();
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = writer.stored(after.as_ref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.poll_id.clone());
        listed.extend(page.into_iter().map(|stored| stored.poll_id.as_str().to_owned()));
    }
    assert_eq!(listed, ids);
}

/// What some polls were like, one reading after the other.
fn readings(polls: usize, each: usize) -> Vec<PollSnapshot> {
    let mut random = fastrand::Rng::with_seed(23);
    let mut all = Vec::new();
    for poll in 0..polls {
        let (mut time, mut votes) = (at("2026-10-20T00:00:00Z"), [0, 0]);
        for version in 1..=each as u64 {
            time = time.plus_millis(random.u64(1..=3 * 3_600_000));
            votes[random.usize(0..2)] += random.i64(0..20);
            let subject = if version > 30 { "bob" } else { "alice" };
            all.push(snapshot(&format!("p{poll}"), subject, version, time, votes));
        }
    }
    all
}

/// What is left of all readings: each poll's last.
async fn assert_is_the_last_of(database: &Database, readings: &[PollSnapshot]) {
    let mut last: BTreeMap<&str, &PollSnapshot> = BTreeMap::new();
    for reading in readings {
        let kept = last.entry(reading.poll_id.as_str()).or_insert(reading);
        if reading.version > kept.version {
            *kept = reading;
        }
    }
    let admin = database.admin().await;
    let polls = "SELECT p.poll_id, p.version, p.ballots, p.tenant, (SELECT array_agg(votes ORDER BY option_id)
            FROM analytics.option_counts o WHERE o.poll_id = p.poll_id AND o.tenant = p.tenant),
        (SELECT sum(ballots)::bigint FROM analytics.segment_counts s WHERE s.poll_id = p.poll_id AND s.tenant = p.tenant)
        FROM analytics.polls p ORDER BY 1";
    let stored = admin.query(polls, &[]).await.unwrap();
    assert_eq!(stored.len(), last.len());
    for (row, reading) in stored.iter().zip(last.values()) {
        let shown: (&str, i64, i64, &str) = (row.get(0), row.get(1), row.get(2), row.get(3));
        let (version, ballots) = (reading.version as i64, reading.ballots as i64);
        assert_eq!(shown, (reading.poll_id.as_str(), version, ballots, reading.tenant.as_str()));
        assert_eq!(row.get::<_, Vec<i64>>(4), reading.votes);
        assert_eq!(row.get::<_, i64>(5), ballots, "{}", reading.poll_id);
    }
    assert_eq!(
        count(&admin, "SELECT count(*) FROM analytics.count_history h JOIN analytics.polls p USING (poll_id) WHERE h.tenant <> p.tenant").await,
        0
    );
    assert_history_adds_up(database).await;
}

/// In batches, as the sync reads them: no poll twice in one.
fn batches(mut readings: Vec<PollSnapshot>, random: &mut fastrand::Rng) -> Vec<Vec<PollSnapshot>> {
    random.shuffle(&mut readings);
    let mut batches: Vec<BTreeMap<String, PollSnapshot>> = Vec::new();
    for reading in readings {
        let id = reading.poll_id.as_str().to_owned();
        match batches.iter_mut().find(|batch| batch.len() < 20 && !batch.contains_key(&id)) {
            Some(batch) => drop(batch.insert(id, reading)),
            None => batches.push(BTreeMap::from([(id, reading)])),
        }
    }
    batches.into_iter().map(|batch| batch.into_values().collect()).collect()
}

#[tokio::test]
async fn shuffled_replays_converge_to_the_last_reading_of_each_poll() {
    let readings = readings(12, 40);
    for seed in 1..=3 {
        let database = Database::new().await;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut writer = database.writer();
        // Each of them comes twice.
        for batch in batches([readings.clone(), readings.clone()].concat(), &mut random) {
            for outcome in writer.write(&batch).await.unwrap() {
                assert_ne!(outcome.unwrap(), Written::Deleted, "seed {seed}");
            }
        }
        assert_is_the_last_of(&database, &readings).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_at_once_converge_too() {
    let database = Database::new().await;
    let readings = readings(12, 40);
    let processes: Vec<_> = (1..=4)
        .map(|seed| {
            let (mut writer, readings) = (database.writer(), readings.clone());
            tokio::spawn(async move {
                for batch in batches(readings, &mut fastrand::Rng::with_seed(seed)) {
                    for outcome in writer.write(&batch).await.unwrap() {
                        outcome.unwrap();
                    }
                }
            })
        })
        .collect();
    for process in processes {
        process.await.unwrap();
    }
    assert_is_the_last_of(&database, &readings).await;
}

#[tokio::test]
async fn what_changes_are_in_is_said_and_never_goes_back() {
    let database = Database::new().await;
    let mut writer = database.writer();
    let said = async || -> Option<Timestamp> {
        database.replayed().await;
        landslide_analytics::status::read_at(&database.open("READ").await, "the replica").await.unwrap()
    };
    assert_eq!(said().await, None);
    writer.read_until(at("2026-11-30T09:05:00Z")).await.unwrap();
    writer.read_until(at("2026-11-30T09:04:00Z")).await.unwrap();
    assert_eq!(said().await, Some(at("2026-11-30T09:05:00Z")));
}
