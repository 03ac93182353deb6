//! Passing a poll on: offered, withdrawn, accepted.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, assert_problem, eventually, someone};

/// A tenant of one account: its token, and how it is named.
struct Party {
    token: String,
    name: Value,
}

impl Party {
    fn new(app: &App) -> Self {
        let subject = someone();
        let issuer = app.issuer.claims(&subject)["iss"].clone();
        Self { token: app.account(&subject), name: json!({"issuer": issuer, "kind": "account", "value": subject}) }
    }
}

async fn offer(app: &App, poll: &str, from: &Party, to: &Party) -> Answer {
    app.post(&format!("/v1/polls/{poll}/transfer"), &from.token, &to.name).await
}

async fn withdraw(app: &App, poll: &str, by: &Party) -> Answer {
    Answer::of(app.request(Method::DELETE, &format!("/v1/polls/{poll}/transfer")).bearer_auth(&by.token)).await
}

async fn accept(app: &App, poll: &str, by: &Party) -> Answer {
    app.post_without_body(&format!("/v1/polls/{poll}/transfer/accept"), &by.token).await
}

/// Fails unless the answer is 200 with the poll at the revision; whom it is offered to.
#[track_caller]
fn offered_to(answer: &Answer, revision: u64) -> Value {
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.header("cache-control"), "private, no-store", "{answer}");
    assert_eq!(answer.json()["revision"], revision, "{answer}");
    answer.json()["offered_to"].clone()
}

async fn new_poll(app: &App, owner: &Party) -> String {
    app.poll_of(&owner.token, json!({"question": "Whose?", "options": ["a", "b"], "results": "owner"})).await
}

async fn listed(app: &App, party: &Party) -> Vec<Value> {
    let answer = Answer::of(app.request(Method::GET, "/v1/polls").bearer_auth(&party.token)).await;
    answer.json()["polls"].as_array().unwrap().clone()
}

/// Fails unless one party manages the poll and the other does not.
async fn assert_of(app: &App, poll: &str, has: &Party, has_not: &Party) {
    assert_eq!(app.my_results(poll, &has.token).await.status, 200);
    assert_problem(&app.my_results(poll, &has_not.token).await, 403, "results_hidden");
    assert_problem(&app.change_poll(poll, &has_not.token, "*", &json!({})).await, 403, "forbidden");
    assert_eq!(app.change_poll(poll, &has.token, "*", &json!({})).await.status, 200);
}

#[tokio::test]
async fn a_poll_goes_to_the_tenant_that_accepts_it_and_not_before() {
    let app = App::new();
    let [owner, other] = [0, 1].map(|_| Party::new(&app));
    let poll = new_poll(&app, &owner).await;
    let voter = app.account(&someone());
    assert_eq!(app.vote(&poll, &voter, &[1]).await.status, 201);
    assert_eq!(offered_to(&offer(&app, &poll, &owner, &other).await, 2), other.name);
    assert_eq!(offered_to(&offer(&app, &poll, &owner, &other).await, 2), other.name, "the same again");
    assert_problem(&accept(&app, &poll, &owner).await, 409, "not_editable");
    assert_of(&app, &poll, &owner, &other).await;
    let shown = app.shown(&poll).await;
    assert!(!shown.as_object().unwrap().contains_key("offered_to"), "{shown}");
    let paused = app.post_without_body(&format!("/v1/polls/{poll}/pause"), &owner.token).await;
    assert_eq!(offered_to(&paused, 3), other.name, "it stays offered");
    let list = eventually("the poll in the list", async || {
        let list = listed(&app, &owner).await;
        if list.len() == 1 { Ok(list) } else { Err(format!("{list:?}")) }
    })
    .await;
    assert_eq!(list[0]["offered_to"], other.name);

    for _ in 0..2 {
        assert_eq!(offered_to(&accept(&app, &poll, &other).await, 4), Value::Null);
    }
    eventually("its results for the new owner alone", async || {
        let (new, old) = (app.my_results(&poll, &other.token).await, app.my_results(&poll, &owner.token).await);
        if (new.status, old.status) == (200, 403) { Ok(()) } else { Err(format!("{new}, {old}")) }
    })
    .await;
    assert_of(&app, &poll, &other, &owner).await;
    assert!(listed(&app, &owner).await.is_empty(), "however late the index is");
    eventually("the poll in the new owner's list", async || {
        let list = listed(&app, &other).await;
        if list.len() == 1 { Ok(()) } else { Err(format!("{list:?}")) }
    })
    .await;
    assert_eq!(app.my_vote(&poll, &voter).await.status, 200, "votes stay");
    assert_problem(&accept(&app, &poll, &owner).await, 403, "forbidden");
    assert_problem(&withdraw(&app, &poll, &owner).await, 403, "forbidden");
}

#[tokio::test]
async fn nobody_else_accepts_and_what_is_withdrawn_is_not_accepted() {
    let app = App::new();
    let [owner, other, stranger] = [0, 1, 2].map(|_| Party::new(&app));
    let poll = new_poll(&app, &owner).await;
    let never_offered = accept(&app, &poll, &stranger).await;
    assert_problem(&never_offered, 403, "forbidden");
    offer(&app, &poll, &owner, &other).await;
    let of_another = accept(&app, &poll, &stranger).await;
    let told = |answer: &Answer| answer.json()["detail"].clone();
    assert_problem(&of_another, 403, "forbidden");
    assert_eq!(told(&of_another), told(&never_offered), "it does not tell that there is an offer");
    assert_problem(&accept(&app, "nobody", &stranger).await, 404, "not_found");
    assert_problem(&withdraw(&app, &poll, &other).await, 403, "forbidden");
    for _ in 0..2 {
        assert_eq!(offered_to(&withdraw(&app, &poll, &owner).await, 3), Value::Null);
    }
    assert_problem(&accept(&app, &poll, &other).await, 403, "forbidden");
    assert_of(&app, &poll, &owner, &other).await;
}

#[tokio::test]
async fn a_repeated_create_shows_nothing_of_a_poll_that_has_gone() {
    let app = App::new();
    let [owner, other] = [0, 1].map(|_| Party::new(&app));
    let create = async || {
        let request = app.request(Method::POST, "/v1/polls").bearer_auth(&owner.token).header("Idempotency-Key", "k");
        Answer::of(request.json(&json!({"question": "Whose?", "options": ["a", "b"]}))).await
    };
    let poll = create().await.json()["poll_id"].as_str().unwrap().to_owned();
    offer(&app, &poll, &owner, &other).await;
    assert_eq!(accept(&app, &poll, &other).await.status, 200);
    assert_problem(&create().await, 403, "forbidden");
}

#[tokio::test]
async fn an_offer_names_a_tenant_other_than_the_polls_own() {
    let app = App::new();
    let owner = Party::new(&app);
    let poll = new_poll(&app, &owner).await;
    let ask = async |body: &Value| app.post(&format!("/v1/polls/{poll}/transfer"), &owner.token, body).await;
    for body in [
        owner.name.clone(),
        json!({}),
        json!({"issuer": "https://id.example.org", "kind": "account"}),
        json!({"issuer": "https://id.example.org", "kind": "person", "value": "a"}),
        json!({"issuer": "https://id.example.org", "kind": "account", "value": ""}),
        json!({"issuer": "https://id.example.org", "kind": "account", "value": "x".repeat(256)}),
        json!({"issuer": "a b", "kind": "account", "value": "a"}),
        json!({"issuer": "https://id.example.org", "kind": "account", "value": "a", "role": "owner"}),
    ] {
        assert_problem(&ask(&body).await, 400, "invalid_request");
    }
    assert_eq!(app.shown(&poll).await["revision"], 1);
}

#[tokio::test]
async fn of_accepting_and_withdrawing_at_once_one_wins_and_the_other_is_told() {
    const POLLS: usize = 6;
    let app = App::new();
    let [owner, other] = [0, 1].map(|_| Party::new(&app));
    let race = async || {
        let poll = new_poll(&app, &owner).await;
        offer(&app, &poll, &owner, &other).await;
        let (accepted, again, withdrawn) =
            tokio::join!(accept(&app, &poll, &other), accept(&app, &poll, &other), withdraw(&app, &poll, &owner));
        match (accepted.status, again.status, withdrawn.status) {
            (200, 200, 403) => assert_of(&app, &poll, &other, &owner).await,
            (403, 403, 200) => assert_of(&app, &poll, &owner, &other).await,
            outcome => panic!("{outcome:?}: {accepted}, {again}, {withdrawn}"),
        }
    };
    join_all((0..POLLS).map(|_| race())).await;
}
