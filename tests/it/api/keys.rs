//! API keys: POST and GET /v1/keys, DELETE /v1/keys/{key_id}, and what a key may do.

use futures_util::future::join_all;
use http::Method;
use landslide_domain::{
    opaque_token::{DELETION_MS, OpaqueToken, Purpose},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::support::{
    Answer, App, SKEW_MS, assert_headers_of_all, assert_problem, eventually, in_ms, now_ms, passes, someone,
};

fn app_and_owner() -> (App, String) {
    let app = App::new();
    let owner = app.account(&someone());
    (app, owner)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

async fn list(app: &App, token: &str) -> Answer {
    Answer::of(app.request(Method::GET, "/v1/keys").bearer_auth(token)).await
}

async fn listed(app: &App, token: &str) -> Vec<Value> {
    let answer = list(app, token).await;
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()["keys"].as_array().unwrap().clone()
}

async fn delete(app: &App, token: &str, key_id: &str) -> Answer {
    Answer::of(app.request(Method::DELETE, &format!("/v1/keys/{key_id}")).bearer_auth(token)).await
}

async fn polls(app: &App, token: &str) -> Answer {
    Answer::of(app.request(Method::GET, "/v1/polls").bearer_auth(token)).await
}

fn effect(answer: &Value) -> &str {
    text(&answer["policyDocument"]["Statement"][0]["Effect"])
}

fn hidden() -> Value {
    json!({"question": "Best colour?", "options": ["Red", "Blue"], "results": "owner", "closes_at": in_ms(3_600_000)})
}

#[tokio::test]
async fn a_key_is_shown_once_and_no_table_has_its_secret() {
    let (app, subject) = (App::new(), someone());
    let (owner, expires_at) = (app.account(&subject), in_ms(86_400_000));
    let body = json!({"name": " The studio's server ", "role": "viewer", "expires_at": expires_at});
    let answer = app.post("/v1/keys", &owner, &body).await;
    assert_eq!(answer.status, 201, "{answer}");
    assert_eq!(answer.header("cache-control"), "private, no-store", "{answer}");
    assert_headers_of_all(&answer);
    let mut created = answer.json();
    let key = text(&created["key"]).to_owned();
    let parts: Vec<&str> = key.split('_').collect();
    assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [3, 20, 32, 32], "{key}");
    assert_eq!((parts[0], parts[1]), ("lsk", text(&created["key_id"])));
    let expected = json!({
        "name": "The studio's server", "role": "viewer",
        "created_by": {"kind": "account", "issuer": "https://issuer.landslide.local", "subject": subject},
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&created[field], value, "{created}");
    }
    assert_eq!(Timestamp::parse(text(&created["expires_at"])), Timestamp::parse(&expires_at));

    created.as_object_mut().unwrap().remove("key");
    assert_eq!(listed(&app, &owner).await, [created]);

    let table = app.stack.output("TenantsTable");
    let by_id = app.aws.partition(table, ("scope", &format!("key#{}", parts[1]))).await;
    let mut by_tenant = app.aws.partition(table, ("scope", &app.issuer.owner(&subject))).await;
    by_tenant.retain(|item| text(&item["item"]["S"]).starts_with("KEY#"));
    assert_eq!((by_id.len(), by_tenant.len()), (1, 1));
    let stored = Value::from([by_id, by_tenant].concat()).to_string();
    assert!(!stored.contains(parts[2]) && !stored.contains(parts[3]), "{stored}");
}

#[tokio::test]
async fn an_editors_key_manages_polls_and_a_viewers_key_reads_them() {
    let (app, owner) = app_and_owner();
    let (editor, viewer) = (app.key(&owner, "editor").await, app.key(&owner, "viewer").await);
    let (editor, viewer) = (text(&editor["key"]), text(&viewer["key"]));

    let poll = app.poll_of(editor, hidden()).await;
    assert_problem(&app.create_poll(viewer, &hidden()).await, 403, "forbidden");
    for token in [owner.as_str(), editor, viewer] {
        let answer = polls(&app, token).await;
        assert_eq!(answer.status, 200, "{answer}");
        eventually("the poll in the list", async || {
            let answer = polls(&app, token).await;
            let ids: Vec<Value> =
                answer.json()["polls"].as_array().unwrap().iter().map(|it| it["poll_id"].clone()).collect();
            if ids == [json!(poll)] { Ok(()) } else { Err(answer.to_string()) }
        })
        .await;
        let results = app.my_results(&poll, token).await;
        assert_eq!(results.status, 200, "{results}");
        assert_eq!(results.header("cache-control"), "private, no-store");
    }
    let change = json!({"peak_votes_per_second": 2_000});
    assert_problem(&app.change_poll(&poll, viewer, "\"1\"", &change).await, 403, "forbidden");
    assert_eq!(app.change_poll(&poll, editor, "\"1\"", &change).await.status, 200);
    assert_problem(&app.close_poll(&poll, viewer).await, 403, "forbidden");
    assert_eq!(app.close_poll(&poll, editor).await.status, 200);

    let another = app.poll(hidden()).await;
    assert_problem(&app.close_poll(&another, editor).await, 403, "forbidden");
    assert_problem(&app.my_results(&another, editor).await, 403, "results_hidden");
}

#[tokio::test]
async fn no_key_manages_keys() {
    let (app, owner) = app_and_owner();
    let other = app.key(&owner, "viewer").await;
    for role in ["editor", "viewer"] {
        let key = app.key(&owner, role).await;
        let key = text(&key["key"]);
        assert_problem(&list(&app, key).await, 403, "forbidden");
        assert_problem(&app.post("/v1/keys", key, &json!({"name": "n", "role": "viewer"})).await, 403, "forbidden");
        assert_problem(&delete(&app, key, text(&other["key_id"])).await, 403, "forbidden");
    }
    assert_eq!(listed(&app, &owner).await.len(), 3);
    assert_problem(&list(&app, &app.device().await).await, 403, "forbidden");
}

#[tokio::test]
async fn no_key_votes() {
    let (app, owner) = app_and_owner();
    let poll = app.poll_of(&owner, hidden()).await;
    for role in ["editor", "viewer"] {
        let key = app.key(&owner, role).await;
        let key = text(&key["key"]);
        let refused = assert_problem(&app.vote(&poll, key, &[0]).await, 401, "unauthorized");
        assert_eq!(refused["detail"], "The token is not valid for this call.", "it is for others: {refused}");
        assert_problem(&app.my_vote(&poll, key).await, 401, "unauthorized");
        assert_problem(&app.retract(&poll, key).await, 401, "unauthorized");
    }
}

#[tokio::test]
async fn a_deleted_key_is_refused_as_one_that_never_was_and_the_log_has_both() {
    let (app, subject) = (App::new(), someone());
    let owner = app.account(&subject);
    let key = app.key(&owner, "editor").await;
    let (key_id, token) = (text(&key["key_id"]), text(&key["key"]));
    assert_eq!(effect(&app.authorization(token).await), "Allow");
    assert_problem(&delete(&app, &app.account(&someone()), key_id).await, 404, "not_found");
    assert_eq!(effect(&app.authorization(token).await), "Allow", "another tenant can't delete it");

    let before = now_ms();
    let answer = delete(&app, &owner, key_id).await;
    assert_eq!((answer.status, &answer.json()["key_id"]), (200, &key["key_id"]), "{answer}");
    let effective_at = Timestamp::parse(text(&answer.json()["effective_at"])).unwrap().as_millis();
    let deleted_at = effective_at - DELETION_MS;
    assert!((before - SKEW_MS..=now_ms() + SKEW_MS).contains(&deleted_at), "{answer}");

    let never = made_with(app.aws.secret(&key_secret(&app).await).await.as_bytes());
    assert_eq!(app.authorization(token).await, app.authorization(&never).await);
    assert_eq!(effect(&app.authorization(token).await), "Deny");
    assert_problem(&polls(&app, &never).await, 401, "unauthorized");
    assert_problem(&delete(&app, &owner, key_id).await, 404, "not_found");
    assert_problem(&delete(&app, &owner, "mine").await, 404, "not_found");
    assert_eq!(listed(&app, &owner).await, Vec::<Value>::new());
    let expected = ["key.created", "key.deleted"].map(|action| (action.to_owned(), key_id.to_owned()));
    assert_eq!(app.audited(&app.issuer.owner(&subject)).await, expected);
}

#[tokio::test]
async fn of_deletions_at_once_one_deletes_and_the_log_has_one() {
    let (app, subject) = (App::new(), someone());
    let owner = app.account(&subject);
    let key = app.key(&owner, "viewer").await;
    let key_id = text(&key["key_id"]);
    let deletions = join_all((0..4).map(|_| delete(&app, &owner, key_id))).await;
    let mut statuses: Vec<u16> = deletions.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404, 404, 404]);
    let log = app.audited(&app.issuer.owner(&subject)).await;
    assert_eq!(log.iter().map(|(action, _)| action.as_str()).collect::<Vec<_>>(), ["key.created", "key.deleted"]);
}

/// The secret that makes codes, by its ARN.
async fn key_secret(app: &App) -> String {
    let variables = app.aws.variables(&app.stack.function("create-key")).await;
    text(&variables["KEY_SECRET"]).to_owned()
}

/// A key that a service with this secret would make.
fn made_with(secret: &[u8]) -> String {
    let (id, bytes) = (fastrand::u128(..).to_be_bytes(), fastrand::u128(..).to_be_bytes());
    OpaqueToken::new(Purpose::Key, *id.first_chunk().unwrap(), bytes).text(secret).unwrap()
}

#[tokio::test]
async fn a_key_that_this_stack_did_not_make_is_401_and_nothing_else() {
    let (app, owner) = app_and_owner();
    let key = app.key(&owner, "editor").await;
    let key = text(&key["key"]);
    let last = if key.ends_with('0') { "1" } else { "0" };
    let mut odd = vec![
        ("cut", key[..key.len() - 1].to_owned()),
        ("without its code", key[..key.len() - 33].to_owned()),
        ("flipped", format!("{}{last}", &key[..key.len() - 1])),
        ("of another stack", made_with(b"the secret of another stack")),
        ("as a view link", key.replacen("lsk_", "lsv_", 1)),
        ("of an unknown prefix", key.replacen("lsk_", "lsx_", 1)),
        ("in upper case", key.to_uppercase()),
        ("the prefix alone", "lsk_".to_owned()),
    ];
    for (name, token) in &odd {
        let answer = polls(&app, token).await;
        assert_eq!(answer.status, 401, "{name}: {answer}");
        assert_problem(&answer, 401, "unauthorized");
    }
    odd.push(("of 10 KB", format!("{key}{}", "0".repeat(10_240))));
    for (name, token) in &odd {
        assert_eq!(effect(&app.authorization(token).await), "Deny", "{name}");
    }
    assert_eq!(polls(&app, key).await.status, 200);
}

#[tokio::test]
async fn an_expired_key_is_401() {
    let (app, owner) = app_and_owner();
    let body = json!({"name": "n", "role": "editor", "expires_at": in_ms(4_000)});
    let answer = app.post("/v1/keys", &owner, &body).await;
    assert_eq!(answer.status, 201, "{answer}");
    let key = answer.json();
    assert_eq!(polls(&app, text(&key["key"])).await.status, 200);
    passes(Timestamp::parse(text(&key["expires_at"])).unwrap()).await;
    assert_eq!(effect(&app.authorization(text(&key["key"])).await), "Deny");
    // The gateway may remember that it was valid; the function does not believe it.
    assert_problem(&polls(&app, text(&key["key"])).await, 401, "unauthorized");
}

#[tokio::test]
async fn a_key_that_is_not_asked_for_well_is_not_made() {
    let (app, owner) = app_and_owner();
    for (body, pointer) in [
        (json!({"role": "editor"}), "/name"),
        (json!({"name": "n"}), "/role"),
        (json!({"name": "", "role": "editor"}), "/name"),
        (json!({"name": "n".repeat(101), "role": "editor"}), "/name"),
        (json!({"name": "a\u{7}b", "role": "editor"}), "/name"),
        (json!({"name": 7, "role": "editor"}), "/name"),
        (json!({"name": "n", "role": "owner"}), "/role"),
        (json!({"name": "n", "role": "Editor"}), "/role"),
        (json!({"name": "n", "role": "VIEWER"}), "/role"),
        (json!({"name": "n", "role": ["editor"]}), "/role"),
        (json!({"name": "n", "role": null}), "/role"),
        (json!({"name": "n", "role": "editor", "expires_at": in_ms(0)}), "/expires_at"),
        (json!({"name": "n", "role": "editor", "expires_at": "tomorrow"}), "/expires_at"),
        (json!({"name": "n", "role": "editor", "tenant": "x"}), "/tenant"),
    ] {
        let problem = assert_problem(&app.post("/v1/keys", &owner, &body).await, 400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    let long = json!({"name": "n".repeat(20_000), "role": "editor"});
    assert_problem(&app.post("/v1/keys", &owner, &long).await, 413, "body_too_large");
    assert_eq!(listed(&app, &owner).await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_day_of_a_keys_last_use_is_in_the_list() {
    let (app, owner) = app_and_owner();
    let key = app.key(&owner, "viewer").await;
    assert_eq!(listed(&app, &owner).await[0]["last_used_on"], Value::Null);
    let before = Timestamp::from_millis(now_ms()).unwrap().day();
    assert_eq!(polls(&app, text(&key["key"])).await.status, 200);
    let noted = listed(&app, &owner).await[0]["last_used_on"].clone();
    let after = Timestamp::from_millis(now_ms()).unwrap().day();
    assert!([before, after].contains(&text(&noted).to_owned()), "{noted}");
}

#[tokio::test]
async fn a_tenant_has_a_hundred_keys_at_most() {
    let (app, owner) = app_and_owner();
    let mut ids = Vec::new();
    for _ in 0..100 {
        ids.push(app.key(&owner, "viewer").await["key_id"].clone());
    }
    let body = json!({"name": "n", "role": "viewer"});
    assert_problem(&app.post("/v1/keys", &owner, &body).await, 409, "too_many_keys");
    ids.reverse();
    let shown: Vec<Value> = listed(&app, &owner).await.into_iter().map(|key| key["key_id"].clone()).collect();
    assert_eq!(shown.len(), 100);
    assert_eq!(shown[0], ids[0], "newest first");
    assert_eq!(delete(&app, &owner, text(&ids[0])).await.status, 200);
    assert_eq!(app.post("/v1/keys", &owner, &body).await.status, 201);
}
