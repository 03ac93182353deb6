//! POST /v1/devices.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, assert_headers_of_all, assert_problem, in_ms};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

async fn register(app: &App, content_type: Option<&str>, body: &str) -> Answer {
    let mut request = app.request(Method::POST, "/v1/devices").body(body.to_owned());
    if let Some(content_type) = content_type {
        request = request.header("Content-Type", content_type);
    }
    Answer::of(request).await
}

#[tokio::test]
async fn a_device_is_registered_without_a_body_or_with_an_empty_object() {
    let app = App::new();
    let json = Some("application/json");
    for (content_type, body) in [(None, ""), (json, ""), (json, "{}"), (json, " {\n} ")] {
        let answer = register(&app, content_type, body).await;
        assert_eq!(answer.status, 201, "{body:?}: {answer}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_headers_of_all(&answer);
        let device: Value = answer.json();
        let names: Vec<&String> = device.as_object().unwrap().keys().collect();
        assert_eq!(names, ["expires_at", "token"]);
        let expires_at = device["expires_at"].as_str().unwrap();
        assert!(expires_at > in_ms(399 * DAY_MS).as_str() && expires_at < in_ms(401 * DAY_MS).as_str(), "{expires_at}");
    }
}

#[tokio::test]
async fn a_body_that_is_more_than_an_empty_object_is_refused() {
    let app = App::new();
    let json = Some("application/json");
    let problem = assert_problem(&register(&app, json, r#"{"id": "mine"}"#).await, 400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/id");
    for body in ["[]", "null", "{", "7", "{} {}", "\u{fffd}"] {
        assert_problem(&register(&app, json, body).await, 400, "invalid_request");
    }
    assert_problem(&register(&app, json, &" ".repeat(300_000)).await, 413, "body_too_large");
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        assert_problem(&register(&app, content_type, "{}").await, 415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn each_device_is_a_voter_of_its_own() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let (first, second) = (app.device().await, app.device().await);
    assert_ne!(first, second);
    assert_eq!(app.vote(&poll, &first, &[0]).await.status, 201);
    assert_eq!(app.vote(&poll, &second, &[0]).await.status, 201);
    assert_eq!(app.vote(&poll, &second, &[0]).await.status, 200);
    assert_eq!(app.aws.votes_of(&poll).await.len(), 2);
}

#[tokio::test]
async fn a_device_has_no_identity_that_is_stored() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let device = app.device().await;
    app.vote(&poll, &device, &[0]).await;
    app.vote(&poll, &app.account("a-name-to-look-for"), &[0]).await;
    let stored = json!(app.aws.votes_of(&poll).await.into_iter().map(|vote| vote.item).collect::<Vec<_>>()).to_string();
    let claims = device.split('.').nth(1).unwrap();
    assert!(
        !stored.contains("a-name-to-look-for") && !stored.contains(claims) && !stored.contains("issuer"),
        "{stored}"
    );
}
