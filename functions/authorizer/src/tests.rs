use std::collections::HashMap;

use landslide_shared::{clock, token::DeviceIssuer};
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"a secret of devices that is long enough";
const METHOD_ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:api1/prod/POST/v1/polls/p/votes";

fn ask(headers: &[(&str, &str)]) -> Value {
    let app = App::new(Verifier::new("[]", SECRET).unwrap());
    let headers: HashMap<String, String> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let request =
        serde_json::from_value(json!({"methodArn": METHOD_ARN, "headers": headers, "type": "REQUEST"})).unwrap();
    serde_json::to_value(authorize(&app, &request)).unwrap()
}

fn effect(answer: &Value) -> &str {
    answer["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap()
}

#[test]
fn a_good_token_allows_the_whole_stage_and_says_who_calls() {
    let (token, _) = DeviceIssuer::new(SECRET).issue([7; 16], clock::now()).unwrap();
    for name in ["Authorization", "authorization", "AUTHORIZATION"] {
        let answer = ask(&[("host", "x"), (name, &format!("Bearer {token}"))]);
        assert_eq!(effect(&answer), "Allow");
        let resource = &answer["policyDocument"]["Statement"][0]["Resource"];
        assert_eq!(resource, "arn:aws:execute-api:us-east-1:000000000000:api1/prod/*");
        assert_eq!(answer["context"]["kind"], "device");
        assert_eq!(answer["context"]["subject"], answer["principalId"]);
        assert!(answer["context"].as_object().unwrap().values().all(Value::is_string));
    }
}

#[test]
fn anything_else_is_denied_without_a_word_of_who_calls() {
    let (token, _) = DeviceIssuer::new(SECRET).issue([7; 16], clock::now()).unwrap();
    let odd = [
        "".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        token.clone(),
        format!("Basic {token}"),
        format!("Bearer {token}x"),
    ];
    for value in odd {
        let answer = ask(&[("Authorization", &value)]);
        assert_eq!(effect(&answer), "Deny", "{value}");
        assert_eq!(answer["context"], Value::Null);
    }
    assert_eq!(effect(&ask(&[])), "Deny");
    assert_eq!(effect(&ask(&[("Cookie", &format!("Authorization=Bearer {token}"))])), "Deny");
}

#[test]
fn a_question_without_headers_is_denied() {
    let app = App::new(Verifier::new("[]", SECRET).unwrap());
    let request = serde_json::from_value(json!({"methodArn": METHOD_ARN, "headers": null})).unwrap();
    assert_eq!(effect(&serde_json::to_value(authorize(&app, &request)).unwrap()), "Deny");
}
