//! POST /v1/polls/{poll_id}/copy.

use serde_json::{Value, json};

use crate::support::{Answer, App, assert_headers_of_all, assert_problem, in_ms, someone};

async fn copy(app: &App, poll: &str, owner: &str, key: Option<&str>, body: &Value) -> Answer {
    let request = app.request(http::Method::POST, &format!("/v1/polls/{poll}/copy")).bearer_auth(owner).json(body);
    Answer::of(match key {
        Some(key) => request.header("Idempotency-Key", key),
        None => request,
    })
    .await
}

/// A poll that closes in a while; its id.
async fn source(app: &App, owner: &str) -> String {
    let body = json!({"question": "Best colur?", "options": ["Red", "Blue"], "kind": "multiple", "results": "after_vote",
        "vote_change": "until_close", "identity": "account", "viewers": 5000, "own_vote": "hide", "embed": ["https://news.example"], "closes_at": in_ms(3_600_000)});
    app.poll_of(owner, body).await
}

/// What a copy has of its own.
fn without_its_own(poll: &Value) -> Value {
    let mut poll = poll.clone();
    for name in ["poll_id", "created_at", "revision", "status", "paused_from", "offered_to"] {
        poll.as_object_mut().unwrap().remove(name);
    }
    poll
}

#[tokio::test]
async fn a_copy_has_the_settings_and_labels_and_none_of_the_votes() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = source(&app, &owner).await;
    let voter = app.account(&someone());
    assert_eq!(app.vote(&poll, &voter, &[1]).await.status, 201);
    app.post_without_body(&format!("/v1/polls/{poll}/pause"), &owner).await;
    let answer = app.post_without_body(&format!("/v1/polls/{poll}/copy"), &owner).await;
    assert_eq!(answer.status, 201, "{answer}");
    assert_headers_of_all(&answer);
    let made = answer.json();
    let id = made["poll_id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("../{id}"));
    assert_eq!(answer.header("etag"), "\"1-open\"");
    assert_eq!((&made["paused_from"], &made["revision"]), (&Value::Null, &json!(1)));
    assert_eq!(without_its_own(&made), without_its_own(&app.shown(&poll).await));
    assert_ne!(id, poll);
    assert_eq!(app.aws.poll_item(id, "RULES").await["copied_from"]["S"], json!(poll));
    assert_problem(&app.my_vote(id, &voter).await, 404, "not_found");
    assert_eq!(app.vote(id, &voter, &[0]).await.status, 201);
}

#[tokio::test]
async fn a_typo_is_mended_in_a_copy_and_its_times_may_be_new() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = source(&app, &owner).await;
    let opens_at = in_ms(7_200_000);
    let body = json!({"question": "Best colour?", "opens_at": opens_at, "closes_at": null});
    let made = copy(&app, &poll, &owner, None, &body).await.json();
    assert_eq!(
        (&made["question"], &made["opens_at"], &made["closes_at"]),
        (&json!("Best colour?"), &opens_at.into(), &Value::Null)
    );
    assert_eq!((&made["status"], &made["results"]), (&json!("scheduled"), &json!("after_vote")));
    let bad = copy(&app, &poll, &owner, None, &json!({"options": ["a"], "closes_at": in_ms(0)})).await;
    assert_problem(&bad, 400, "invalid_request");
    let unknown = copy(&app, &poll, &owner, None, &json!({"paused_from": in_ms(0)})).await;
    assert_problem(&unknown, 400, "invalid_request");
}

#[tokio::test]
async fn a_repeat_is_known_by_its_key_though_the_source_was_edited_in_between() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = source(&app, &owner).await;
    let body = json!({"question": "Best colour?"});
    let first = copy(&app, &poll, &owner, Some("k"), &body).await;
    assert_eq!(first.status, 201, "{first}");
    let edited = app.change_poll(&poll, &owner, "*", &json!({"closes_at": null})).await;
    assert_eq!(edited.status, 200, "{edited}");
    let again = copy(&app, &poll, &owner, Some("k"), &body).await;
    assert_eq!((again.status, &again.json()["poll_id"]), (200, &first.json()["poll_id"]), "{again}");
    assert_eq!(again.header("location"), first.header("location"));
    assert_problem(&copy(&app, &poll, &owner, Some("k"), &json!({})).await, 409, "idempotency_conflict");
    let other = source(&app, &owner).await;
    assert_problem(&copy(&app, &other, &owner, Some("k"), &body).await, 409, "idempotency_conflict");
    let created = app.request(http::Method::POST, "/v1/polls").bearer_auth(&owner).header("Idempotency-Key", "k");
    let created = Answer::of(created.json(&json!({"question": "Q", "options": ["a", "b"]}))).await;
    assert_problem(&created, 409, "idempotency_conflict");
}

#[tokio::test]
async fn nobody_copies_what_is_not_theirs() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = source(&app, &owner).await;
    assert_problem(&copy(&app, &poll, &app.account(&someone()), None, &json!({})).await, 403, "forbidden");
    assert_problem(&copy(&app, &poll, &app.device().await, None, &json!({})).await, 403, "forbidden");
    assert_problem(&copy(&app, "nobody", &owner, None, &json!({})).await, 404, "not_found");
}
