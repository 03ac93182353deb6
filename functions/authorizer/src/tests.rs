mod provider;

use std::collections::HashMap;

use landslide_authorizer::{RECALL_TIME_MAX, recall};
use landslide_aws::{
    clock,
    testing::{Answer, Calls, Log, stub},
};
use landslide_identity::{
    device_keys::DeviceKeys,
    issuers::{Issuers, Verifier},
    key_sets::{FRESH_JITTER_MS, FRESH_MS, HttpFetch, KeySetsSecret, REFETCH_MS, Reach, STALE_MS},
    token::DeviceIssuer,
};
use serde_json::{Value, json};

use self::provider::{Provider, Signer};
use super::*;

const SECRET: &str = "a secret of devices that is long enough";
const METHOD_ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:api1/prod/POST/v1/polls/p/votes";

fn device_keys() -> DeviceKeys {
    DeviceKeys::parse(SECRET).unwrap()
}

fn app(issuers: &Value) -> App {
    let reach = Reach::PublicAndLoopback;
    App::new(Verifier::new(Issuers::read(&issuers.to_string(), reach), &device_keys(), HttpFetch::new(reach)))
}

fn request(headers: &[(&str, &str)]) -> AuthorizerRequest {
    let headers: HashMap<&str, &str> = headers.iter().copied().collect();
    serde_json::from_value(json!({"methodArn": METHOD_ARN, "headers": headers, "type": "REQUEST"})).unwrap()
}

async fn ask(headers: &[(&str, &str)]) -> Value {
    serde_json::to_value(authorize(&app(&json!([])), &request(headers), clock::now()).await.unwrap()).unwrap()
}

fn effect(answer: &Value) -> &str {
    answer["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap()
}

#[tokio::test]
async fn a_good_token_allows_the_whole_stage_and_says_who_calls() {
    let (token, _) = DeviceIssuer::new(device_keys().signing()).issue([7; 16], clock::now()).unwrap();
    for name in ["Authorization", "authorization", "AUTHORIZATION"] {
        let answer = ask(&[("host", "x"), (name, &format!("Bearer {token}"))]).await;
        assert_eq!(effect(&answer), "Allow");
        let resource = &answer["policyDocument"]["Statement"][0]["Resource"];
        assert_eq!(resource, "arn:aws:execute-api:us-east-1:000000000000:api1/prod/*");
        assert_eq!(answer["context"]["kind"], "device");
        assert_eq!(answer["context"]["subject"], answer["principalId"]);
        assert!(answer["context"].as_object().unwrap().values().all(Value::is_string));
    }
}

/// The context of a token with these claims, if its issuer releases `released`.
async fn context_of(released: &Value, more: &Value) -> Value {
    const ISSUER: &str = "https://id.example.org";
    let signer = Signer::new("1");
    let issuer = json!({"issuer": ISSUER, "audience": "landslide", "jwks": {"keys": [signer.jwk()]}, "released_claims": released});
    let token = signer.sign_with(ISSUER, "alice", more);
    let request = request(&[("Authorization", &format!("Bearer {token}"))]);
    let answer = authorize(&app(&json!([issuer])), &request, clock::now()).await.unwrap();
    let mut context = serde_json::to_value(answer).unwrap()["context"].take();
    context.as_object_mut().unwrap().remove("expires_at").unwrap();
    context
}

#[tokio::test]
async fn only_released_claims_leave_the_authorizer_as_one_text() {
    let token = json!({"region": "Gen\u{e8}ve \"\\", "age_group": "18-29", "email": "a@example.org", "city": "Bern", "groups": ["a"]});
    let mut expected = json!({"issuer": "https://id.example.org", "subject": "alice", "kind": "account"});
    assert_eq!(context_of(&json!(null), &token).await, expected);
    assert_eq!(context_of(&json!(["canton", "groups"]), &token).await, expected);
    expected["released_claims"] = json!(r#"{"age_group":"18-29","region":"Genève \"\\"}"#);
    assert_eq!(context_of(&json!(["region", "age_group", "groups"]), &token).await, expected);
}

#[tokio::test]
async fn anything_else_is_denied_without_a_word_of_who_calls() {
    let (token, _) = DeviceIssuer::new(device_keys().signing()).issue([7; 16], clock::now()).unwrap();
    let odd = [
        "".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        token.clone(),
        format!("Basic {token}"),
        format!("Bearer {token}x"),
    ];
    for value in odd {
        let answer = ask(&[("Authorization", &value)]).await;
        assert_eq!(effect(&answer), "Deny", "{value}");
        assert_eq!(answer["context"], Value::Null);
    }
    assert_eq!(effect(&ask(&[]).await), "Deny");
    assert_eq!(effect(&ask(&[("Cookie", &format!("Authorization=Bearer {token}"))]).await), "Deny");
}

#[tokio::test]
async fn a_question_without_headers_is_denied() {
    let request = serde_json::from_value(json!({"methodArn": METHOD_ARN, "headers": null})).unwrap();
    let answer = authorize(&app(&json!([])), &request, clock::now()).await.unwrap();
    assert_eq!(effect(&serde_json::to_value(answer).unwrap()), "Deny");
}

/// A token's effect at `now`, or why there is none.
async fn fare(app: &App, token: &str, now: Timestamp) -> String {
    match authorize(app, &request(&[("Authorization", &format!("Bearer {token}"))]), now).await {
        Ok(answer) => effect(&serde_json::to_value(answer).unwrap()).to_owned(),
        Err(unavailable) => unavailable.to_string(),
    }
}

#[tokio::test]
async fn an_issuers_keys_are_fetched_rotated_and_outlive_its_server() {
    let (first, second, now) = (Signer::new("1"), Signer::new("2"), clock::now());
    let provider = Provider::start(&[&first]).await;
    let app = app(&json!([{"issuer": provider.issuer(), "audience": "landslide", "jwks_uri": provider.jwks_uri()}]));
    let (old, new) = (first.sign(&provider.issuer(), "alice"), second.sign(&provider.issuer(), "alice"));
    assert_eq!(provider.requests(), 0, "nothing is fetched before the first token");

    assert_eq!(fare(&app, &old, now).await, "Allow");
    provider.publish(&[&second]);
    assert_eq!(fare(&app, &new, now.plus_millis(REFETCH_MS - 1)).await, "Deny");
    assert_eq!(provider.requests(), 1);
    assert_eq!(fare(&app, &new, now.plus_millis(REFETCH_MS)).await, "Allow");
    assert_eq!(fare(&app, &old, now.plus_millis(REFETCH_MS)).await, "Deny");
    assert_eq!(provider.requests(), 2);

    let fetched_at = now.plus_millis(REFETCH_MS);
    provider.stop().await;
    assert_eq!(fare(&app, &new, fetched_at.plus_millis(FRESH_MS + FRESH_JITTER_MS)).await, "Allow");
    assert_eq!(fare(&app, &new, fetched_at.plus_millis(STALE_MS - 1)).await, "Allow");
    let without_keys = fare(&app, &new, fetched_at.plus_millis(STALE_MS)).await;
    assert!(without_keys.contains("are not available"), "{without_keys}");
}

#[tokio::test]
async fn without_an_issuers_keys_there_is_neither_allow_nor_deny() {
    let (signer, now) = (Signer::new("1"), clock::now());
    let provider = Provider::start(&[&signer]).await;
    let app = app(&json!([{"issuer": provider.issuer(), "audience": "landslide", "jwks_uri": provider.jwks_uri()}]));
    let token = signer.sign(&provider.issuer(), "alice");
    provider.stop().await;
    let without_keys = fare(&app, &token, now).await;
    assert!(without_keys.contains("are not available: no answer"), "{without_keys}");

    let (device, _) = DeviceIssuer::new(device_keys().signing()).issue([7; 16], now).unwrap();
    assert_eq!(fare(&app, &device, now).await, "Allow");
    assert_eq!(fare(&app, "alice", now).await, "Deny");
}

/// The secret with the stored keys, which answers as told.
fn key_sets_secret(answer: Answer) -> (KeySetsSecret, Calls) {
    let (aws, calls) = stub(move |_, _| answer.clone());
    (KeySetsSecret::new(&aws, "key-sets".to_owned()), calls)
}

#[tokio::test]
async fn without_stored_keys_an_issuers_keys_are_fetched() {
    for answer in [
        Answer::Refused("ResourceNotFoundException", json!({})),
        Answer::Refused("AccessDeniedException", json!({})),
        Answer::Lost,
        Answer::Ok(json!({"SecretString": ""})),
        Answer::Ok(json!({"SecretString": "{\"issuers\": 7}"})),
        Answer::Ok(json!({"SecretString": "{\"issuers\": {}}"})),
    ] {
        let (signer, now) = (Signer::new("1"), clock::now());
        let provider = Provider::start(&[&signer]).await;
        let issuers = json!([{"issuer": provider.issuer(), "audience": "landslide", "jwks_uri": provider.jwks_uri()}]);
        let issuers = Issuers::read(&issuers.to_string(), Reach::PublicAndLoopback);
        recall(&issuers, key_sets_secret(answer.clone()).0.read()).await;
        let verifier = Verifier::new(issuers, &device_keys(), HttpFetch::new(Reach::PublicAndLoopback));
        let token = signer.sign(&provider.issuer(), "alice");
        assert_eq!(fare(&App::new(verifier), &token, now).await, "Allow", "{answer:?}");
        assert_eq!(provider.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_waits_a_second_for_stored_keys_and_no_longer() {
    let issuer =
        json!({"issuer": "https://id.example.org", "audience": "landslide", "jwks_uri": "https://id.example.org/jwks"});
    let issuers = Issuers::read(&json!([issuer]).to_string(), Reach::Public);
    let start = tokio::time::Instant::now();
    recall(&issuers, std::future::pending()).await;
    assert_eq!(start.elapsed(), RECALL_TIME_MAX);
}

#[tokio::test]
async fn stored_keys_are_read_where_keys_are_fetched_and_only_there() {
    const URI: &str = "https://id.example.org/jwks";
    let (signer, now) = (Signer::new("1"), clock::now());
    let set = json!({"jwks_uri": URI, "fetched_at": now, "keys": [signer.jwk()]});
    let text = json!({"issuers": {"https://id.example.org": set}}).to_string();
    for (keys, reads) in [(json!({"jwks_uri": URI}), 1), (json!({"jwks": {"keys": [signer.jwk()]}}), 0)] {
        let mut issuer = json!({"issuer": "https://id.example.org", "audience": "landslide"});
        issuer.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let issuers = Issuers::read(&json!([issuer]).to_string(), Reach::Public);
        let (secret, calls) = key_sets_secret(Answer::Ok(json!({"SecretString": text})));
        recall(&issuers, secret.read()).await;
        assert_eq!(calls.operations(), vec!["GetSecretValue"; reads]);
        let app = App::new(Verifier::new(issuers, &device_keys(), HttpFetch::new(Reach::Public)));
        assert_eq!(fare(&app, &signer.sign("https://id.example.org", "alice"), now).await, "Allow");
    }
}

#[tokio::test]
async fn a_refusal_is_logged_once_a_minute_with_whose_token_it_was_and_never_the_token() {
    const MINUTE_MS: u64 = 60_000;
    let (log, now, signer) = (Log::default(), clock::now(), Signer::new("1"));
    let _logged = log.is_written_to();
    let app = app(&json!([]));
    let token = signer.sign("https://id.example.org", "alice");
    for age_ms in [0, 1, MINUTE_MS - 1] {
        assert_eq!(fare(&app, &token, now.plus_millis(age_ms)).await, "Deny");
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["token refused: its issuer is not configured", "issuer=\"https://id.example.org\"", "kid=\"1\""] {
        assert!(lines[0].contains(part), "{lines:?}");
    }
    assert!(token.split('.').all(|part| !lines[0].contains(part)), "{lines:?}");
    assert_eq!(fare(&app, &token, now.plus_millis(MINUTE_MS)).await, "Deny");
    let lines = log.lines();
    assert!(lines.len() == 2 && lines[1].contains("left_out=2"), "{lines:?}");
}

#[tokio::test]
async fn a_configuration_that_can_not_be_used_is_named_in_the_log_without_what_it_holds() {
    let log = Log::default();
    let _logged = log.is_written_to();
    let private = json!({"kty": "OKP", "crv": "Ed25519", "x": "AQAB", "d": "c2VjcmV0"});
    app(&json!([
        {"issuer": "https://a.example.org", "audience": "landslide", "jwks": {"keys": [private]}},
        {"issuer": "https://b.example.org", "audiences": "landslide", "jwks_uri": "https://b.example.org/jwks"},
    ]));
    let lines = log.lines().join("\n");
    for part in [
        "issuer \"https://a.example.org\": \"jwks\" key 1 is a private or shared key (\"d\")",
        "issuer \"https://a.example.org\": \"jwks\" has no key that can be used",
        "issuer \"https://b.example.org\": \"audience\" is missing",
    ] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    assert!(!lines.contains("c2VjcmV0"), "{lines}");
}
