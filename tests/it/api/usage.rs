//! GET /v1/usage.

use http::Method;
use serde_json::json;

use crate::support::{Answer, App, assert_headers_of_all, assert_problem, eventually, someone};

async fn usage(app: &App, token: &str, query: &str) -> Answer {
    Answer::of(app.request(Method::GET, &format!("/v1/usage{query}")).bearer_auth(token)).await
}

#[tokio::test]
async fn a_months_usage_is_its_polls_the_ballots_they_hold_and_the_requests() {
    const POLLS: u64 = 3;
    let app = App::new();
    let owner = app.account(&someone());
    let mut polls = Vec::new();
    for _ in 0..POLLS {
        polls.push(app.poll_of(&owner, json!({"question": "Which?", "options": ["a", "b"]})).await);
    }
    app.aws.set_lanes(&polls[1], 4).await;
    for (poll, votes) in polls.iter().zip([0, 7, 2]) {
        app.votes_for(poll, (0..votes).map(|n| n % 2)).await;
        app.results_settle_at(poll, votes).await;
    }
    let answer = eventually("all polls", async || {
        let answer = usage(&app, &owner, "").await;
        assert_eq!(answer.status, 200, "{answer}");
        if answer.json()["polls"] == POLLS { Ok(answer) } else { Err(answer.to_string()) }
    })
    .await;
    let shown = answer.json();
    let date = landslide_domain::time::Timestamp::from_millis(crate::support::now_ms()).unwrap().day();
    assert_eq!(shown["month"], &date[..7]);
    assert_eq!(
        (&shown["ballots"], &shown["complete"], &shown["list_price_usd"]),
        (&json!(9), &json!(true), &json!(0.0))
    );
    assert!(shown["requests"].as_u64().unwrap() > POLLS, "{answer}");
    assert!(shown["notes"][0].as_str().unwrap().contains("not attributed"), "{answer}");
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert_headers_of_all(&answer);

    let before = usage(&app, &owner, "?month=2020-02").await;
    let nothing = json!({"month": "2020-02", "polls": 0, "ballots": 0, "requests": 0, "list_price_usd": 0.0,
        "complete": true, "notes": shown["notes"]});
    assert_eq!((before.status, before.json()), (200, nothing));
    let others = usage(&app, &app.account(&someone()), "").await;
    assert_eq!(others.json()["polls"], 0);
}

#[tokio::test]
async fn every_role_may_see_usage_and_a_device_may_not() {
    let app = App::new();
    let organisation = someone();
    for role in ["owner", "editor", "viewer"] {
        let member = app.account_with(&someone(), &json!({"organisation": organisation, "role": role}));
        assert_eq!(usage(&app, &member, "").await.status, 200, "{role}");
    }
    assert_problem(&usage(&app, &app.device().await, "").await, 403, "forbidden");
    assert_problem(&app.get("/v1/usage").await, 401, "unauthorized");
}

#[tokio::test]
async fn what_is_no_month_is_refused() {
    let app = App::new();
    let owner = app.account(&someone());
    for month in ["", "2026", "2026-13", "2026-00", "2026-1", "2026-11-01", "1969-12", "%D9%A2026-11", "november"] {
        let answer = usage(&app, &owner, &format!("?month={month}")).await;
        assert_problem(&answer, 400, "invalid_request");
    }
}
