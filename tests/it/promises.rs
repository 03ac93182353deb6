//! The promises C1 to C7, each by name.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use landslide_domain::{change::Change, time::Timestamp};
use serde_json::{Value, json};

use crate::support::{
    App, assert_problem, eventually, in_ms, made_up_votes, message, now_ms, replay, someone, votes_by_option,
};

#[tokio::test]
async fn c1_fifty_racing_requests_of_one_voter_are_one_vote() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let voter = app.device().await;
    let answers = join_all((0..50).map(|_| app.vote(&poll, &voter, &[1]))).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    let others: Vec<String> =
        answers.iter().filter(|answer| !matches!(answer.status, 200 | 201)).map(ToString::to_string).collect();
    assert_eq!((count(201), count(200)), (1, 49), "{others:#?}");
    assert!(answers.iter().all(|answer| answer.json() == answers[0].json()));
    assert_eq!(app.aws.votes_of(&poll).await.len(), 1);
    app.results_settle_at(&poll, 1).await;
    let results = app.nothing_more_is_counted_than(&poll, 1).await;
    assert_eq!(votes_by_option(&results), [1, 1, 0]);
}

#[tokio::test]
async fn c2_what_got_a_2xx_is_stored_is_counted_and_may_be_repeated() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    for n in 0..20 {
        let voter = app.account(&someone());
        let vote = app.vote(&poll, &voter, &[n % 3]).await;
        assert_eq!(vote.status, 201, "{vote}");
        let (vote, mine) = (vote.json(), app.my_vote(&poll, &voter).await.json());
        assert_eq!(mine, vote, "it is not durable as it was answered");
        let again = app.vote(&poll, &voter, &[n % 3]).await;
        assert_eq!((again.status, again.json()), (200, vote));
    }
    let stored = app.aws.votes_of(&poll).await;
    assert_eq!(stored.len(), 20);
    assert!(stored.iter().all(|vote| vote.revision == 1 && vote.choices.len() == 1), "{stored:?}");
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, 20).await), [7, 7, 6]);
}

#[tokio::test]
async fn c3_the_counts_are_a_recount_of_the_votes_whatever_comes_twice() {
    let app = App::new();
    let poll = app.poll(json!({"question": "Which?", "options": ["a", "b", "c"], "kind": "multiple"})).await;
    let votes = join_all((0..60u64).map(|n| {
        let (app, poll) = (&app, &poll);
        async move {
            let choices: Vec<u64> = (0..3).filter(|option| (n % 7 + 1) >> option & 1 == 1).collect();
            app.vote(poll, &app.account(&someone()), &choices).await
        }
    }))
    .await;
    assert!(votes.iter().all(|vote| vote.status == 201));
    app.results_settle_at(&poll, 60).await;
    replay(&app, &poll, 3).await;
    let results = app.nothing_more_is_counted_than(&poll, 60).await;
    app.assert_recounted(&poll, &results).await;
}

#[tokio::test]
async fn c4_as_of_is_when_the_newest_counted_vote_was_cast_and_never_goes_down() {
    let app = App::new();
    let body = json!({"question": "Best colour?", "options": ["Red", "Blue", "Green"], "vote_change": "until_close"});
    let poll = app.poll(body).await;
    assert_eq!(app.results(&poll).await["as_of"], Value::Null);
    assert_eq!(app.aws.tally(&poll, 0, "COUNT").await, Value::Null);
    let voters: Vec<String> = (0..5).map(|_| app.account(&someone())).collect();
    let mut last = String::new();
    for (n, voter) in (1..).zip(&voters) {
        let vote = app.vote(&poll, voter, &[0]).await.json();
        assert_eq!(app.my_vote(&poll, voter).await.json(), vote, "voters see their vote at once");
        let as_of = app.results_settle_at(&poll, n).await["as_of"].as_str().unwrap().to_owned();
        assert_eq!(vote["cast_at"], as_of.as_str());
        assert!(as_of > last, "{as_of} after {last}");
        last = as_of;
    }
    let stored = stored_counts(&app, &poll, 1).await;
    let repeats_late_votes_and_changes = async {
        replay(&app, &poll, 2).await;
        let late = message(&poll, 0, (0..3).map(|_| vote_of_a_minute_ago(2)).collect());
        app.aws.send(app.stack.output("TallyQueueUrl"), &format!("{poll}#0"), &late).await;
        app.results_settle_at(&poll, 8).await;
        for voter in &voters {
            assert_eq!(app.vote(&poll, voter, &[1]).await.status, 201);
        }
        app.nothing_more_is_counted_than(&poll, 8).await
    };
    let (results, looks) = watched(&app, &poll, 1, repeats_late_votes_and_changes, StoredCount::is_not_before).await;
    assert!(looks > 10, "{looks} looks show nothing");
    assert_eq!(votes_by_option(&results), [1, 5, 3]);
    assert!(stored_counts(&app, &poll, 1).await[0].as_of > stored[0].as_of);
}

/// A made-up first vote of a minute ago, which is counted after newer ones.
fn vote_of_a_minute_ago(option: u64) -> Change {
    let cast_at = Timestamp::from_millis(now_ms() - 60_000).unwrap();
    Change { cast_at, ..made_up_votes([option])[0].clone() }
}

/// The readers' copy of a lane's tally.
#[derive(Debug)]
struct StoredCount {
    version: i64,
    as_of: i64,
    ballots: i64,
    options: Vec<i64>,
}

impl StoredCount {
    /// Whether it is as new as another one, or newer.
    fn is_not_before(&self, other: &Self) -> bool {
        self.version >= other.version && self.as_of >= other.as_of
    }

    /// Whether it says as much as another one, or more, too: so it must where votes don't change.
    fn is_not_below(&self, other: &Self) -> bool {
        let options_up = self.options.iter().zip(&other.options).all(|(own, other)| own >= other);
        self.is_not_before(other) && self.ballots >= other.ballots && options_up
    }
}

/// Looks at the readers' copy of each lane, again and again while something goes on, and fails if one does not follow from
/// the one before. What came of it, and how many looks there were.
async fn watched<T>(
    app: &App,
    poll: &str,
    lanes: u64,
    what_goes_on: impl Future<Output = T>,
    follows: impl Fn(&StoredCount, &StoredCount) -> bool,
) -> (T, usize) {
    let done = AtomicBool::new(false);
    let work = async {
        let outcome = what_goes_on.await;
        done.store(true, Ordering::Relaxed);
        outcome
    };
    let watch = async {
        let mut looks = 0;
        let mut before = stored_counts(app, poll, lanes).await;
        while !done.load(Ordering::Relaxed) {
            let now = stored_counts(app, poll, lanes).await;
            for (now, before) in now.iter().zip(&before) {
                assert!(follows(now, before), "{before:?} became {now:?}");
            }
            before = now;
            looks += 1;
            tokio::task::yield_now().await;
        }
        looks
    };
    tokio::join!(work, watch)
}

async fn stored_counts(app: &App, poll: &str, lanes: u64) -> Vec<StoredCount> {
    join_all((0..lanes).map(async |lane| {
        let item = app.aws.tally(poll, lane, "COUNT").await;
        let number = |name: &str| item[name]["N"].as_str().map_or(0, |number| number.parse().unwrap());
        let options = (0..3).map(|id| number(&format!("o{id}"))).collect();
        StoredCount { version: number("version"), as_of: number("as_of"), ballots: number("ballots"), options }
    }))
    .await
}

#[tokio::test]
async fn c5_stored_counts_never_go_down_not_even_when_lanes_are_added() {
    const LANES: u64 = 4;
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let vote = async {
        app.votes_for(&poll, (0..60).map(|n| n % 3)).await;
        app.set_lanes_and_vote_on(&poll, LANES).await;
        let votes = app.aws.votes_of(&poll).await.len() as u64;
        app.results_settle_at(&poll, votes).await
    };
    let (results, looks) = watched(&app, &poll, LANES, vote, StoredCount::is_not_below).await;
    assert!(looks > 10, "{looks} looks show nothing");
    app.assert_recounted(&poll, &results).await;
    let lanes: std::collections::BTreeSet<u64> = app.aws.votes_of(&poll).await.iter().map(|vote| vote.lane).collect();
    assert_eq!(lanes.len() as u64, LANES, "{lanes:?}");
}

impl App {
    /// Gives a poll more lanes while votes come in, and waits until every lane has votes.
    async fn set_lanes_and_vote_on(&self, poll: &str, lanes: u64) {
        self.aws.set_lanes(poll, lanes).await;
        eventually("votes in every lane", async || {
            self.votes_for(poll, [0, 1, 2, 0, 1, 2]).await;
            let votes = self.aws.votes_of(poll).await;
            let used = (0..lanes).filter(|lane| votes.iter().any(|vote| vote.lane == *lane)).count() as u64;
            if used == lanes { Ok(()) } else { Err(format!("{used} lanes of {lanes}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn c6_no_vote_is_accepted_at_or_after_the_closing_time() {
    const CONNECTIONS: usize = 8;
    // For how long an answer that says yes may still be on its way.
    const LATE_MAX_MS: u64 = 20_000;
    let app = App::new();
    let closes_at = now_ms() + 4_000;
    let closes = Timestamp::from_millis(closes_at).unwrap();
    let poll = app.poll(json!({"question": "Now?", "options": ["a", "b"], "closes_at": closes})).await;
    let accepted = join_all((0..CONNECTIONS).map(|_| async {
        let mut accepted = 0u64;
        loop {
            let answer = app.vote(&poll, &app.account(&someone()), &[0]).await;
            if answer.status != 201 {
                assert_problem(&answer, 409, "poll_closed");
                assert!(now_ms() >= closes_at, "closed too early");
                return accepted;
            }
            accepted += 1;
            assert!(now_ms() < closes_at + LATE_MAX_MS, "it takes votes {LATE_MAX_MS} ms after closing");
        }
    }))
    .await;
    let accepted: u64 = accepted.iter().sum();
    let stored = app.aws.votes_of(&poll).await;
    assert_eq!(stored.len() as u64, accepted, "what got no 201 is not stored");
    let late: Vec<_> = stored.iter().filter(|vote| vote.cast_at >= closes).collect();
    assert!(late.is_empty() && accepted > 0, "{accepted} accepted, late: {late:?}");
    let results = app.results_settle_at(&poll, accepted).await;
    assert_eq!(results["status"], "closed");
    app.assert_recounted(&poll, &results).await;
}

/// The tables of bad bodies are in `bad_input`; this is the promise at its edges: nothing changes, in no table.
#[tokio::test]
async fn c7_bad_input_gets_a_4xx_and_changes_nothing() {
    let app = App::new();
    let subject = someone();
    let owner = app.account(&subject);
    let poll = app.poll(json!({"question": "Now?", "options": ["a", "b"], "closes_at": in_ms(3_600_000)})).await;
    let voter = app.account("alice");
    assert_eq!(app.vote(&poll, &voter, &[0]).await.status, 201);
    let counted = app.results_settle_at(&poll, 1).await;
    let before = (app.aws.poll_item(&poll, "RULES").await, app.aws.votes_of(&poll).await[0].item.clone());
    let path = format!("/v1/polls/{poll}/votes");
    for (token, path, body, status, code) in [
        (&voter, path.as_str(), json!({"choices": ["0"]}), 400, "invalid_request"),
        (&voter, path.as_str(), json!({"choices": [2]}), 422, "invalid_choice"),
        (&voter, path.as_str(), json!({"choices": [1]}), 409, "already_voted"),
        (&owner, "/v1/polls", json!({"question": "Q"}), 400, "invalid_request"),
        (&owner, "/v1/polls", json!({"question": "Q", "options": ["a", "a"]}), 400, "invalid_request"),
    ] {
        assert_problem(&app.post(path, token, &body).await, status, code);
    }
    let after = (app.aws.poll_item(&poll, "RULES").await, app.aws.votes_of(&poll).await[0].item.clone());
    assert_eq!(after, before);
    assert_eq!(app.results_settle_at(&poll, 1).await, counted);
    assert_eq!(app.aws.polls_of(&app.issuer.owner(&subject)).await, 0);
}
