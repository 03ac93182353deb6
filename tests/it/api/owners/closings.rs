//! POST …/close.

use futures_util::future::join_all;
use http::Method;
use landslide_domain::{lease::PROPAGATION_MS, time::Timestamp};
use serde_json::{Value, json};

use super::{HOUR_MS, assert_at, colours, colours_with, scheduled_poll, stored};
use crate::support::{Answer, App, SKEW_MS, assert_problem, eventually, in_ms, now_ms, someone};

#[tokio::test]
async fn closing_lies_nine_seconds_ahead_and_is_the_same_again() {
    let app = App::new();
    let owner = app.account(&someone());
    for body in [colours(), colours_with(json!({"closes_at": in_ms(HOUR_MS)}))] {
        let mut poll = app.create_poll(&owner, &body).await.json();
        let id = poll["poll_id"].as_str().unwrap().to_owned();
        let asked = now_ms();
        let first = assert_at(&app.close_poll(&id, &owner).await, 2);
        let answered = now_ms();
        (poll["revision"], poll["closes_at"]) = (json!(2), first["closes_at"].clone());
        assert_eq!(first, poll);
        let at = |millis: u64| Timestamp::from_millis(millis).unwrap().to_string();
        let (earliest, latest) = (at(asked + PROPAGATION_MS - SKEW_MS), at(answered + PROPAGATION_MS + SKEW_MS));
        let closes_at = first["closes_at"].as_str().unwrap();
        assert!(earliest.as_str() <= closes_at && closes_at <= latest.as_str(), "{earliest} {closes_at} {latest}");
        let close = app.request(Method::POST, &format!("/v1/polls/{id}/close")).bearer_auth(&owner);
        let again = assert_at(&Answer::of(close.json(&json!({}))).await, 2);
        assert_eq!(again["closes_at"], first["closes_at"]);
        eventually("closing for readers", async || {
            let shown = app.shown(&id).await;
            if shown["closes_at"] == first["closes_at"] { Ok(()) } else { Err(shown.to_string()) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_closing_that_is_nearer_already_stays() {
    let app = App::new();
    let owner = app.account(&someone());
    let closes_at = in_ms(PROPAGATION_MS - SKEW_MS);
    let poll = app.poll_of(&owner, colours_with(json!({"closes_at": closes_at}))).await;
    let closed = assert_at(&app.close_poll(&poll, &owner).await, 1);
    assert_eq!(closed["closes_at"], closes_at);
}

#[tokio::test]
async fn a_poll_is_not_closed_before_it_opens_nor_by_a_request_with_fields() {
    let app = App::new();
    let owner = app.account(&someone());
    let (scheduled, open) = (scheduled_poll(&app, &owner).await, app.poll_of(&owner, colours()).await);
    let before = [stored(&app, &scheduled).await, stored(&app, &open).await];
    assert_problem(&app.close_poll(&scheduled, &owner).await, 409, "poll_not_open");
    let path = format!("/v1/polls/{open}/close");
    let problem = assert_problem(&app.post(&path, &owner, &json!({"closes_at": null})).await, 400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/closes_at", "{problem}");
    let text = app.request(Method::POST, &path).bearer_auth(&owner).body("now");
    assert_problem(&Answer::of(text).await, 415, "unsupported_media_type");
    assert_eq!([stored(&app, &scheduled).await, stored(&app, &open).await], before);
}

#[tokio::test]
async fn of_closings_that_race_all_say_the_same_time() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, colours()).await;
    let answers = join_all((0..6).map(|_| app.close_poll(&poll, &owner))).await;
    let polls: Vec<Value> = answers.iter().map(|answer| assert_at(answer, 2)).collect();
    assert!(polls.iter().all(|poll| poll["closes_at"] == polls[0]["closes_at"]), "{polls:#?}");
    assert_eq!(app.aws.poll_item(&poll, "RULES").await["revision"]["N"], "2");
}
