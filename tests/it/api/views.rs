//! View links: POST and GET /v1/polls/{poll_id}/views, DELETE …/views/{view_id}, and what a link shows.

use http::Method;
use landslide_domain::{
    opaque_token::DELETION_MS,
    time::{DAY_MS, Timestamp},
};
use serde_json::{Value, json};

use crate::support::{Answer, App, SKEW_MS, assert_headers_of_all, assert_problem, in_ms, now_ms, passes, someone};

fn app_and_owner() -> (App, String) {
    let app = App::new();
    let owner = app.account(&someone());
    (app, owner)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

async fn send(app: &App, method: Method, path: &str, token: &str) -> Answer {
    Answer::of(app.request(method, path).bearer_auth(token)).await
}

async fn listed(app: &App, poll: &str, token: &str) -> Vec<Value> {
    let answer = send(app, Method::GET, &format!("/v1/polls/{poll}/views"), token).await;
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()["views"].as_array().unwrap().clone()
}

async fn delete(app: &App, poll: &str, view_id: &str, token: &str) -> Answer {
    send(app, Method::DELETE, &format!("/v1/polls/{poll}/views/{view_id}"), token).await
}

/// A poll whose results only its tenant sees.
async fn hidden_poll(app: &App, owner: &str) -> String {
    app.poll_of(owner, json!({"question": "Best colour?", "options": ["Red", "Blue"], "results": "owner"})).await
}

#[tokio::test]
async fn a_link_shows_the_hidden_results_of_its_poll_privately_and_no_others() {
    let (app, owner) = app_and_owner();
    let (poll, another) = (hidden_poll(&app, &owner).await, hidden_poll(&app, &owner).await);
    let view = app.view(&poll, &owner).await;
    let token = text(&view["token"]);
    assert_problem(&app.get(&format!("/v1/polls/{poll}/results")).await, 403, "results_hidden");
    let shown = app.my_results(&poll, token).await;
    assert_eq!((shown.status, &shown.json()["ballots"]), (200, &json!(0)), "{shown}");
    assert_eq!(shown.header("cache-control"), "private, no-store", "{shown}");
    assert_headers_of_all(&shown);
    assert_problem(&app.my_results(&another, token).await, 403, "results_hidden");
    let by_query = app.get(&format!("/v1/polls/{poll}/results/mine?token={token}&access_token={token}")).await;
    assert_problem(&by_query, 401, "unauthorized");
}

#[tokio::test]
async fn a_link_does_nothing_but_show_results() {
    let (app, owner) = app_and_owner();
    let poll = hidden_poll(&app, &owner).await;
    let view = app.view(&poll, &owner).await;
    let (token, view_id) = (text(&view["token"]), text(&view["view_id"]));
    for (method, path) in [
        (Method::GET, "/v1/polls".to_owned()),
        (Method::POST, "/v1/polls".to_owned()),
        (Method::POST, format!("/v1/polls/{poll}/close")),
        (Method::GET, format!("/v1/polls/{poll}/views")),
        (Method::POST, format!("/v1/polls/{poll}/views")),
        (Method::DELETE, format!("/v1/polls/{poll}/views/{view_id}")),
        (Method::GET, "/v1/keys".to_owned()),
        (Method::POST, "/v1/keys".to_owned()),
        (Method::DELETE, format!("/v1/keys/{view_id}")),
    ] {
        let answer = send(&app, method.clone(), &path, token).await;
        assert_eq!(answer.status, 403, "{method} {path}: {answer}");
        assert_problem(&answer, 403, "forbidden");
    }
    assert_problem(&app.vote(&poll, token, &[0]).await, 401, "unauthorized");
    assert_problem(&app.my_vote(&poll, token).await, 401, "unauthorized");
    assert_problem(&app.retract(&poll, token).await, 401, "unauthorized");
}

#[tokio::test]
async fn a_links_token_is_shown_once_and_it_lives_for_thirty_days() {
    let (app, subject) = (App::new(), someone());
    let owner = app.account(&subject);
    let poll = hidden_poll(&app, &owner).await;
    let before = now_ms();
    let mut view = app.view(&poll, &owner).await;
    let token = text(&view["token"]).to_owned();
    let parts: Vec<&str> = token.split('_').collect();
    assert_eq!((parts[0], parts[1], parts.len()), ("lsv", text(&view["view_id"]), 4));
    let expires_at = Timestamp::parse(text(&view["expires_at"])).unwrap().as_millis();
    let made_at = expires_at - 30 * DAY_MS;
    assert!((before - SKEW_MS..=now_ms() + SKEW_MS).contains(&made_at), "{view}");
    assert_eq!((&view["poll_id"], &view["created_by"]["subject"]), (&json!(poll), &json!(subject)));
    view.as_object_mut().unwrap().remove("token");
    assert_eq!(listed(&app, &poll, &owner).await, [view]);

    let table = app.stack.output("TenantsTable");
    let by_id = app.aws.partition(table, ("scope", &format!("view#{}", parts[1]))).await;
    let by_poll = app.aws.partition(table, ("scope", &format!("poll#{poll}"))).await;
    assert_eq!((by_id.len(), by_poll.len()), (1, 1));
    let stored = Value::from([by_id, by_poll].concat()).to_string();
    assert!(!stored.contains(parts[2]) && !stored.contains(parts[3]), "{stored}");
}

#[tokio::test]
async fn a_deleted_link_is_refused_and_the_log_has_both() {
    let (app, subject) = (App::new(), someone());
    let owner = app.account(&subject);
    let (poll, another) = (hidden_poll(&app, &owner).await, hidden_poll(&app, &owner).await);
    let view = app.view(&poll, &owner).await;
    let (token, view_id) = (text(&view["token"]), text(&view["view_id"]));
    assert_eq!(app.authorization(token).await["context"]["kind"], "view");
    assert_problem(&delete(&app, &another, view_id, &owner).await, 404, "not_found");
    assert_problem(&delete(&app, &poll, view_id, &app.account(&someone())).await, 403, "forbidden");
    let before = now_ms();
    let answer = delete(&app, &poll, view_id, &owner).await;
    assert_eq!((answer.status, &answer.json()["view_id"]), (200, &view["view_id"]), "{answer}");
    let effective_at = Timestamp::parse(text(&answer.json()["effective_at"])).unwrap().as_millis();
    assert!((before - SKEW_MS..=now_ms() + SKEW_MS).contains(&(effective_at - DELETION_MS)), "{answer}");
    let denied = app.authorization(token).await;
    assert_eq!(denied["policyDocument"]["Statement"][0]["Effect"], "Deny", "{denied}");
    assert_problem(&delete(&app, &poll, view_id, &owner).await, 404, "not_found");
    assert_eq!(listed(&app, &poll, &owner).await, Vec::<Value>::new());
    let log = app.audited(&app.issuer.owner(&subject)).await;
    let of_view: Vec<&str> = log.iter().filter(|(_, id)| id == view_id).map(|(action, _)| action.as_str()).collect();
    assert_eq!(of_view, ["view.created", "view.deleted"]);
}

#[tokio::test]
async fn an_expired_link_is_401() {
    let (app, owner) = app_and_owner();
    let poll = hidden_poll(&app, &owner).await;
    let answer = app.post(&format!("/v1/polls/{poll}/views"), &owner, &json!({"expires_at": in_ms(4_000)})).await;
    assert_eq!(answer.status, 201, "{answer}");
    let view = answer.json();
    assert_eq!(app.my_results(&poll, text(&view["token"])).await.status, 200);
    passes(Timestamp::parse(text(&view["expires_at"])).unwrap()).await;
    assert_problem(&app.my_results(&poll, text(&view["token"])).await, 401, "unauthorized");
}

#[tokio::test]
async fn links_are_for_editors_of_the_polls_tenant() {
    let (app, owner) = app_and_owner();
    let poll = hidden_poll(&app, &owner).await;
    let path = format!("/v1/polls/{poll}/views");
    let (editor, viewer) = (app.key(&owner, "editor").await, app.key(&owner, "viewer").await);
    assert_eq!(app.post(&path, text(&editor["key"]), &json!({})).await.status, 201);
    let [view] = listed(&app, &poll, text(&editor["key"])).await.try_into().unwrap();
    assert_eq!(view["created_by"], json!({"kind": "key", "id": editor["key_id"]}));
    for stranger in [text(&viewer["key"]), &app.account(&someone()), &app.device().await] {
        assert_problem(&app.post(&path, stranger, &json!({})).await, 403, "forbidden");
        assert_problem(&send(&app, Method::GET, &path, stranger).await, 403, "forbidden");
        assert_problem(&delete(&app, &poll, text(&view["view_id"]), stranger).await, 403, "forbidden");
    }
    assert_problem(&app.post("/v1/polls/none/views", &owner, &json!({})).await, 404, "not_found");
    assert_problem(&send(&app, Method::GET, "/v1/polls/none/views", &owner).await, 404, "not_found");
    assert_problem(&delete(&app, &poll, "mine", &owner).await, 404, "not_found");
}

#[tokio::test]
async fn a_link_that_is_not_asked_for_well_is_not_made() {
    let (app, owner) = app_and_owner();
    let poll = hidden_poll(&app, &owner).await;
    for (body, pointer) in [
        (json!({"expires_at": in_ms(0)}), "/expires_at"),
        (json!({"expires_at": in_ms(401 * DAY_MS)}), "/expires_at"),
        (json!({"expires_at": 7}), "/expires_at"),
        (json!({"poll_id": poll}), "/poll_id"),
    ] {
        let answer = app.post(&format!("/v1/polls/{poll}/views"), &owner, &body).await;
        let problem = assert_problem(&answer, 400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    assert_eq!(listed(&app, &poll, &owner).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_poll_has_a_hundred_links_at_most() {
    let (app, owner) = app_and_owner();
    let poll = hidden_poll(&app, &owner).await;
    for _ in 0..100 {
        app.view(&poll, &owner).await;
    }
    let answer = app.post(&format!("/v1/polls/{poll}/views"), &owner, &json!({})).await;
    assert_problem(&answer, 409, "too_many_views");
    assert_eq!(listed(&app, &poll, &owner).await.len(), 100);
}
