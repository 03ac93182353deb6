//! GET /v1/audit: what was done in a tenant's name, who did it and in which request.

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Answer, App, assert_headers_of_all, assert_problem, eventually, someone};

/// GET /v1/audit with a query such as `?limit=1`.
async fn list(app: &App, token: &str, query: &str) -> Answer {
    Answer::of(app.request(Method::GET, &format!("/v1/audit{query}")).bearer_auth(token)).await
}

fn rows(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()["rows"].as_array().unwrap().clone()
}

/// The tenant's rows, oldest first. Waits until there are as many, as they come by the stream.
async fn log_of(app: &App, token: &str, count: usize) -> Vec<Value> {
    eventually(&format!("log of {count} rows"), async || {
        let mut rows = rows(&list(app, token, "?limit=100").await);
        rows.reverse();
        if rows.len() == count { Ok(rows) } else { Err(format!("{rows:?}")) }
    })
    .await
}

fn colours() -> Value {
    json!({"question": "Best colour?", "options": ["Red", "Blue"]})
}

#[tokio::test]
async fn a_poll_that_is_created_edited_and_closed_leaves_a_row_each_that_says_who_did_what() {
    let app = App::new();
    let subject = someone();
    let owner = app.account(&subject);
    let poll = &*app.poll_of(&owner, colours()).await;
    let edit = json!({"peak_votes_per_second": 9_000});
    assert_eq!(app.change_poll(poll, &owner, "\"1\"", &edit).await.status, 200);
    let closed = app.close_poll(poll, &owner).await.json();
    let rows = log_of(&app, &owner, 3).await;
    let entries: Vec<&Value> = rows.iter().map(|row| &row["entry"]).collect();
    let told = |name: &str| entries.iter().map(|entry| entry[name].clone()).collect::<Vec<_>>();
    assert_eq!(told("event"), [1, 2, 3].map(|revision| json!(format!("{poll}#{revision}"))));
    assert_eq!(told("action"), ["poll.created", "poll.edited", "poll.closed"].map(Value::from));
    assert_eq!(told("revision"), [1, 2, 3].map(Value::from));
    for entry in &entries {
        assert_eq!(entry["author"]["kind"], "account", "{entry}");
        assert_eq!(entry["author"]["subject"], subject, "{entry}");
        assert!(entry["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{entry}");
        assert!(entry["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{entry}");
    }
    let from_nothing = &entries[0]["changes"];
    assert_eq!(from_nothing["question"], json!({"from": null, "to": "Best colour?"}));
    assert_eq!(from_nothing["tenant"]["to"]["value"], subject);
    assert_eq!(entries[1]["changes"], json!({"peak_votes_per_second": {"from": 1_000, "to": 9_000}}));
    assert_eq!(entries[2]["changes"], json!({"closes_at": {"from": null, "to": closed["closes_at"]}}));
}

#[tokio::test]
async fn changed_labels_are_in_the_row_and_a_refused_change_leaves_none() {
    let app = App::new();
    let owner = app.account(&someone());
    let mut body = colours();
    body["opens_at"] = json!(crate::support::in_ms(3_600_000));
    let poll = app.poll_of(&owner, body).await;
    let refused = app.change_poll(&poll, &owner, "\"7\"", &json!({"question": "Which?"})).await;
    assert_problem(&refused, 412, "revision_mismatch");
    let relabelled = json!({"options": ["Red", "Green"]});
    assert_eq!(app.change_poll(&poll, &owner, "\"1\"", &relabelled).await.status, 200);
    let labels = log_of(&app, &owner, 2).await[1]["entry"]["changes"]["options"].clone();
    // Their record may be in another batch than the revision's, and then their values are not at hand.
    let known = json!({"from": ["Red", "Blue"], "to": ["Red", "Green"]});
    assert!(labels == known || labels == json!({"from": null, "to": null}), "{labels}");
}

#[tokio::test]
async fn anyone_who_has_the_rows_can_compute_their_hashes() {
    let app = App::new();
    let subject = someone();
    let owner = app.account(&subject);
    for question in ["Best colour?", "\u{201c}Wie fühlt's sich an?\u{201d} \\ / 🌈 e\u{301}"] {
        app.poll_of(&owner, json!({"question": question, "options": ["Red", "Blue"]})).await;
    }
    log_of(&app, &owner, 2).await;
    // The text as it was sent, since a parsed entry could be written in another way.
    let text = list(&app, &owner, "").await.body;
    let rows: Vec<&str> = text.split("\"entry\":").skip(1).collect();
    let mut later = None;
    for row in rows {
        let (entry, rest) = row.split_once(",\"previous\":").unwrap();
        let rest: Value =
            serde_json::from_str(&format!("{{\"previous\":{}", &rest[..=rest.find('}').unwrap()])).unwrap();
        let sequence = if later.is_none() { 2 } else { 1 };
        let hashed = format!("{}\n{sequence}\n{entry}", rest["previous"].as_str().unwrap());
        let hash: String = Sha256::digest(hashed).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(rest["hash"], hash, "{row}");
        assert!(later.is_none_or(|previous| previous == hash), "row 2 names row 1");
        later = Some(rest["previous"].as_str().unwrap().to_owned());
    }
}

#[tokio::test]
async fn another_tenant_sees_nothing_of_it_and_a_device_is_refused() {
    let app = App::new();
    let owner = app.account(&someone());
    app.poll_of(&owner, colours()).await;
    app.poll_of(&owner, colours()).await;
    log_of(&app, &owner, 2).await;
    let other = app.account(&someone());
    let answer = list(&app, &other, "").await;
    assert_eq!((rows(&answer), &answer.json()["next_cursor"]), (vec![], &json!(null)));
    let page = list(&app, &owner, "?limit=1").await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_problem(&list(&app, &other, &format!("?cursor={cursor}")).await, 400, "invalid_request");
    assert_problem(&list(&app, &app.device().await, "").await, 403, "forbidden");
    assert_problem(&app.get("/v1/audit").await, 401, "unauthorized");
}

#[tokio::test]
async fn pages_lead_from_the_newest_row_to_the_oldest_without_repeats_or_gaps() {
    const ROWS: usize = 5;
    let app = App::new();
    let owner = app.account(&someone());
    for _ in 0..ROWS {
        app.poll_of(&owner, colours()).await;
    }
    log_of(&app, &owner, ROWS).await;
    for limit in 1..=ROWS + 1 {
        let (mut walked, mut pages, mut query) = (Vec::new(), 0, format!("?limit={limit}"));
        loop {
            let answer = list(&app, &owner, &query).await;
            assert_eq!(answer.header("cache-control"), "private, no-store");
            assert_headers_of_all(&answer);
            walked.extend(rows(&answer).iter().map(|row| row["sequence"].as_u64().unwrap()));
            pages += 1;
            match answer.json()["next_cursor"].as_str() {
                Some(cursor) => query = format!("?limit={limit}&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!((walked, pages), ((1..=5).rev().collect(), ROWS.div_ceil(limit)), "limit {limit}");
    }
    for query in ["?limit=0", "?limit=101", "?limit=x", "?cursor=x", "?cursor=cm93LjE"] {
        assert_problem(&list(&app, &owner, query).await, 400, "invalid_request");
    }
}
