use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use landslide_aws::testing::{Answer, Call, Calls, stub};
use landslide_domain::testing::at;
use landslide_identity::key_sets::FetchError;
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:KeySets-abcdef";
const ISSUER: &str = "https://id.example.org";
const URI: &str = "https://id.example.org/jwks";
const MINUTE_MS: u64 = 60_000;

/// What each address returns; 429 for any other.
#[derive(Clone, Default)]
struct Published(Arc<Mutex<BTreeMap<&'static str, Value>>>);

impl Fetch for Published {
    fn reach(&self) -> Reach {
        Reach::Public
    }

    async fn fetch(&self, uri: &str) -> Result<Vec<u8>, FetchError> {
        let published = self.0.lock().unwrap();
        published.get(uri).map(|keys| json!({"keys": keys}).to_string().into_bytes()).ok_or(FetchError::Status(429))
    }
}

fn key(kid: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

/// A refresh with a secret that behaves like AWS: it returns what was stored last, if it can be read and written.
fn app(begins_with: Answer, put: Answer) -> (App<Published>, Published, Calls) {
    let text = Mutex::new(begins_with);
    let (aws, calls) = stub(move |call: &Call, _| match call.operation.as_str() {
        "GetSecretValue" => text.lock().unwrap().clone(),
        "PutSecretValue" => {
            *text.lock().unwrap() = Answer::Ok(json!({"SecretString": call.body["SecretString"]}));
            put.clone()
        }
        other => panic!("{other}"),
    });
    let issuers = json!([{"issuer": ISSUER, "audience": "landslide", "jwks_uri": URI}]);
    let published = Published::default();
    let app = App {
        issuers: Issuers::read(&issuers.to_string(), Reach::Public),
        fetch: published.clone(),
        secret: KeySetsSecret::new(&aws, SECRET.to_owned()),
    };
    (app, published, calls)
}

/// AWS's answer for a secret without a version, and for one that does not exist.
fn empty() -> Answer {
    Answer::Refused("ResourceNotFoundException", json!({}))
}

/// What was stored last.
fn written(calls: &Calls) -> Value {
    let mut puts = calls.all().into_iter().filter(|call| call.operation == "PutSecretValue");
    serde_json::from_str(puts.next_back().unwrap().body["SecretString"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn keys_are_stored_and_outlive_an_issuer_that_answers_429() {
    let (app, published, calls) = app(empty(), Answer::Ok(json!({})));
    published.0.lock().unwrap().insert(URI, json!([key("1"), {"kty": "oct", "k": "AAAA"}]));
    refresh(&app, at(0)).await.unwrap();
    let put = calls.all().pop().unwrap();
    assert_eq!((&put.body["SecretId"], put.body["ClientRequestToken"].is_string()), (&json!(SECRET), true));
    let set = json!({"jwks_uri": URI, "fetched_at": at(0), "keys": [key("1")]});
    assert_eq!(written(&calls), json!({"issuers": {ISSUER: set}}));

    published.0.lock().unwrap().clear();
    refresh(&app, at(600)).await.unwrap();
    assert_eq!(calls.operations(), ["GetSecretValue", "PutSecretValue", "GetSecretValue"], "nothing new to write");

    published.0.lock().unwrap().insert(URI, json!([key("2")]));
    refresh(&app, at(1_200)).await.unwrap();
    assert_eq!(written(&calls)["issuers"][ISSUER]["keys"], json!([key("2")]));

    published.0.lock().unwrap().clear();
    refresh(&app, at(1_200).plus_millis(24 * 60 * MINUTE_MS)).await.unwrap();
    assert_eq!(written(&calls), json!({"issuers": {}}));
}

#[tokio::test]
async fn a_secret_that_holds_something_else_is_replaced() {
    for text in ["{", "[]", "{\"issuers\": {\"https://id.example.org\": {\"keys\": []}}}"] {
        let (app, published, calls) = app(Answer::Ok(json!({"SecretString": text})), Answer::Ok(json!({})));
        published.0.lock().unwrap().insert(URI, json!([key("1")]));
        refresh(&app, at(0)).await.unwrap();
        assert_eq!(written(&calls)["issuers"][ISSUER]["keys"], json!([key("1")]), "{text}");
    }
}

#[tokio::test]
async fn a_secret_that_can_not_be_read_is_not_overwritten() {
    let (app, published, calls) = app(Answer::Refused("AccessDeniedException", json!({})), Answer::Ok(json!({})));
    published.0.lock().unwrap().insert(URI, json!([key("1")]));
    let error = refresh(&app, at(0)).await.unwrap_err().to_string();
    assert!(error.contains(SECRET) && error.contains("AccessDenied"), "{error}");
    assert_eq!(calls.operations(), ["GetSecretValue"]);
}

#[tokio::test]
async fn a_refresh_that_can_not_store_fails() {
    let (app, published, _) = app(empty(), Answer::Refused("LimitExceededException", json!({})));
    published.0.lock().unwrap().insert(URI, json!([key("1")]));
    let error = refresh(&app, at(0)).await.unwrap_err().to_string();
    assert!(error.contains(SECRET) && error.contains("LimitExceeded"), "{error}");
}
