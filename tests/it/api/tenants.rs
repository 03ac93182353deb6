//! Tenants: accounts and organisations that own polls, and claims that name neither.

use serde_json::{Value, json};

use crate::support::{Answer, App, assert_problem, someone};

/// The longest token, in bytes (docs/identity.md).
const TOKEN_BYTES_MAX: usize = 8 * 1024;

fn poll() -> Value {
    json!({"question": "Whose?", "options": ["Mine", "Yours"], "results": "owner"})
}

/// A token of a new account with these claims besides.
fn with_claims(app: &App, more: &Value) -> String {
    app.account_with(&someone(), more)
}

fn member(app: &App, organisation: &str, role: &str) -> String {
    with_claims(app, &json!({"organisation": organisation, "role": role}))
}

/// The ids of the polls that a member lists.
async fn listed(app: &App, token: &str) -> Vec<String> {
    let answer = Answer::of(app.request(http::Method::GET, "/v1/polls").bearer_auth(token)).await;
    assert_eq!(answer.status, 200, "{answer}");
    let answer = answer.json();
    answer["polls"].as_array().unwrap().iter().map(|poll| poll["poll_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn people_of_an_organisation_work_on_the_same_polls() {
    let app = App::new();
    let organisation = someone();
    let [owner, editor, viewer] = ["owner", "editor", "viewer"].map(|role| member(&app, &organisation, role));
    let created = app.poll_of(&editor, poll()).await;
    for token in [&owner, &editor, &viewer] {
        assert_eq!(listed(&app, token).await, [created.as_str()]);
        assert_eq!(app.my_results(&created, token).await.status, 200);
    }
    assert_problem(&app.close_poll(&created, &viewer).await, 403, "forbidden");
    assert_eq!(app.close_poll(&created, &owner).await.status, 200);
}

#[tokio::test]
async fn an_organisation_is_nobody_elses_even_if_another_tenant_has_the_same_id() {
    let app = App::new();
    let id = someone();
    let mine = app.poll_of(&member(&app, &id, "owner"), poll()).await;
    let of_account = app.poll_of(&app.account(&id), poll()).await;
    for (token, its_own, other) in
        [(member(&app, &id, "owner"), &mine, &of_account), (app.account(&id), &of_account, &mine)]
    {
        assert_eq!(listed(&app, &token).await, [its_own.as_str()]);
        assert_problem(&app.close_poll(other, &token).await, 403, "forbidden");
        assert_problem(&app.my_results(other, &token).await, 403, "results_hidden");
    }
    let tricks = [format!("organisation\t{id}"), format!("{id} "), id.to_uppercase()];
    for trick in tricks {
        let token = member(&app, &trick, "owner");
        assert_problem(&app.close_poll(&mine, &token).await, 403, "forbidden");
    }
}

#[tokio::test]
async fn who_has_no_role_can_vote_and_manage_nothing() {
    let app = App::new();
    let organisation = someone();
    let theirs = app.poll_of(&member(&app, &organisation, "owner"), poll()).await;
    for role in [
        json!(null),
        json!("Owner"),
        json!("OWNER"),
        json!("admin"),
        json!(""),
        json!(["owner"]),
        json!({"owner": 1}),
        json!(7),
    ] {
        let token = with_claims(&app, &json!({"organisation": organisation, "role": role}));
        assert_problem(&app.create_poll(&token, &poll()).await, 403, "forbidden");
        assert_problem(&app.close_poll(&theirs, &token).await, 403, "forbidden");
        assert_problem(&app.my_results(&theirs, &token).await, 403, "results_hidden");
        assert_eq!(app.vote(&theirs, &token, &[0]).await.status, 201);
    }
}

#[tokio::test]
async fn an_organisation_that_is_no_id_is_refused_and_no_account_instead() {
    let app = App::new();
    let long = "x".repeat(256);
    for organisation in [
        json!(""),
        json!(7),
        json!(true),
        json!(["acme"]),
        json!({"id": "acme"}),
        json!("a\tb"),
        json!("a\u{0}b"),
        json!(long),
    ] {
        let token = with_claims(&app, &json!({"organisation": organisation, "role": "owner"}));
        assert_problem(&app.create_poll(&token, &poll()).await, 403, "forbidden");
    }
    let token = with_claims(&app, &json!({"organisation": "x".repeat(10 * 1024), "role": "owner"}));
    assert!(token.len() > TOKEN_BYTES_MAX);
    assert_problem(&app.create_poll(&token, &poll()).await, 401, "unauthorized");
}

#[tokio::test]
async fn without_an_organisation_a_role_means_nothing() {
    let app = App::new();
    for more in [json!({"role": "viewer"}), json!({"organisation": null, "role": "viewer"})] {
        let token = with_claims(&app, &more);
        let mine = app.poll_of(&token, poll()).await;
        assert_eq!(listed(&app, &token).await, [mine]);
    }
}
