//! Strict closing (C6): processes remember a poll, and still no vote is taken at or after `closes_at`, none refused
//! before it.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use landslide_domain::time::Timestamp;
use serde_json::{Value, json};

use crate::support::{
    App, SKEW_MS, assert_problem, assert_several_processes, eventually, in_ms, now_ms, someone, votes_by_option,
};

/// How many voters vote at once: enough that several processes of cast-vote run, each with a poll that it remembers.
const CONNECTIONS: usize = 8;
/// For how long after closing an answer that says yes may still be on its way.
const LATE_MAX_MS: u64 = 20_000;

/// What came of votes that ran into a closing.
struct Rush {
    /// A voter of each connection whose vote was taken, the last one before closing.
    last: Vec<String>,
    /// How many were taken.
    accepted: u64,
}

fn time(value: &Value) -> Timestamp {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// New voters vote on `CONNECTIONS` connections, again and again, while `close` closes the poll, until each connection
/// is refused. Fails if one is refused before the time at which the poll says it closes.
async fn vote_through(app: &App, poll: &str, close: impl AsyncFnOnce() -> Timestamp) -> (Rush, Timestamp) {
    let (closing, votes_after_answer) = (std::sync::OnceLock::<Timestamp>::new(), AtomicBool::new(false));
    let vote = join_all((0..CONNECTIONS).map(|_| async {
        let (mut last, mut accepted) = (String::new(), 0u64);
        loop {
            let subject = someone();
            let answer = app.vote(poll, &app.account(&subject), &[0]).await;
            if answer.status != 201 {
                assert_problem(&answer, 409, "poll_closed");
                let closes_at = closing.get().unwrap_or_else(|| panic!("closed before its closing was answered"));
                assert!(now_ms() + SKEW_MS >= closes_at.as_millis(), "closed too early");
                return Rush { last: vec![last], accepted };
            }
            if closing.get().is_some() {
                votes_after_answer.store(true, Ordering::Relaxed);
            }
            (last, accepted) = (subject, accepted + 1);
            let late = closing.get().is_some_and(|closes_at| now_ms() > closes_at.as_millis() + LATE_MAX_MS);
            assert!(!late, "it takes votes {LATE_MAX_MS} ms after closing");
        }
    }));
    let close = async {
        eventually("votes of every connection", async || {
            let votes = app.aws.votes_of(poll).await.len();
            if votes > 2 * CONNECTIONS { Ok(()) } else { Err(format!("{votes} votes")) }
        })
        .await;
        let closes_at = close().await;
        closing.set(closes_at).unwrap();
        closes_at
    };
    let (rushes, closes_at) = tokio::join!(vote, close);
    assert!(votes_after_answer.into_inner(), "none of the votes before closes_at was taken");
    let accepted = rushes.iter().map(|rush| rush.accepted).sum();
    (Rush { last: rushes.into_iter().flat_map(|rush| rush.last).collect(), accepted }, closes_at)
}

/// Fails unless exactly the votes that were taken are stored, each cast before the poll closed.
async fn assert_strict(app: &App, poll: &str, accepted: u64, closes_at: Timestamp) {
    let stored = app.aws.votes_of(poll).await;
    assert_eq!(stored.len() as u64, accepted, "what got no 201 is not stored");
    let late: Vec<_> = stored.iter().filter(|vote| vote.cast_at >= closes_at).collect();
    assert!(late.is_empty(), "cast at or after {closes_at}: {late:?}");
}

#[tokio::test]
async fn warm_processes_take_votes_until_an_early_closing_and_none_from_then_on() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, json!({"question": "Now?", "options": ["a", "b"]})).await;
    let close = async || {
        assert_several_processes(&app);
        let answer = app.close_poll(&poll, &owner).await;
        assert_eq!(answer.status, 200, "{answer}");
        time(&answer.json()["closes_at"])
    };
    let (rush, closes_at) = vote_through(&app, &poll, close).await;
    assert_strict(&app, &poll, rush.accepted, closes_at).await;
    // Who voted in time may ask again what became of it, and nothing else.
    for voter in rush.last.iter().filter(|voter| !voter.is_empty()).map(|voter| app.account(voter)) {
        let stands = app.my_vote(&poll, &voter).await.json();
        let again = app.vote(&poll, &voter, &[0]).await;
        assert_eq!((again.status, again.json()), (200, stands));
        assert_problem(&app.vote(&poll, &voter, &[1]).await, 409, "poll_closed");
    }
    assert_problem(&app.vote(&poll, &app.account(&someone()), &[0]).await, 409, "poll_closed");
    let again = app.close_poll(&poll, &owner).await.json();
    assert_eq!((time(&again["closes_at"]), &again["status"]), (closes_at, &json!("closed")));
    let results = app.results_settle_at(&poll, rush.accepted).await;
    assert_eq!(results["status"], "closed");
    app.assert_recounted(&poll, &results).await;
    assert_strict(&app, &poll, rush.accepted, closes_at).await;
}

#[tokio::test]
async fn a_closing_that_is_moved_nearer_is_as_strict() {
    let app = App::new();
    let owner = app.account(&someone());
    let body = json!({"question": "Now?", "options": ["a", "b"], "closes_at": in_ms(3_600_000)});
    let poll = app.poll_of(&owner, body).await;
    let close = async || {
        let closes_at = in_ms(11_000);
        let answer = app.change_poll(&poll, &owner, "\"1\"", &json!({"closes_at": closes_at})).await;
        assert_eq!(answer.status, 200, "{answer}");
        assert_eq!(answer.json()["closes_at"], closes_at);
        time(&json!(closes_at))
    };
    let (rush, closes_at) = vote_through(&app, &poll, close).await;
    assert_strict(&app, &poll, rush.accepted, closes_at).await;
    let results = app.results_settle_at(&poll, rush.accepted).await;
    app.assert_recounted(&poll, &results).await;
}

#[tokio::test]
async fn a_closing_that_is_moved_away_refuses_nobody() {
    let app = App::new();
    let owner = app.account(&someone());
    let closed_at = now_ms() + 12_000;
    let body = json!({"question": "Now?", "options": ["a", "b"], "closes_at": Timestamp::from_millis(closed_at)});
    let poll = app.poll_of(&owner, body).await;
    // Every process remembers the old closing.
    app.votes_for(&poll, [0; 2 * CONNECTIONS]).await;
    let answer = app.change_poll(&poll, &owner, "\"1\"", &json!({"closes_at": null})).await;
    assert_eq!(answer.status, 200, "{answer}");
    let mut votes = 2 * CONNECTIONS as u64;
    while now_ms() < closed_at + SKEW_MS {
        app.votes_for(&poll, [0; CONNECTIONS]).await;
        votes += CONNECTIONS as u64;
    }
    app.votes_for(&poll, [1; CONNECTIONS]).await;
    let results = app.results_recounted(&poll).await;
    assert_eq!(votes_by_option(&results), [votes, CONNECTIONS as u64]);
    assert_eq!(results["status"], "open");
}

#[tokio::test]
async fn a_vote_that_changes_or_goes_does_so_until_the_early_closing_and_not_after() {
    let app = App::new();
    let owner = app.account(&someone());
    let body = json!({"question": "Now?", "options": ["a", "b"], "vote_change": "until_close"});
    let poll = app.poll_of(&owner, body).await;
    let (changing, retracted) = (app.account(&someone()), app.account(&someone()));
    assert_eq!(app.vote(&poll, &retracted, &[1]).await.status, 201);
    let closes_at = time(&app.close_poll(&poll, &owner).await.json()["closes_at"]);
    assert_eq!(app.retract(&poll, &retracted).await.status, 204);
    let mut revision = 0u64;
    let refused = eventually("closing", async || {
        let answer = app.vote(&poll, &changing, &[revision % 2]).await;
        if answer.status != 201 {
            return Ok(answer);
        }
        revision += 1;
        assert_eq!(answer.json()["revision"], revision);
        Err(answer.body)
    })
    .await;
    assert_problem(&refused, 409, "poll_closed");
    let stands = app.my_vote(&poll, &changing).await.json();
    assert!(time(&stands["cast_at"]) < closes_at && revision > 1, "{stands} and {closes_at}");
    assert_eq!((&stands["revision"], &stands["choices"]), (&json!(revision), &json!([(revision - 1) % 2])));
    assert_problem(&app.retract(&poll, &changing).await, 409, "poll_closed");
    let repeated = app.vote(&poll, &changing, &[(revision - 1) % 2]).await;
    assert_eq!((repeated.status, repeated.json()), (200, stands));
    // A retracted vote stays retracted, and a repeated request is safe.
    assert_eq!(app.retract(&poll, &retracted).await.status, 204);
    assert_problem(&app.vote(&poll, &retracted, &[1]).await, 409, "poll_closed");
    assert_problem(&app.retract(&poll, &app.account(&someone())).await, 404, "not_found");
    let mut expected = [0, 0];
    expected[usize::try_from((revision - 1) % 2).unwrap()] = 1;
    assert_eq!(votes_by_option(&app.results_recounted(&poll).await), expected);
    assert!(app.aws.votes_of(&poll).await.iter().all(|vote| vote.cast_at < closes_at));
}
