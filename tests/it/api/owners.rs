//! What owners do with their polls: GET /v1/polls, PATCH /v1/polls/{poll_id} and POST …/close.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, assert_headers_of_all, in_ms};

mod changes;
mod closings;
mod lists;

const HOUR_MS: u64 = 3_600_000;

fn colours() -> Value {
    json!({"question": "Best colour?", "options": ["Red", "Blue"]})
}

/// Colours with these fields besides.
fn colours_with(fields: Value) -> Value {
    let mut body = colours();
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// A poll that opens in an hour.
async fn scheduled_poll(app: &App, owner: &str) -> String {
    app.poll_of(owner, colours_with(json!({"opens_at": in_ms(HOUR_MS), "closes_at": in_ms(2 * HOUR_MS)}))).await
}

/// GET /v1/polls with a query such as `?limit=1`.
async fn list(app: &App, token: &str, query: &str) -> Answer {
    Answer::of(app.request(Method::GET, &format!("/v1/polls{query}")).bearer_auth(token)).await
}

/// A poll's two items, as they are stored.
async fn stored(app: &App, poll: &str) -> [Value; 2] {
    [app.aws.poll_item(poll, "RULES").await, app.aws.poll_item(poll, "OPTIONS").await]
}

/// Fails unless the answer is 200 with the poll at the revision; the poll.
#[track_caller]
fn assert_at(answer: &Answer, revision: u64) -> Value {
    assert_eq!(answer.status, 200, "{answer}");
    let poll = answer.json();
    assert_eq!(poll["revision"], revision, "{answer}");
    assert_eq!(answer.header("etag"), format!("\"{revision}-{}\"", poll["status"].as_str().unwrap()), "{answer}");
    assert_eq!(answer.header("cache-control"), "private, no-store", "{answer}");
    assert_headers_of_all(answer);
    poll
}
