use std::collections::HashMap;

use landslide_aws::{
    store::TokenStore,
    testing::{Answer, Calls, Log, stub},
};
use landslide_domain::opaque_token::OpaqueToken;
use landslide_identity::{
    device_keys::DeviceKeys,
    issuers::{Issuers, Verifier},
    key_sets::{HttpFetch, Reach},
    token::DeviceIssuer,
};
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"the secret that makes the codes of keys and links";
const DEVICE_SECRET: &str = "a secret of devices that is long enough";
const METHOD_ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:api1/prod/GET/v1/polls";
const TENANT: &str = "https://id.example.org\torganisation\tacme";

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + millis).unwrap()
}

fn token(purpose: Purpose, id: u8, secret: u8) -> OpaqueToken {
    OpaqueToken::new(purpose, [id; 10], [secret; 16])
}

fn text(token: &OpaqueToken) -> String {
    token.text(SECRET).unwrap()
}

fn item(token: &OpaqueToken, fields: Value) -> Value {
    let mut item = json!({"secret_hash": {"B": base64(&token.hash().0)}});
    item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    item
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(bytes)
}

fn key_item(token: &OpaqueToken, fields: Value) -> Value {
    let mut item = item(token, json!({"tenant": {"S": TENANT}, "role": {"S": "editor"}}));
    item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    item
}

/// An authorizer whose table has this item for every key that is asked for, and answers updates so.
fn owners_with(found: Option<Value>, update: Answer) -> (Owners, Calls) {
    let (aws, calls) = stub(move |call, _| match (call.operation.as_str(), &found) {
        ("GetItem", Some(item)) => Answer::Ok(json!({"Item": item})),
        ("GetItem", None) => Answer::Ok(json!({})),
        _ => update.clone(),
    });
    (over(TokenStore::new(&aws, "tenants".to_owned())), calls)
}

fn owners(found: Option<Value>) -> (Owners, Calls) {
    owners_with(found, Answer::Ok(json!({})))
}

fn over(store: TokenStore) -> Owners {
    let keys = DeviceKeys::parse(DEVICE_SECRET).unwrap();
    let verifier = Verifier::new(Issuers::read("[]", Reach::Public), &keys, HttpFetch::new(Reach::Public));
    Owners { signed: App::new(verifier), opaque: OpaqueTokens::new(store, SECRET.to_vec()) }
}

fn request(token: &str) -> AuthorizerRequest {
    let headers = HashMap::from([("Authorization", format!("Bearer {token}"))]);
    serde_json::from_value(json!({"methodArn": METHOD_ARN, "headers": headers, "type": "REQUEST"})).unwrap()
}

async fn ask(owners: &Owners, token: &str, now: Timestamp) -> Value {
    serde_json::to_value(owners.authorize(&request(token), now).await.unwrap()).unwrap()
}

fn denial() -> Value {
    serde_json::to_value(AuthorizerResponse::<Context>::deny(&request(""))).unwrap()
}

#[tokio::test]
async fn a_key_says_whose_it_is_and_in_which_role_by_one_read() {
    let key = token(Purpose::Key, 1, 2);
    let (owners, calls) = owners(Some(key_item(&key, json!({}))));
    let answer = ask(&owners, &text(&key), at(0)).await;
    assert_eq!(
        answer["context"],
        json!({"kind": "key", "issuer": "https://id.example.org", "tenant_kind": "organisation", "tenant": "acme",
            "subject": "01".repeat(10), "role": "editor", "expires_at": "253402300799999"})
    );
    assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Allow");
    assert_eq!(calls.operations(), ["GetItem", "UpdateItem"]);
    let read = &calls.all()[0].body;
    assert_eq!(read["Key"], json!({"scope": {"S": format!("key#{}", "01".repeat(10))}, "item": {"S": "TOKEN"}}));
    assert_eq!(read["ConsistentRead"], true);
}

#[tokio::test]
async fn a_view_link_says_which_poll_it_shows_and_nothing_of_its_tenant() {
    let view = token(Purpose::View, 1, 2);
    let fields = json!({"poll_id": {"S": "p1"}, "valid_until": {"N": at(1).as_millis().to_string()}});
    let (owners, calls) = owners(Some(item(&view, fields)));
    let answer = ask(&owners, &text(&view), at(0)).await;
    let expires_at = at(1).as_millis().to_string();
    let context = json!({"kind": "view", "subject": "01".repeat(10), "poll_id": "p1", "expires_at": expires_at});
    assert_eq!(answer["context"], context);
    assert_eq!(calls.operations(), ["GetItem"]);
    assert_eq!(ask(&owners, &text(&view), at(1)).await, denial());
}

#[tokio::test]
async fn what_this_stack_never_made_is_denied_without_a_read() {
    let key = token(Purpose::Key, 1, 2);
    let (owners, calls) = owners(Some(key_item(&key, json!({}))));
    let good = text(&key);
    let flipped = good.replacen("01", "11", 1);
    let forged = key.text(b"the secret of another stack, as long as ours").unwrap();
    let long = format!("{good}{}", "0".repeat(10_240));
    let as_link = good.replacen("lsk_", "lsv_", 1);
    let unknown_prefix = good.replacen("lsk_", "lsx_", 1);
    let upper = good.to_uppercase();
    for odd in [&good[..60], &flipped, &forged, &long, &as_link, &unknown_prefix, &upper, "lsk_", "lsv_", "lsk"] {
        assert_eq!(ask(&owners, odd, at(0)).await, denial(), "{odd}");
    }
    assert_eq!(calls.operations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_that_is_deleted_expired_or_has_another_secret_is_denied_as_one_that_never_was() {
    let key = token(Purpose::Key, 1, 2);
    let expired = json!({"valid_until": {"N": at(0).as_millis().to_string()}});
    for found in [None, Some(key_item(&key, expired)), Some(key_item(&token(Purpose::Key, 1, 3), json!({})))] {
        let (owners, calls) = owners(found);
        assert_eq!(ask(&owners, &text(&key), at(0)).await, denial());
        assert_eq!(calls.operations(), ["GetItem"], "the same path whatever the reason");
    }
}

#[tokio::test]
async fn a_key_is_valid_until_the_moment_that_it_expires() {
    let key = token(Purpose::Key, 1, 2);
    let (owners, _) = owners(Some(key_item(&key, json!({"valid_until": {"N": at(5).as_millis().to_string()}}))));
    assert_eq!(ask(&owners, &text(&key), at(4)).await["context"]["expires_at"], at(5).as_millis().to_string());
    assert_eq!(ask(&owners, &text(&key), at(5)).await, denial());
}

#[tokio::test]
async fn a_keys_use_is_noted_once_a_day_by_a_condition() {
    let key = token(Purpose::Key, 1, 2);
    let (owners, calls) = owners(Some(key_item(&key, json!({}))));
    let day = 24 * 60 * 60 * 1_000;
    for now in [at(0), at(1), at(day), at(day + 1)] {
        ask(&owners, &text(&key), now).await;
    }
    assert_eq!(calls.operations(), ["GetItem", "UpdateItem", "GetItem", "GetItem", "UpdateItem", "GetItem"]);
    let notes: Vec<Value> =
        calls.all().into_iter().filter(|call| call.operation == "UpdateItem").map(|call| call.body).collect();
    assert_eq!(notes[0]["Key"], json!({"scope": {"S": TENANT}, "item": {"S": format!("KEY#{}", "01".repeat(10))}}));
    let days = [&notes[0], &notes[1]].map(|note| note["ExpressionAttributeValues"][":day"]["S"].as_str().unwrap());
    assert_eq!(days, [at(0).day(), at(day).day()]);
    assert!(notes[0]["ConditionExpression"].as_str().unwrap().starts_with("attribute_exists(#item) AND"));
}

#[tokio::test]
async fn a_use_that_can_not_be_noted_fails_no_call_and_is_not_tried_again_that_day() {
    let key = token(Purpose::Key, 1, 2);
    for failure in [Answer::Lost, Answer::throttled(), Answer::Refused("AccessDeniedException", json!({}))] {
        let (owners, calls) = owners_with(Some(key_item(&key, json!({}))), failure);
        assert_eq!(ask(&owners, &text(&key), at(0)).await["context"]["kind"], "key");
        let tries = calls.operations().len();
        assert_eq!(ask(&owners, &text(&key), at(1)).await["context"]["kind"], "key");
        assert_eq!(calls.operations()[tries..], ["GetItem"]);
    }
    let other_process = Answer::condition_failed(json!({}));
    let (owners, _) = owners_with(Some(key_item(&key, json!({}))), other_process);
    assert_eq!(ask(&owners, &text(&key), at(0)).await["context"]["kind"], "key");
}

#[tokio::test]
async fn without_its_table_it_neither_allows_nor_denies_a_key_and_decides_about_other_tokens() {
    let (aws, calls) = stub(|_, _| Answer::Lost);
    let owners = over(TokenStore::new(&aws, "tenants".to_owned()));
    for purpose in [Purpose::Key, Purpose::View] {
        let outcome = owners.authorize(&request(&text(&token(purpose, 1, 2))), at(0)).await;
        assert!(matches!(outcome, Err(Unknown::Table(StoreError::Unavailable(_)))), "{outcome:?}");
    }
    let before = calls.operations().len();
    let keys = DeviceKeys::parse(DEVICE_SECRET).unwrap();
    let (device, _) = DeviceIssuer::new(keys.signing()).issue([7; 16], at(0)).unwrap();
    assert_eq!(ask(&owners, &device, at(0)).await["context"]["kind"], "device");
    assert_eq!(ask(&owners, "a.b.c", at(0)).await, denial());
    assert_eq!(calls.operations().len(), before, "signed tokens need no table");
}

#[tokio::test]
async fn no_token_is_in_the_log() {
    // While there is one subscriber, a line that another thread logs first is silenced in all threads.
    let _second = Log::default().is_written_to();
    let log = Log::default();
    let guard = log.is_written_to();
    let (key, view) = (token(Purpose::Key, 1, 2), token(Purpose::View, 1, 2));
    let (owners, _) = owners(None);
    for token in [text(&key), text(&view), text(&key).replacen("01", "11", 1)] {
        ask(&owners, &token, at(0)).await;
    }
    let (failing, _) = owners_with(Some(key_item(&key, json!({}))), Answer::Lost);
    ask(&failing, &text(&key), at(0)).await;
    drop(guard);
    let lines = log.lines().join("\n");
    assert!(lines.contains("it is unknown, or was deleted") && lines.contains("was not noted"), "{lines}");
    assert!(!lines.contains("lsk_") && !lines.contains("lsv_") && !lines.contains(&"02".repeat(16)), "{lines}");
}
