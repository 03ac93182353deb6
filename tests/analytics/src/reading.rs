//! What the API's queries answer.

use landslide_analytics::reader::{Day, Moment, Ranked, Value, Window};

use crate::{
    database::{Database, at},
    snapshots::{id, snapshot, tenant},
};

fn window(from: &str, until: &str) -> Window {
    Window { from: at(from), until: at(until) }
}

/// Two polls with votes in two months.
async fn database() -> Database {
    let database = Database::new().await;
    let mut writer = database.writer();
    for (poll, version, time, votes) in [
        ("p1", 2, "2026-10-30T23:59:59Z", [100, 0]),
        ("p1", 3, "2026-11-01T10:00:00Z", [100, 4]),
        ("p1", 4, "2026-11-02T10:00:00Z", [101, 6]),
        ("p2", 2, "2026-11-01T00:00:00Z", [5, 0]),
        ("p2", 3, "2026-11-02T10:00:30Z", [5, 10]),
    ] {
        writer.write(&[snapshot(poll, "alice", version, at(time), votes)]).await.unwrap().remove(0).unwrap();
    }
    writer.write(&[snapshot("p3", "bob", 2, at("2026-11-02T10:00:00Z"), [500, 0])]).await.unwrap().remove(0).unwrap();
    writer.read_until(at("2026-11-02T10:01:00Z")).await.unwrap();
    database.replayed().await;
    database
}

fn ranked(poll: &str, votes: i64, ballots: i64) -> Ranked {
    let question = format!("What of {poll}?");
    Ranked { poll_id: poll.to_owned(), question, kind: "single".to_owned(), votes, ballots }
}

#[tokio::test]
async fn polls_are_ranked_by_what_the_window_added_alone() {
    let database = database().await;
    let reader = database.reader();
    let november = window("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    let answer = reader.ranking(&tenant("alice"), november, 10).await.unwrap();
    assert_eq!(answer.rows, [ranked("p2", 15, 15), ranked("p1", 7, 107)]);
    assert_eq!(answer.read_at, Some(at("2026-11-02T10:01:00Z")));
    let first = reader.ranking(&tenant("alice"), november, 1).await.unwrap();
    assert_eq!(first.rows, [ranked("p2", 15, 15)]);
    let october = window("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    assert_eq!(reader.ranking(&tenant("alice"), october, 10).await.unwrap().rows, [ranked("p1", 100, 107)]);
}

#[tokio::test]
async fn days_are_those_of_utc_over_all_polls_or_of_one() {
    let database = database().await;
    let (reader, alice) = (database.reader(), tenant("alice"));
    let november = window("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    let day = |day: &str, votes| Day { day: day.to_owned(), votes };
    let all = reader.days(&alice, november, None).await.unwrap().rows;
    assert_eq!(all, [day("2026-11-01", 9), day("2026-11-02", 13)]);
    let one = reader.days(&alice, november, Some(&id("p1"))).await.unwrap().rows;
    assert_eq!(one, [day("2026-11-01", 4), day("2026-11-02", 3)]);
}

#[tokio::test]
async fn votes_by_region_add_up_over_polls() {
    let database = database().await;
    let values = database.reader().values(&tenant("alice"), "region").await.unwrap().rows;
    let value = |value: Option<&str>, ballots| Value { value: value.map(str::to_owned), polls: 2, ballots };
    assert_eq!(values, [value(Some("north"), 106), value(None, 16)]);
    assert_eq!(database.reader().values(&tenant("alice"), "country").await.unwrap().rows, []);
}

#[tokio::test]
async fn a_polls_history_has_a_row_a_minute_and_is_its_tenants_alone() {
    let database = database().await;
    let (reader, all) = (database.reader(), window("2026-10-01T00:00:00Z", "2026-12-01T00:00:00Z"));
    let history = reader.history(&tenant("alice"), &id("p2"), all, 10).await.unwrap().rows;
    let moment = |minute: &str, as_of: &str, votes: [i64; 2]| Moment {
        minute: at(minute),
        as_of: at(as_of),
        ballots: votes[0] + votes[1],
        votes: votes.to_vec(),
    };
    let expected = vec![
        moment("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", [5, 0]),
        moment("2026-11-02T10:00:00Z", "2026-11-02T10:00:30Z", [5, 10]),
    ];
    assert_eq!(history, Some(expected.clone()));
    let first = reader.history(&tenant("alice"), &id("p2"), all, 1).await.unwrap().rows;
    assert_eq!(first, Some(expected[..1].to_vec()));
    assert_eq!(reader.history(&tenant("bob"), &id("p2"), all, 10).await.unwrap().rows, None);
    assert_eq!(reader.history(&tenant("alice"), &id("none"), all, 10).await.unwrap().rows, None);
}
