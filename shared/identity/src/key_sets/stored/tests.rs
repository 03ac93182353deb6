use std::sync::Arc;

use jsonwebtoken::Algorithm;
use landslide_aws::{clock, testing::Log};
use landslide_domain::time::MINUTE_MS;
use serde_json::json;

use super::*;
use crate::{
    key_sets::fake::{Answer, FakeFetch, key_set},
    token::{AUDIENCE_CLAIM, Expected, signer::Signer},
};

const ISSUER: &str = "https://id.example.org";
const URI: &str = "https://id.example.org/jwks";
const OTHER: &str = "https://other.example.org";
const OTHER_URI: &str = "https://other.example.org/jwks";

fn issuer(name: &str, uri: &str) -> FetchedKeys {
    let expected = Expected {
        issuer: name.to_owned(),
        aliases: vec![],
        audiences: vec!["landslide".to_owned()],
        audience_claim: AUDIENCE_CLAIM.to_owned(),
    };
    FetchedKeys::new(Arc::new(expected), KeysAt::Uri(uri.to_owned()))
}

fn both() -> [FetchedKeys; 2] {
    [issuer(ISSUER, URI), issuer(OTHER, OTHER_URI)]
}

fn signer(id: &str) -> Signer {
    Signer::new(Algorithm::ES256, id)
}

/// The stored issuers' names.
fn names(stored: &StoredKeySets) -> Vec<&str> {
    stored.issuers.keys().map(String::as_str).collect()
}

/// The ids of an issuer's stored keys.
fn kids<'a>(stored: &'a StoredKeySets, issuer: &str) -> Vec<&'a str> {
    stored.issuers[issuer].keys.iter().map(|key| key["kid"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn of_each_issuer_the_usable_keys_are_stored_with_their_time() {
    let (fetch, now, first, second) = (FakeFetch::default(), clock::now(), signer("1"), signer("2"));
    fetch.publish(URI, &[&first]); // beside a key of a kind that is not known
    fetch.publish(OTHER_URI, &[&first, &second]);
    let stored = StoredKeySets::default().refreshed(&both(), &fetch, now).await;
    assert_eq!((kids(&stored, ISSUER), kids(&stored, OTHER)), (vec!["1"], vec!["1", "2"]));
    let read = StoredKeySets::parse(&stored.to_json().unwrap()).unwrap();
    assert_eq!(read, stored);
    let set = read.of(ISSUER, &KeysAt::Uri(URI.to_owned())).unwrap();
    assert_eq!(set.fetched_at, Timestamp::parse(&now.to_string()).unwrap());
}

#[tokio::test]
async fn an_issuer_that_fails_keeps_its_last_good_keys_for_a_day_and_costs_no_other() {
    let (fetch, now, first, second) = (FakeFetch::default(), clock::now(), signer("1"), signer("2"));
    fetch.publish(URI, &[&first]);
    fetch.publish(OTHER_URI, &[&first]);
    let stored = StoredKeySets::default().refreshed(&both(), &fetch, now).await;
    fetch.publish(OTHER_URI, &[&second]);
    let log = Log::default();
    let _logged = log.is_written_to();
    for answer in [Answer::Status(429), Answer::Down, Answer::Body(b"no key set".to_vec())] {
        fetch.set(URI, answer);
        for (age_ms, expected) in
            [(10 * MINUTE_MS, vec![ISSUER, OTHER]), (STALE_MS - 1, vec![ISSUER, OTHER]), (STALE_MS, vec![OTHER])]
        {
            let later = stored.refreshed(&both(), &fetch, now.plus_millis(age_ms)).await;
            assert_eq!(names(&later), expected, "{age_ms}");
            assert_eq!(kids(&later, OTHER), ["2"]);
            assert_eq!(later.issuers[OTHER].fetched_at, now.plus_millis(age_ms));
            let kept = later.issuers.get(ISSUER);
            assert!(kept.is_none_or(|set| *set == stored.issuers[ISSUER]), "{kept:?}");
        }
    }
    let lines = log.lines();
    assert!(lines.len() == 9 && lines.iter().all(|line| line.contains("WARN") && line.contains(ISSUER)), "{lines:?}");
}

#[tokio::test]
async fn an_issuer_that_is_gone_or_at_another_address_leaves_nothing() {
    let (fetch, now) = (FakeFetch::default(), clock::now());
    fetch.publish(URI, &[&signer("1")]);
    fetch.publish(OTHER_URI, &[&signer("1")]);
    let stored = StoredKeySets::default().refreshed(&both(), &fetch, now).await;
    fetch.set(OTHER_URI, Answer::Down);
    let moved = "https://other.example.org/new-jwks";
    fetch.set(moved, Answer::Down);
    assert_eq!(names(&stored.refreshed(&[issuer(ISSUER, URI)], &fetch, now).await), [ISSUER]);
    assert_eq!(names(&stored.refreshed(&[issuer(OTHER, moved)], &fetch, now).await), [""; 0]);
    assert_eq!(names(&stored.refreshed(&[], &fetch, now).await), [""; 0]);
}

#[tokio::test]
async fn an_issuer_that_withdraws_its_keys_is_stored_without_any() {
    let (fetch, now) = (FakeFetch::default(), clock::now());
    fetch.publish(URI, &[&signer("1")]);
    let stored = StoredKeySets::default().refreshed(&[issuer(ISSUER, URI)], &fetch, now).await;
    fetch.publish(URI, &[]);
    let later = stored.refreshed(&[issuer(ISSUER, URI)], &fetch, now).await;
    assert_eq!(later.issuers[ISSUER].keys, [Value::Null; 0]);
}

/// A key set's body whose reduced keys have about this many bytes.
fn set_of_bytes(signer: &Signer, bytes: usize) -> Answer {
    let mut key = signer.jwk.clone();
    key["kid"] = json!("k".repeat(bytes));
    Answer::Body(json!({"keys": [key]}).to_string().into_bytes())
}

#[tokio::test]
async fn keys_for_which_a_secret_has_no_room_are_named_and_cost_no_other() {
    let log = Log::default();
    let _logged = log.is_written_to();
    let (fetch, now, signer) = (FakeFetch::default(), clock::now(), signer("1"));
    let issuers = [
        issuer("https://a.example.org", "https://a.example.org/jwks"),
        issuer("https://b.example.org", "https://b.example.org/jwks"),
        issuer("https://c.example.org", "https://c.example.org/jwks"),
    ];
    for (name, bytes) in [("a", 40_000), ("b", 30_000), ("c", 20_000)] {
        fetch.set(&format!("https://{name}.example.org/jwks"), set_of_bytes(&signer, bytes));
    }
    let stored = StoredKeySets::default().refreshed(&issuers, &fetch, now).await;
    assert_eq!(names(&stored), ["https://a.example.org", "https://c.example.org"]);
    let lines = log.lines();
    let names_it = |line: &String| line.contains("ERROR") && line.contains("issuer \"https://b.example.org\"");
    assert!(lines.len() == 1 && lines.iter().all(names_it), "{lines:?}");
    assert!(stored.to_json().unwrap().len() <= STORED_BYTES_MAX);
}

#[tokio::test]
async fn certificates_take_no_room() {
    let (fetch, now, signer) = (FakeFetch::default(), clock::now(), signer("1"));
    let mut key = signer.jwk.clone();
    key["x5c"] = json!(["M".repeat(50_000)]);
    fetch.set(URI, Answer::Body(json!({"keys": [key]}).to_string().into_bytes()));
    fetch.set(OTHER_URI, Answer::Body(key_set(&[&signer])));
    let stored = StoredKeySets::default().refreshed(&both(), &fetch, now).await;
    assert_eq!(names(&stored), [ISSUER, OTHER]);
    assert!(stored.to_json().unwrap().len() < 1_000);
}
