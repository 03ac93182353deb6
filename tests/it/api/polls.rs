//! POST /v1/polls and GET /v1/polls/{poll_id}.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, assert_headers_of_all, assert_problem, eventually, for_anyone, in_ms, someone};

fn colours() -> Value {
    json!({"question": "Best colour?", "options": ["Red", "Blue"]})
}

/// POST /v1/polls with an idempotency key.
async fn create_once(app: &App, owner: &str, key: &str, body: &Value) -> Answer {
    let request = app.request(Method::POST, "/v1/polls").bearer_auth(owner).header("Idempotency-Key", key).json(body);
    Answer::of(request).await
}

#[tokio::test]
async fn a_poll_of_question_and_options_has_the_defaults_of_the_contract() {
    let app = App::new();
    let answer = app.create_poll(&app.account("alice"), &colours()).await;
    assert_eq!(answer.status, 201, "{answer}");
    let mut poll = answer.json();
    let id = poll["poll_id"].as_str().unwrap().to_owned();
    assert!(
        (1..=40).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'),
        "{id}"
    );
    assert_eq!(answer.header("location"), format!("polls/{id}"));
    assert_eq!(answer.header("etag"), "\"1-open\"");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_headers_of_all(&answer);
    let created_at = poll["created_at"].take();
    assert!(created_at.as_str().unwrap() <= in_ms(0).as_str() && created_at.as_str().unwrap() > "2026", "{created_at}");
    let expected = json!({
        "poll_id": id, "status": "open", "question": "Best colour?",
        "options": [{"id": 0, "label": "Red"}, {"id": 1, "label": "Blue"}], "kind": "single", "max_choices": 1,
        "min_choices": 1, "write_in": false, "scale": null, "correct": null,
        "seats": 1, "method": null, "segments": [], "min_cell": 5, "series": false,
        "opens_at": null, "closes_at": null, "identity": "device", "vote_change": "never", "results": "always",
        "peak_votes_per_second": 1000, "viewers": null, "own_vote": "show", "devices": "own", "embed": [],
        "listed": false, "paused_from": null, "lot_seed_sha256": null, "revision": 1,
        "created_at": null, "offered_to": null,
    });
    assert_eq!(poll, expected);
}

#[tokio::test]
async fn every_field_comes_back_as_it_was_sent() {
    let app = App::new();
    let (opens_at, closes_at) = (in_ms(3_600_000), in_ms(7_200_000));
    let body = json!({
        "question": " What  is it? ", "options": ["a", "b", "c"], "kind": "multiple", "max_choices": 2,
        "opens_at": opens_at, "closes_at": closes_at, "identity": "account", "vote_change": "never",
        "results": "always", "peak_votes_per_second": 250000, "viewers": 1000000,
    });
    let answer = app.create_poll(&app.account("alice"), &body).await;
    assert_eq!(answer.status, 201, "{answer}");
    let poll = answer.json();
    for name in ["kind", "max_choices", "opens_at", "closes_at", "identity", "peak_votes_per_second", "viewers"] {
        assert_eq!(poll[name], body[name], "{name}");
    }
    assert_eq!((&poll["status"], &poll["question"]), (&json!("scheduled"), &json!("What  is it?")));
}

#[tokio::test]
async fn a_multiple_poll_takes_all_of_its_options_by_default() {
    let app = App::new();
    let body = json!({"question": "Which?", "options": ["a", "b", "c"], "kind": "multiple"});
    assert_eq!(app.create_poll(&app.account("alice"), &body).await.json()["max_choices"], 3);
}

#[tokio::test]
async fn times_with_an_offset_come_back_in_utc() {
    let app = App::new();
    let mut body = colours();
    body["closes_at"] = json!("2099-01-01T01:30:00+02:00");
    assert_eq!(app.create_poll(&app.account("alice"), &body).await.json()["closes_at"], "2098-12-31T23:30:00.000Z");
}

#[tokio::test]
async fn making_a_poll_takes_an_account() {
    let app = App::new();
    assert_problem(&app.create_poll(&app.device().await, &colours()).await, 403, "forbidden");
    assert_problem(&Answer::of(app.request(Method::POST, "/v1/polls").json(&colours())).await, 401, "unauthorized");
}

#[tokio::test]
async fn the_salt_and_the_owner_stay_inside() {
    let app = App::new();
    let answer = app.create_poll(&app.account(&someone()), &colours()).await;
    let poll = answer.json()["poll_id"].as_str().unwrap().to_owned();
    let rules = app.aws.poll_item(&poll, "RULES").await;
    let salt = rules["salt"]["B"].as_str().unwrap();
    for shown in [answer.body, app.get(&format!("/v1/polls/{poll}")).await.body, app.results(&poll).await.to_string()] {
        assert!(!shown.contains(salt) && !shown.contains("someone-") && !shown.contains("request_hash"), "{shown}");
    }
}

#[tokio::test]
async fn the_same_key_and_body_find_the_poll_already_made() {
    let app = App::new();
    let (subject, key) = (someone(), someone());
    let owner = app.account(&subject);
    let first = create_once(&app, &owner, &key, &colours()).await;
    assert_eq!(first.status, 201, "{first}");
    // The same as a parsed body, not as bytes: other order, white space, and a default written out.
    let same = json!({"options": [" Red", "Blue "], "max_choices": 1, "question": "Best colour?", "closes_at": null});
    let again = create_once(&app, &owner, &key, &same).await;
    assert_eq!(again.status, 200, "{again}");
    assert_eq!(again.json(), first.json());
    assert_eq!((again.header("etag"), again.header("location")), (first.header("etag"), first.header("location")));
    assert_eq!(app.aws.polls_of(&app.issuer.owner(&subject)).await, 1);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    let app = App::new();
    let (owner, key) = (app.account(&someone()), someone());
    assert_eq!(create_once(&app, &owner, &key, &colours()).await.status, 201);
    let other = json!({"question": "Best colour?", "options": ["Red", "Green"]});
    assert_problem(&create_once(&app, &owner, &key, &other).await, 409, "idempotency_conflict");
}

#[tokio::test]
async fn a_repeat_is_answered_before_any_check_of_times() {
    let app = App::new();
    let (owner, key) = (app.account(&someone()), someone());
    let mut body = colours();
    body["closes_at"] = json!(in_ms(4_000));
    let first = create_once(&app, &owner, &key, &body).await.json();
    let repeated = eventually("repeat of a poll that has closed", async || {
        let answer = create_once(&app, &owner, &key, &body).await;
        assert_eq!(answer.status, 200, "{answer}");
        if answer.json()["status"] == "closed" { Ok(answer.json()) } else { Err(answer.body) }
    })
    .await;
    assert_eq!(repeated["poll_id"], first["poll_id"]);
}

#[tokio::test]
async fn a_key_is_its_owners_alone() {
    let app = App::new();
    let key = someone();
    let alice = create_once(&app, &app.account(&someone()), &key, &colours()).await;
    let bob = create_once(&app, &app.account(&someone()), &key, &colours()).await;
    assert_eq!((alice.status, bob.status), (201, 201));
    assert_ne!(alice.json()["poll_id"], bob.json()["poll_id"]);
}

#[tokio::test]
async fn concurrent_creates_with_one_key_make_one_poll() {
    let app = App::new();
    let (owner, key, body) = (app.account(&someone()), someone(), colours());
    let answers = join_all((0..8).map(|_| create_once(&app, &owner, &key, &body))).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let repeated = answers.iter().filter(|answer| answer.status == 200).count();
    let shown: Vec<String> = answers.iter().map(ToString::to_string).collect();
    assert_eq!((created, repeated), (1, 7), "{shown:#?}");
    assert!(answers.iter().all(|answer| answer.json() == answers[0].json()), "{shown:#?}");
}

#[tokio::test]
async fn of_concurrent_creates_with_one_key_and_other_bodies_one_wins() {
    let app = App::new();
    let (owner, key) = (app.account(&someone()), someone());
    let bodies: Vec<Value> = (0..8).map(|n| json!({"question": format!("{n}?"), "options": ["a", "b"]})).collect();
    let answers = join_all(bodies.iter().map(|body| create_once(&app, &owner, &key, body))).await;
    let (won, lost): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(won.len(), 1, "{:#?}", answers.iter().map(ToString::to_string).collect::<Vec<_>>());
    lost.into_iter().for_each(|answer| drop(assert_problem(answer, 409, "idempotency_conflict")));
    let poll = won[0].json();
    let kept = app.get(&format!("/v1/polls/{}", poll["poll_id"].as_str().unwrap())).await.json();
    assert_eq!(kept, for_anyone(&poll));
}

#[tokio::test]
async fn a_key_has_1_to_255_visible_characters() {
    let app = App::new();
    let owner = app.account(&someone());
    for (key, status) in [
        ("!", 201),
        (&"~".repeat(255), 201),
        (&"k".repeat(256), 400),
        ("", 400),
        ("a b", 400),
        ("k\u{e9}y", 400),
        ("a\tb", 400),
    ] {
        let value = http::HeaderValue::from_bytes(key.as_bytes()).unwrap();
        let request = app.request(Method::POST, "/v1/polls").bearer_auth(&owner).header("Idempotency-Key", value);
        let answer = Answer::of(request.json(&colours())).await;
        match status {
            201 => assert_eq!(answer.status, 201, "{key:?}: {answer}"),
            _ => drop(assert_problem(&answer, status, "invalid_request")),
        }
    }
}

#[tokio::test]
async fn anyone_reads_a_poll_and_may_keep_it_for_two_seconds() {
    let app = App::new();
    let created = app.create_poll(&app.account("alice"), &colours()).await.json();
    let path = format!("/v1/polls/{}", created["poll_id"].as_str().unwrap());
    let answer = app.get(&path).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.json(), for_anyone(&created));
    assert_eq!(answer.header("cache-control"), "public, max-age=2");
    assert_eq!(answer.header("etag"), "\"1-open\"");
    assert_headers_of_all(&answer);
    let asked_with = async |tag: &str| Answer::of(app.request(Method::GET, &path).header("If-None-Match", tag)).await;
    let known = asked_with("\"1-open\"").await;
    assert_eq!((known.status, known.body.as_str(), known.header("etag")), (304, "", "\"1-open\""));
    for tag in ["\"1\"", "\"1-scheduled\"", "\"2-open\""] {
        let other = asked_with(tag).await;
        assert_eq!((other.status, other.json()), (200, for_anyone(&created)), "{tag}");
    }
}

#[tokio::test]
async fn a_polls_status_moves_with_time() {
    let app = App::new();
    let mut body = colours();
    (body["opens_at"], body["closes_at"]) = (json!(in_ms(4_000)), json!(in_ms(8_000)));
    let poll = app.poll(body).await;
    for expected in ["scheduled", "open", "closed"] {
        let tag = eventually(expected, async || {
            let answer = app.get(&format!("/v1/polls/{poll}")).await;
            if answer.json()["status"] == expected { Ok(answer.header("etag").to_owned()) } else { Err(answer.body) }
        })
        .await;
        assert_eq!(tag, format!("\"1-{expected}\""));
    }
}

#[tokio::test]
async fn an_id_that_no_poll_has_is_not_found() {
    let app = App::new();
    let odd = [
        "nobody",
        &"x".repeat(41),
        "a.b",
        "a%20b",
        "%C3%A9",
        "a%00",
        "%F0%9F%92%A9",
        "a%23b",
        "..%2fa",
        "%25",
        "'",
        "*",
    ];
    for id in odd {
        for path in [format!("/v1/polls/{id}"), format!("/v1/polls/{id}/results")] {
            let answer = app.get(&path).await;
            assert_eq!(answer.status, 404, "{path}: {answer}");
            assert_problem(&answer, 404, "not_found");
        }
        let path = format!("/v1/polls/{id}/votes");
        let answer = app.post(&path, &app.account("alice"), &json!({"choices": [0]})).await;
        assert_eq!(answer.status, 404, "{path}: {answer}");
        assert_problem(&answer, 404, "not_found");
    }
}
