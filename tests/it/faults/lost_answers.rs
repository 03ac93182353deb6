//! Votes whose answer never comes (C2): they stand, and who asks again learns so, also when the poll has closed since.

use std::time::Duration;

use http::Method;
use landslide_domain::time::Timestamp;
use serde_json::{Value, json};

use crate::support::{Answer, App, assert_problem, eventually, passes, someone};

/// How long is looked for an answer at a time.
const LOOK: Duration = Duration::from_millis(100);

/// Sends a vote, and hangs up once it is stored, with the answer unread.
async fn vote_and_hang_up(app: &App, poll: &str, token: &str, body: &Value) {
    let before = app.aws.votes_of(poll).await.len();
    let headers = [("Authorization", &*format!("Bearer {token}")), ("Content-Type", "application/json")];
    let path = format!("/v1/polls/{poll}/votes");
    let connection = app.send_raw(&Method::POST, &path, &headers, &body.to_string()).await;
    eventually("vote that is stored", async || {
        let stored = async || app.aws.votes_of(poll).await.len() > before;
        if stored().await {
            return Ok(());
        }
        // What is answered is done: without a vote then, the answer is none that a client would lose, but a refusal.
        let mut answer = [0; 4_096];
        match tokio::time::timeout(LOOK, connection.peek(&mut answer)).await {
            Ok(read) if !stored().await => panic!("{}", String::from_utf8_lossy(&answer[..read.unwrap()])),
            _ => Err("none, and no answer".to_owned()),
        }
    })
    .await;
    drop(connection);
}

async fn vote_again(app: &App, poll: &str, token: &str, body: &Value) -> Answer {
    Answer::of(app.request(Method::POST, &format!("/v1/polls/{poll}/votes")).bearer_auth(token).json(body)).await
}

#[tokio::test]
async fn a_retry_after_the_closing_learns_that_the_vote_stands_and_nobody_else_gets_in() {
    let app = App::new();
    if app.stack.lacks("plain-http") {
        return;
    }
    tokio::join!(votes_stand(&app, "never"), votes_stand(&app, "until_close"));
}

async fn votes_stand(app: &App, vote_change: &str) {
    let owner = app.account(&someone());
    let body =
        json!({"question": "Which?", "options": ["a", "b", "c"], "kind": "multiple", "vote_change": vote_change});
    let poll = app.poll_of(&owner, body).await;
    let (open, closed) = (app.account(&someone()), app.account(&someone()));
    let body = json!({"choices": [2, 0]});
    for voter in [&open, &closed] {
        vote_and_hang_up(app, &poll, voter, &body).await;
    }
    // While it is open.
    let again = vote_again(app, &poll, &open, &body).await;
    assert_eq!((again.status, &again.json()["revision"]), (200, &json!(1)), "{again}");
    let closes_at = app.close_poll(&poll, &owner).await.json()["closes_at"].take();
    let closes_at: Timestamp = serde_json::from_value(closes_at).unwrap();
    passes(closes_at).await;
    for voter in [&open, &closed] {
        for same in [&body, &json!({"choices": [0, 2]})] {
            let again = vote_again(app, &poll, voter, same).await;
            let stands = app.my_vote(&poll, voter).await;
            assert_eq!((again.status, again.json()), (200, stands.json()), "{again}");
            assert_eq!(again.json()["choices"], json!([0, 2]));
        }
        for other in [json!({"choices": [0]}), json!({"choices": [0, 1, 2]})] {
            assert_problem(&vote_again(app, &poll, voter, &other).await, 409, "poll_closed");
        }
        assert_problem(&vote_again(app, &poll, voter, &json!({"choices": []})).await, 422, "invalid_choice");
    }
    assert_problem(&vote_again(app, &poll, &app.account(&someone()), &body).await, 409, "poll_closed");
    let stored = app.aws.votes_of(&poll).await;
    let in_time = stored.iter().all(|vote| vote.revision == 1 && vote.cast_at < closes_at);
    assert!(stored.len() == 2 && in_time, "{closes_at}: {stored:?}");
    let results = app.results_settle_at(&poll, 2).await;
    app.assert_recounted(&poll, &results).await;
}
