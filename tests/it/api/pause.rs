//! Pausing and resuming: processes remember a poll, and still no vote is taken from `paused_from` on, until it is resumed.

use std::time::Duration;

use futures_util::future::join_all;
use landslide_domain::time::Timestamp;
use serde_json::{Value, json};

use crate::support::{Answer, App, SKEW_MS, assert_problem, eventually, in_ms, now_ms, someone};

/// How many voters vote at once: enough that several processes of cast-vote run, each with a poll that it remembers.
const CONNECTIONS: usize = 8;
/// For longer than this no process refuses votes by a pause that it has read, in milliseconds: a second, and some for the
/// way.
const REMEMBERED_MS: u64 = 1_200;

fn body() -> Value {
    json!({"question": "Now?", "options": ["a", "b"]})
}

async fn pause(app: &App, poll: &str, owner: &str) -> Answer {
    app.post_without_body(&format!("/v1/polls/{poll}/pause"), owner).await
}

async fn resume(app: &App, poll: &str, owner: &str) -> Answer {
    app.post_without_body(&format!("/v1/polls/{poll}/resume"), owner).await
}

/// Fails unless the answer is 200 with the poll at the revision; from when on it is paused.
#[track_caller]
fn paused_from(answer: &Answer, revision: u64) -> Option<Timestamp> {
    assert_eq!(answer.status, 200, "{answer}");
    let poll = answer.json();
    assert_eq!(poll["revision"], revision, "{answer}");
    assert_eq!(answer.header("etag"), format!("\"{revision}-{}\"", poll["status"].as_str().unwrap()), "{answer}");
    assert_eq!(answer.header("cache-control"), "private, no-store", "{answer}");
    serde_json::from_value(poll["paused_from"].clone()).unwrap()
}

/// Fails unless a vote is refused because the poll is paused.
#[track_caller]
fn assert_paused(answer: &Answer) {
    assert_problem(answer, 409, "poll_paused");
    assert_eq!(answer.header("retry-after"), "30", "{answer}");
}

/// New voters vote on `CONNECTIONS` connections, again and again, until each connection is refused. Fails if one is refused
/// before the pause. How many were taken, and the last voter of each connection.
async fn vote_until_the_pause(
    app: &App,
    poll: &str,
    pause: impl AsyncFnOnce() -> Timestamp,
) -> (u64, Vec<String>, Timestamp) {
    let begins = std::sync::OnceLock::<Timestamp>::new();
    let vote = join_all((0..CONNECTIONS).map(|_| async {
        let (mut last, mut accepted) = (String::new(), 0u64);
        loop {
            let subject = someone();
            let answer = app.vote(poll, &app.account(&subject), &[0]).await;
            if answer.status != 201 {
                assert_paused(&answer);
                let paused_from = begins.get().unwrap_or_else(|| panic!("paused before that was answered"));
                assert!(now_ms() + SKEW_MS >= paused_from.as_millis(), "paused too early");
                return (accepted, last);
            }
            (last, accepted) = (subject, accepted + 1);
        }
    }));
    let pause = async {
        eventually("votes of every connection", async || {
            let votes = app.aws.votes_of(poll).await.len();
            if votes > 2 * CONNECTIONS { Ok(()) } else { Err(format!("{votes} votes")) }
        })
        .await;
        let paused_from = pause().await;
        begins.set(paused_from).unwrap();
        paused_from
    };
    let (voted, paused_from) = tokio::join!(vote, pause);
    (voted.iter().map(|(accepted, _)| accepted).sum(), voted.into_iter().map(|(_, last)| last).collect(), paused_from)
}

#[tokio::test]
async fn no_vote_is_taken_from_paused_from_on_until_it_is_resumed() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, body()).await;
    let pause = async || paused_from(&pause(&app, &poll, &owner).await, 2).unwrap();
    let (accepted, last, begins) = vote_until_the_pause(&app, &poll, pause).await;
    let stored = app.aws.votes_of(&poll).await;
    assert_eq!(stored.len() as u64, accepted, "what got no 201 is not stored");
    let late: Vec<_> = stored.iter().filter(|vote| vote.cast_at >= begins).collect();
    assert!(late.is_empty(), "cast at or after {begins}: {late:?}");

    // Who voted before may ask again what became of it, and see it.
    for voter in last.iter().filter(|voter| !voter.is_empty()).map(|voter| app.account(voter)) {
        let stands = app.my_vote(&poll, &voter).await.json();
        let again = app.vote(&poll, &voter, &[0]).await;
        assert_eq!((again.status, again.json()), (200, stands));
        assert_paused(&app.vote(&poll, &voter, &[1]).await);
    }
    let shown = eventually("the pause", async || {
        let shown = app.shown(&poll).await;
        if shown["status"] == "paused" { Ok(shown) } else { Err(shown.to_string()) }
    })
    .await;
    assert_eq!(shown["paused_from"], json!(begins));
    let results = app.results_settle_at(&poll, accepted).await;
    assert_eq!(results["status"], "paused");

    assert_eq!(paused_from(&resume(&app, &poll, &owner).await, 3), None);
    // A process may have read the pause within the last second, and then refuses until that is over.
    tokio::time::sleep(Duration::from_millis(REMEMBERED_MS)).await;
    app.votes_for(&poll, [0; CONNECTIONS]).await;
    let results = app.results_recounted(&poll).await;
    assert_eq!(results["status"], "open");
}

#[tokio::test]
async fn a_repeated_pause_or_resume_changes_nothing() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, body()).await;
    assert_eq!(paused_from(&resume(&app, &poll, &owner).await, 1), None);
    let begins = paused_from(&pause(&app, &poll, &owner).await, 2);
    assert!(begins.is_some_and(|begins| begins.as_millis() + SKEW_MS >= now_ms()));
    assert_eq!(paused_from(&pause(&app, &poll, &owner).await, 2), begins);
    assert_eq!(app.vote(&poll, &app.account(&someone()), &[0]).await.status, 201, "it has not begun");
    for _ in 0..2 {
        assert_eq!(paused_from(&resume(&app, &poll, &owner).await, 3), None);
    }
}

#[tokio::test]
async fn votes_that_may_change_stay_as_they_are_in_a_pause() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll =
        app.poll_of(&owner, json!({"question": "Now?", "options": ["a", "b"], "vote_change": "until_close"})).await;
    let [voter, retracted] = [0, 1].map(|_| app.account(&someone()));
    for voter in [&voter, &retracted] {
        assert_eq!(app.vote(&poll, voter, &[0]).await.status, 201);
    }
    assert_eq!(app.retract(&poll, &retracted).await.status, 204);
    pause(&app, &poll, &owner).await;
    let refused = eventually("the pause", async || {
        let answer = app.vote(&poll, &app.account(&someone()), &[0]).await;
        if answer.status == 201 { Err(answer.body) } else { Ok(answer) }
    })
    .await;
    assert_paused(&refused);
    assert_paused(&app.vote(&poll, &voter, &[1]).await);
    assert_paused(&app.retract(&poll, &voter).await);
    assert_paused(&app.vote(&poll, &retracted, &[0]).await);
    assert_eq!(app.retract(&poll, &retracted).await.status, 204, "the same again");
    assert_eq!(app.vote(&poll, &voter, &[0]).await.status, 200, "the same again");
    assert_eq!(app.my_vote(&poll, &voter).await.status, 200);
}

#[tokio::test]
async fn a_paused_poll_is_listed_as_such_changed_and_closed() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, body()).await;
    let begins = paused_from(&pause(&app, &poll, &owner).await, 2);
    let listed = eventually("the poll in the list", async || {
        let listed = Answer::of(app.request(http::Method::GET, "/v1/polls").bearer_auth(&owner)).await.json();
        let first = listed["polls"][0].clone();
        if first.is_null() { Err(listed.to_string()) } else { Ok(first) }
    })
    .await;
    assert_eq!((&listed["paused_from"], &listed["revision"]), (&json!(begins), &json!(2)), "as fresh as the poll");
    let changed = app.change_poll(&poll, &owner, "\"2-paused\"", &json!({"peak_votes_per_second": 9_000})).await;
    assert_eq!(paused_from(&changed, 3), begins);
    assert_problem(&app.change_poll(&poll, &owner, "*", &json!({"paused_from": null})).await, 400, "invalid_request");
    let closed = app.close_poll(&poll, &owner).await;
    assert_eq!(paused_from(&closed, 4), begins);
}

#[tokio::test]
async fn only_an_open_poll_is_paused_and_only_by_those_who_manage_it() {
    let app = App::new();
    let owner = app.account(&someone());
    let scheduled =
        app.poll_of(&owner, json!({"question": "Q", "options": ["a", "b"], "opens_at": in_ms(3_600_000)})).await;
    let closing = json!({"question": "Q", "options": ["a", "b"], "closes_at": in_ms(2_000)});
    let closed = app.poll_of(&owner, closing).await;
    let open = app.poll_of(&owner, body()).await;
    let stranger = app.account(&someone());
    let device = app.device().await;
    eventually("the closing", async || {
        let status = app.shown(&closed).await["status"].clone();
        if status == "closed" { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    for path in ["pause", "resume"] {
        let ask =
            async |poll: &str, token: &str| app.post_without_body(&format!("/v1/polls/{poll}/{path}"), token).await;
        assert_problem(&ask(&scheduled, &owner).await, 409, "poll_not_open");
        assert_problem(&ask(&closed, &owner).await, 409, "poll_closed");
        assert_problem(&ask("nobody", &owner).await, 404, "not_found");
        assert_problem(&ask(&open, &stranger).await, 403, "forbidden");
        assert_problem(&ask(&open, &device).await, 403, "forbidden");
        let answer = app.post(&format!("/v1/polls/{open}/{path}"), &owner, &json!({"until": "tomorrow"})).await;
        assert_problem(&answer, 400, "invalid_request");
    }
    assert_eq!(app.shown(&open).await["revision"], 1);
}
