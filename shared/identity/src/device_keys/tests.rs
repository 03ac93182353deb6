use serde_json::{Value, json};

use super::*;

const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01";
const OTHER: &str = "another secret that is long enough to be one";

fn document(keys: &[(&str, &str)]) -> String {
    let keys: Vec<Value> = keys.iter().map(|(kid, secret)| json!({"kid": kid, "secret": secret})).collect();
    json!({ "keys": keys }).to_string()
}

fn refusal(text: &str) -> DeviceKeysError {
    DeviceKeys::parse(text).unwrap_err()
}

#[test]
fn a_generated_secret_is_the_original_key() {
    let keys = DeviceKeys::parse(SECRET).unwrap();
    assert_eq!((keys.signing().kid.as_str(), keys.signing().secret.as_str()), ("original", SECRET));
    assert!(keys.others().is_empty());
}

#[test]
fn of_several_keys_the_first_signs() {
    let keys = DeviceKeys::parse(&format!(" \n{}", document(&[("2026-11", OTHER), ("original", SECRET)]))).unwrap();
    assert_eq!(keys.signing().kid, "2026-11");
    let kids: Vec<&str> = keys.all().map(|key| key.kid.as_str()).collect();
    assert_eq!(kids, ["2026-11", "original"]);
}

#[test]
fn what_is_written_is_read_again() {
    let until = Timestamp::parse("2028-01-03T00:00:00Z");
    let signing = DeviceKey { kid: "b".to_owned(), secret: OTHER.to_owned(), tokens_until: None };
    let old = DeviceKey { kid: "a".to_owned(), secret: SECRET.to_owned(), tokens_until: until };
    let keys = DeviceKeys::new(signing, vec![old]).unwrap();
    let text = keys.to_json().unwrap();
    assert_eq!(DeviceKeys::parse(&text).unwrap(), keys);
    assert_eq!(text.matches("tokens_until").count(), 1);
}

#[test]
fn a_malformed_secret_is_refused() {
    let with_kid = |kid: &str| document(&[("a", OTHER), (kid, SECRET)]);
    let many: Vec<(String, String)> = (0..=KEYS_MAX).map(|n| (format!("k{n}"), format!("{SECRET}{n}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(kid, secret)| (kid.as_str(), secret.as_str())).collect();
    assert!(DeviceKeys::parse(&document(&many[..KEYS_MAX])).is_ok());
    for (text, expected) in [
        (String::new(), DeviceKeysError::Short(1)),
        (SECRET[..31].to_owned(), DeviceKeysError::Short(1)),
        (document(&[("a", OTHER), ("b", &SECRET[..31])]), DeviceKeysError::Short(2)),
        (document(&[]), DeviceKeysError::Count(0)),
        (document(&many), DeviceKeysError::Count(KEYS_MAX + 1)),
        (with_kid(""), DeviceKeysError::Kid(2)),
        (with_kid("new key"), DeviceKeysError::Kid(2)),
        (with_kid("clé"), DeviceKeysError::Kid(2)),
        (with_kid(&"k".repeat(33)), DeviceKeysError::Kid(2)),
        (with_kid("a"), DeviceKeysError::Twice(2)),
        (document(&[("a", SECRET), ("b", SECRET)]), DeviceKeysError::Twice(2)),
    ] {
        assert_eq!(refusal(&text), expected, "{text}");
    }
}

#[test]
fn a_refusal_repeats_nothing_of_the_secret() {
    let texts = [
        format!("{{keys:[{{kid:a,secret:{SECRET}}}]}}"),
        format!("[\"{SECRET}\"]"),
        format!("\"{SECRET}\""),
        json!({"keys": [{"kid": "a", "secret": [SECRET]}]}).to_string(),
        json!({"keys": SECRET}).to_string(),
        json!({"keys": [{"kid": "a", SECRET: SECRET}]}).to_string(),
        json!({"keys": [{"kid": "a", "secret": SECRET, "tokens_until": SECRET}]}).to_string(),
        document(&[(SECRET, OTHER)]),
        document(&[(SECRET, SECRET)]),
        document(&[("a", SECRET), ("a", OTHER)]),
    ];
    for text in texts {
        let message = refusal(&text).to_string();
        assert!(!message.contains(&SECRET[..8]), "{message}");
    }
}

#[test]
fn debug_output_has_no_key() {
    let shown = format!("{:?}", DeviceKeys::parse(SECRET).unwrap());
    assert!(shown.contains("original") && !shown.contains(&SECRET[..8]), "{shown}");
}
