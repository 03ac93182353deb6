//! What the product's stores rely on in DynamoDB itself: conditions, limits, pages, the order of a stream.

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::future::join_all;
use landslide_aws::{
    clock::SystemClock,
    store::{Created, LaneStore, LaneStoreError, PutVote, StoreError},
};
use landslide_counting::tallies::{Tallies, TallyLimits};
use landslide_domain::{
    ballot::Ballot,
    change::{Change, VoteId},
    ids::{PollId, VoterKey},
    lane::LaneKey,
    poll::Rules,
    tally::{Counters, FLUSH_CHANGES_MAX, Head, Minute, RECENT_IDS_MAX, SEEN_ROW_IDS_MAX, SeenRow},
    testing::poll_asked_for,
    time::{MINUTE_MS, Timestamp},
    vote::Vote,
};
use serde_json::{Value, json};

use crate::support::{App, now_ms};

const ITEM_BYTES_MAX: usize = 400 * 1024;

fn voter() -> VoterKey {
    VoterKey::from_bytes(fastrand::u128(..).to_be_bytes())
}

fn now() -> Timestamp {
    Timestamp::from_millis(now_ms()).unwrap()
}

/// A lane that nobody else counts, of a poll that is nowhere else.
fn lane() -> LaneKey {
    LaneKey { poll: PollId::parse(&format!("test-{:016x}", fastrand::u64(..))).unwrap(), lane: 0 }
}

/// A poll of that many votes a second that is nowhere else.
fn rules(peak_votes_per_second: u32) -> Rules {
    let body = json!({"question": "?", "options": ["a", "b"], "peak_votes_per_second": peak_votes_per_second});
    let mut rules = poll_asked_for(body, now()).unwrap().rules;
    rules.settings.poll_id = lane().poll;
    rules
}

fn ids(count: usize) -> Vec<VoteId> {
    (0..count).map(|_| VoteId::new(&voter(), 1)).collect()
}

/// Ids that take as much room as ids can: no two are of one revision.
fn large_ids(count: usize) -> Vec<VoteId> {
    (1..=count as u32).map(|revision| VoteId::new(&voter(), revision)).collect()
}

fn head(version: u64, ballots: i64) -> Head {
    Head { version, counters: Counters::from_entries([("ballots".to_owned(), ballots)]), ..Head::default() }
}

#[tokio::test]
async fn a_vote_that_is_refused_brings_along_the_one_that_stands() {
    let app = App::new();
    let votes = app.aws.vote_store();
    let vote = |option: u64, revision, nonce| Vote {
        ballot: Ballot::of_options(&[option]),
        revision,
        cast_at: now(),
        lane: 3,
        nonce,
    };
    let (first, second, third) = (vote(0, 1, 7), vote(1, 1, 8), vote(2, 3, 9));
    for (poll, voter) in [(rules(1_000), voter()), (rules(250_000), voter())] {
        assert_eq!(votes.put(&poll, &voter, &first).await.unwrap(), PutVote::Stored);
        assert_eq!(votes.put(&poll, &voter, &second).await.unwrap(), PutVote::Exists(first.clone()));
        assert_eq!(votes.put(&poll, &voter, &third).await.unwrap(), PutVote::Exists(first.clone()));
        assert_eq!(votes.vote(&poll, &voter).await.unwrap(), Some(first.clone()));
        let [read] = &app.aws.votes_of(poll.settings.poll_id.as_str()).await[..] else { panic!("one vote") };
        let page = votes.page(&poll, poll.partitions.of(&voter), None).await.unwrap();
        assert_eq!((read.revision, page.votes), (1, vec![Ok((voter, first.clone()))]));
    }
}

#[tokio::test]
async fn two_writers_of_one_lane_meet_at_its_version() {
    let app = App::new();
    let (mine, theirs) = (app.aws.tally_store(), app.aws.tally_store());
    let lane = lane();
    mine.put_head(&lane, &head(1, 10), 0).await.unwrap();
    // Both begin from what stands. The first write wins, the second changes nothing.
    for version in 1..4 {
        assert_eq!(mine.read_head(&lane).await.unwrap().version, version);
        mine.put_head(&lane, &head(version + 1, 10), version).await.unwrap();
        let overtaken = theirs.put_head(&lane, &head(version + 1, 20), version).await;
        assert!(matches!(overtaken, Err(LaneStoreError::Conflict)), "{overtaken:?}");
        assert_eq!(theirs.read_head(&lane).await.unwrap(), head(version + 1, 10));
    }
    let late_first = theirs.put_head(&lane, &head(1, 20), 0).await;
    assert!(matches!(late_first, Err(LaneStoreError::Conflict)), "{late_first:?}");
}

#[tokio::test]
async fn the_readers_copy_never_goes_back() {
    let app = App::new();
    let tallies = app.aws.tally_store();
    let lane = lane();
    for (written, ballots) in [(2, 20), (1, 10), (2, 21), (3, 30), (1, 11)] {
        tallies.put_count(&lane, &head(written, ballots)).await.unwrap();
    }
    let copy = app.aws.tally(lane.poll.as_str(), 0, "COUNT").await;
    assert_eq!((&copy["version"]["N"], &copy["ballots"]["N"]), (&json!("3"), &json!("30")));
}

/// Four processes over the stack's own table, each with all changes in an order of its own, in batches small enough to
/// meet often.
#[tokio::test]
async fn processes_that_race_over_one_lane_count_each_change_once() {
    const PROCESSES: u64 = 4;
    const BATCH: usize = 9;
    const TRIES_MAX: u32 = 50;
    let app = App::new();
    let lane = lane();
    let changes: Vec<Change> = ids(60)
        .into_iter()
        .zip(0..)
        .map(|(id, n)| Change {
            id,
            cast_at: now().plus_millis(n % 3 * MINUTE_MS),
            from: None,
            to: Ballot::of_options(&[n % 2]),
        })
        .collect();
    join_all((0..PROCESSES).map(async |seed| {
        let counting = Tallies::new(app.aws.tally_store(), TallyLimits::remembering(4 * 1024), SystemClock);
        let mut mine = changes.clone();
        fastrand::Rng::with_seed(seed).shuffle(&mut mine);
        for batch in mine.chunks(BATCH) {
            // A process that is overtaken too often returns its messages, and the queue redelivers them.
            let mut tries = 0;
            while let Err(error) = counting.apply(&lane, batch).await {
                tries += 1;
                assert!(matches!(error, LaneStoreError::Conflict) && tries < TRIES_MAX, "{error}");
            }
        }
    }))
    .await;
    let head = app.aws.tally_store().read_head(&lane).await.unwrap();
    let counted = (head.counters.ballots(), head.counters.option(0), head.counters.option(1));
    assert_eq!(counted, (60, 30, 30));
    let copy = app.aws.tally(lane.poll.as_str(), 0, "COUNT").await;
    assert_eq!(copy["version"]["N"], head.version.to_string());
}

#[tokio::test]
async fn all_ids_of_a_minute_are_read_over_many_pages() {
    const ROWS: u64 = 5;
    let app = App::new();
    let tallies = app.aws.tally_store();
    let (lane, minute) = (lane(), Minute::of(now()));
    let mut written = Vec::new();
    for version in 1..=ROWS {
        let row = SeenRow { minute, version, ids: ids(SEEN_ROW_IDS_MAX) };
        tallies.put_seen(&lane, &row).await.unwrap();
        written.push(row.ids);
    }
    // Neighbours that are not asked for: the minutes before and after.
    for other in [now_ms() - MINUTE_MS, now_ms() + MINUTE_MS] {
        let row = SeenRow { minute: Minute::of(Timestamp::from_millis(other).unwrap()), version: 3, ids: ids(2) };
        tallies.put_seen(&lane, &row).await.unwrap();
    }
    assert!(tallies.read_all_seen(&lane, minute, 0).await.unwrap() == written.concat(), "not all ids of the minute");
    assert!(
        tallies.read_all_seen(&lane, minute, 2).await.unwrap() == written[2..].concat(),
        "not all ids above a version"
    );
    assert!(tallies.read_all_seen(&lane, minute, ROWS).await.unwrap().is_empty());
    // Or the above shows nothing of pages: a megabyte is one, and a row is a quarter of it. The neighbour before is in it too.
    let (rows, others_follow) = app.aws.first_page_of_seen(&lane.to_string()).await;
    assert!(rows < 1 + ROWS && others_follow, "{rows} rows on the first page, others follow: {others_follow}");
}

/// The largest items that counting makes: HEAD with every counter and as many ids as it may hold, and a full SEEN row.
#[tokio::test]
async fn the_largest_items_that_counting_makes_are_taken() {
    let app = App::new();
    let tallies = app.aws.tally_store();
    let lane = lane();
    let minute = |n: u64| Minute::of(Timestamp::from_millis(now_ms() + n * MINUTE_MS).unwrap());
    let mut head = head(1, i64::MAX);
    let counters = (0..100).map(|option| (format!("o{option}"), i64::MIN)).chain([("ballots".to_owned(), i64::MAX)]);
    head.counters = Counters::from_entries(counters);
    head.as_of = Some(now());
    // As many minutes as a portion has, and one id or more in each.
    const MINUTES: usize = 256;
    let per_minute = (RECENT_IDS_MAX + FLUSH_CHANGES_MAX).div_ceil(MINUTES);
    head.recent = (0..MINUTES as u64).map(|n| (minute(n), large_ids(per_minute))).collect();
    tallies.put_head(&lane, &head, 0).await.unwrap();
    assert_eq!(tallies.read_head(&lane).await.unwrap(), head);
    let row = SeenRow { minute: minute(0), version: u64::MAX - 1, ids: large_ids(SEEN_ROW_IDS_MAX) };
    tallies.put_seen(&lane, &row).await.unwrap();
    assert!(tallies.read_all_seen(&lane, minute(0), 0).await.unwrap() == row.ids);
}

#[tokio::test]
async fn an_item_over_the_limit_is_refused_for_good_and_changes_nothing() {
    let app = App::new();
    let tallies = app.aws.tally_store();
    let lane = lane();
    tallies.put_head(&lane, &head(1, 5), 0).await.unwrap();
    let mut too_large = head(2, 6);
    too_large.recent = [(Minute::of(now()), ids(ITEM_BYTES_MAX / 16))].into();
    let refused = tallies.put_head(&lane, &too_large, 1).await;
    assert!(matches!(&refused, Err(LaneStoreError::Broken(error)) if error.contains("size")), "{refused:?}");
    assert_eq!(tallies.read_head(&lane).await.unwrap(), head(1, 5));
    // To the byte: names count too.
    let key = lane.to_string();
    let names = "poll_lane".len() + key.len() + "item".len() + "SEEN".len() + "ids".len();
    let of_bytes = |bytes: usize| {
        let ids = BASE64_STANDARD.encode(vec![1; bytes - names]);
        json!({"poll_lane": {"S": key}, "item": {"S": "SEEN"}, "ids": {"B": ids}})
    };
    assert_eq!(app.aws.refusal_of_tally_item(&of_bytes(ITEM_BYTES_MAX)).await, None);
    let refusal = app.aws.refusal_of_tally_item(&of_bytes(ITEM_BYTES_MAX + 1)).await.unwrap();
    assert!(refusal.contains("ValidationException") && refusal.contains("size"), "{refusal}");
}

/// DynamoDB takes a transaction whole or not at all, also where only one of its items is too large.
#[tokio::test]
async fn a_transaction_over_a_limit_is_refused_for_good_and_writes_none_of_its_items() {
    let app = App::new();
    let polls = app.aws.poll_store();
    let mut poll = poll_asked_for(json!({"question": "?", "options": ["a", "b"]}), now()).unwrap();
    poll.rules.settings.poll_id = lane().poll;
    poll.options = vec!["x".repeat(ITEM_BYTES_MAX / 2); 2];
    let id = poll.rules.settings.poll_id.to_string();
    let refused = polls.create(&poll, &[]).await;
    assert!(matches!(&refused, Err(StoreError::Broken(error)) if error.contains("size")), "{refused:?}");
    assert_eq!(
        [app.aws.poll_item(&id, "RULES").await, app.aws.poll_item(&id, "OPTIONS").await],
        [Value::Null, Value::Null]
    );
    poll.options = vec!["x".repeat(200); 2];
    assert_eq!(polls.create(&poll, &[]).await.unwrap(), Created::New);
    let mut larger = poll.clone();
    larger.rules.settings.revision += 1;
    larger.rules.options_revision += 1;
    larger.options = vec!["x".repeat(ITEM_BYTES_MAX / 2); 2];
    let refused = polls.replace(&larger).await;
    assert!(matches!(&refused, Err(StoreError::Broken(error)) if error.contains("size")), "{refused:?}");
    assert!(polls.poll(&poll.rules.settings.poll_id, &SystemClock).await.unwrap().unwrap() == poll);
}

#[tokio::test]
async fn the_stream_holds_each_revision_of_a_vote_once_and_in_order() {
    const REVISIONS: u64 = 8;
    let app = App::new();
    let poll = app.poll(json!({"question": "?", "options": ["a", "b"], "vote_change": "until_close"})).await;
    let voters: Vec<String> = (0..3).map(|n| app.account(&format!("streamer-{n}-{poll}"))).collect();
    for n in 0..REVISIONS {
        join_all(voters.iter().map(async |voter| {
            let answer = app.vote(&poll, voter, &[n % 2]).await;
            assert_eq!(answer.status, 201, "{answer}");
            // The same again is no write, and leaves no record.
            assert_eq!(app.vote(&poll, voter, &[n % 2]).await.status, 200);
        }))
        .await;
    }
    let records = app.aws.stream_records_of(&poll).await;
    assert_eq!(records.len() as u64, REVISIONS * 3);
    for vote in app.aws.votes_of(&poll).await {
        let of_voter: Vec<&Value> = records
            .iter()
            .map(|record| &record["dynamodb"])
            .filter(|record| record["Keys"]["voter"]["S"] == json!(vote.voter))
            .collect();
        let revision = |image: &Value| image["revision"]["N"].as_str().map(|number| number.parse::<u64>().unwrap());
        let revisions: Vec<_> = of_voter.iter().map(|record| revision(&record["NewImage"])).collect();
        assert_eq!(revisions, (1..=REVISIONS).map(Some).collect::<Vec<_>>());
        for (earlier, later) in of_voter.iter().zip(of_voter.iter().skip(1)) {
            assert_eq!(later["OldImage"], earlier["NewImage"]);
        }
        assert!(of_voter[0]["OldImage"].is_null(), "{}", of_voter[0]);
    }
}
