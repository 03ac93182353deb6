use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use landslide_aws::clock;
use landslide_domain::time::MINUTE_MS;
use serde_json::json;

use super::{
    fake::{Answer, FakeFetch, key_set},
    *,
};
use crate::token::{
    AUDIENCE_CLAIM, Token,
    signer::{Signer, seconds_from_now},
};

const ISSUER: &str = "https://id.example.org";
const URI: &str = "https://id.example.org/jwks";

fn issuer() -> FetchedKeys {
    keys_at(at_uri())
}

fn keys_at(at: KeysAt) -> FetchedKeys {
    let expected = Expected {
        issuer: ISSUER.to_owned(),
        aliases: vec![],
        audiences: vec!["landslide".to_owned()],
        audience_claim: AUDIENCE_CLAIM.to_owned(),
    };
    FetchedKeys::new(Arc::new(expected), at)
}

/// The issuer's stored key set, with these signers' keys.
fn stored(at: KeysAt, signers: &[&Signer], fetched_at: Timestamp) -> StoredKeySets {
    let mut keys = vec![json!({"kty": "RSA", "kid": "too short", "n": "AQAB", "e": "AQAB"})];
    keys.extend(signers.iter().map(|signer| signer.jwk.clone()));
    let mut set = serde_json::to_value(at).unwrap();
    set["fetched_at"] = json!(fetched_at);
    set["keys"] = json!(keys);
    StoredKeySets::parse(&json!({"issuers": {ISSUER: set}}).to_string()).unwrap()
}

fn at_uri() -> KeysAt {
    KeysAt::Uri(URI.to_owned())
}

fn signer(id: &str) -> Signer {
    Signer::new(Algorithm::ES256, id)
}

/// Whether a key set verifies this signer's tokens.
fn has(keys: &KeySet, signer: &Signer) -> bool {
    let claims = json!({"iss": ISSUER, "aud": "landslide", "sub": "alice", "exp": seconds_from_now(600)});
    keys.verify(&Token::read(&signer.sign(&claims)).unwrap()).is_ok()
}

#[tokio::test]
async fn keys_are_fetched_once_and_remembered_for_ten_minutes() {
    let (issuer, fetch, now, first, second) = (issuer(), FakeFetch::default(), clock::now(), signer("1"), signer("2"));
    fetch.publish(URI, &[&first]);
    for age_ms in [0, 1, REFETCH_MS, FRESH_MS - 1] {
        assert!(has(&issuer.keys(&fetch, now.plus_millis(age_ms)).await.unwrap(), &first));
    }
    assert_eq!(fetch.fetches(URI), 1);

    fetch.publish(URI, &[&second]);
    let keys = issuer.keys(&fetch, now.plus_millis(FRESH_MS + FRESH_JITTER_MS)).await.unwrap();
    assert!(has(&keys, &second) && !has(&keys, &first));
    assert_eq!(fetch.fetches(URI), 2);
}

#[tokio::test]
async fn the_latest_keys_are_fetched_again_after_half_a_minute_and_not_before() {
    let (issuer, fetch, now, first, second) = (issuer(), FakeFetch::default(), clock::now(), signer("1"), signer("2"));
    fetch.publish(URI, &[&first]);
    issuer.keys(&fetch, now).await.unwrap();
    fetch.publish(URI, &[&first, &second]);
    for (age_ms, known, fetches) in [(1, false, 1), (REFETCH_MS - 1, false, 1), (REFETCH_MS, true, 2)] {
        let keys = issuer.latest_keys(&fetch, now.plus_millis(age_ms)).await.unwrap();
        assert_eq!((has(&keys, &second), fetch.fetches(URI)), (known, fetches), "{age_ms}");
    }
}

#[tokio::test]
async fn stale_keys_serve_for_a_day_while_the_issuer_is_down_and_no_longer() {
    let (issuer, fetch, now, signer) = (issuer(), FakeFetch::default(), clock::now(), signer("1"));
    fetch.publish(URI, &[&signer]);
    issuer.keys(&fetch, now).await.unwrap();
    fetch.set(URI, Answer::Down);
    for age_ms in [FRESH_MS + FRESH_JITTER_MS, 60 * MINUTE_MS, STALE_MS - 1] {
        assert!(has(&issuer.keys(&fetch, now.plus_millis(age_ms)).await.unwrap(), &signer), "{age_ms}");
    }
    assert!(issuer.keys(&fetch, now.plus_millis(STALE_MS)).await.is_err());
    assert_eq!(fetch.fetches(URI), 4, "the last answer was a millisecond old");

    fetch.publish(URI, &[&signer]);
    assert!(issuer.keys(&fetch, now.plus_millis(STALE_MS + REFETCH_MS)).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_was_never_there_is_asked_twice_a_minute_at_most_and_then_found() {
    let (issuer, fetch, now, signer) = (issuer(), FakeFetch::default(), clock::now(), signer("1"));
    fetch.set(URI, Answer::Down);
    for age_ms in 0..REFETCH_MS / 1_000 {
        let error = issuer.keys(&fetch, now.plus_millis(age_ms * 1_000)).await.err().unwrap();
        assert!(error.to_string().contains(ISSUER) && error.to_string().contains("connection refused"), "{error}");
    }
    assert_eq!(fetch.fetches(URI), 1);
    fetch.publish(URI, &[&signer]);
    assert!(has(&issuer.keys(&fetch, now.plus_millis(REFETCH_MS)).await.unwrap(), &signer));
}

#[tokio::test]
async fn without_an_answer_nobody_says_that_a_key_is_unknown() {
    let (issuer, fetch, now, signer) = (issuer(), FakeFetch::default(), clock::now(), signer("1"));
    fetch.publish(URI, &[&signer]);
    issuer.keys(&fetch, now).await.unwrap();
    fetch.set(URI, Answer::Down);
    let later = now.plus_millis(REFETCH_MS);
    assert!(issuer.latest_keys(&fetch, later).await.is_err());
    assert!(issuer.latest_keys(&fetch, later.plus_millis(1)).await.is_err());
    assert!(has(&issuer.keys(&fetch, later.plus_millis(2)).await.unwrap(), &signer));
    assert_eq!(fetch.fetches(URI), 2);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_silent_is_given_up_after_two_seconds() {
    let (issuer, fetch, now, signer) = (issuer(), FakeFetch::default(), clock::now(), signer("1"));
    fetch.set(URI, Answer::Silent);
    let began = tokio::time::Instant::now();
    let error = issuer.keys(&fetch, now).await.err().unwrap();
    assert!(error.to_string().ends_with("not there after 2 s"), "{error}");
    assert!((FETCH_TIMEOUT..FETCH_TIMEOUT + Duration::from_millis(10)).contains(&began.elapsed()));

    fetch.publish(URI, &[&signer]);
    assert!(issuer.keys(&fetch, now.plus_millis(REFETCH_MS)).await.is_ok());
}

#[tokio::test]
async fn first_tokens_at_once_make_one_fetch() {
    let (issuer, fetch, now, signer) = (issuer(), FakeFetch::default(), clock::now(), signer("1"));
    fetch.publish(URI, &[&signer]);
    let all = join_all((0..100).map(|age_ms| issuer.keys(&fetch, now.plus_millis(age_ms)))).await;
    assert!(all.into_iter().all(|keys| has(&keys.unwrap(), &signer)));
    // Callers that asked a moment before the fetch they waited for are served by it too.
    let all = join_all((0..100).rev().map(|age_ms| issuer.latest_keys(&fetch, now.plus_millis(age_ms)))).await;
    assert!(all.into_iter().all(|keys| keys.is_ok()));
    assert_eq!(fetch.fetches(URI), 1);
}

#[tokio::test]
async fn a_fetch_that_was_cut_off_counts_as_one() {
    let (issuer, fetch, now) = (issuer(), FakeFetch::default(), clock::now());
    fetch.set(URI, Answer::Silent);
    let cut_off = tokio::time::timeout(Duration::from_millis(1), issuer.keys(&fetch, now)).await;
    assert!(cut_off.is_err());
    assert!(issuer.keys(&fetch, now.plus_millis(1)).await.is_err());
    assert_eq!(fetch.fetches(URI), 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_keys_old_and_stops_no_fetch() {
    let (issuer, fetch, now, signer) = (issuer(), FakeFetch::default(), clock::now(), signer("1"));
    fetch.publish(URI, &[&signer]);
    issuer.keys(&fetch, now.plus_millis(DAY_MS)).await.unwrap();
    issuer.keys(&fetch, now).await.unwrap();
    assert_eq!(fetch.fetches(URI), 2);
}

#[tokio::test]
async fn what_is_no_key_set_is_a_failure_and_leaves_the_keys_of_before() {
    let signer = signer("1");
    let many = |count: usize| json!({"keys": vec![signer.jwk.clone(); count]}).to_string().into_bytes();
    for (body, reason) in [
        (b"<html>down for maintenance</html>".to_vec(), "not a key set"),
        (b"".to_vec(), "not a key set"),
        (b"[]".to_vec(), "not a key set"),
        (b"{\"keys\": {}}".to_vec(), "not a key set"),
        (b"{\"error\": \"server_error\"}".to_vec(), "not a key set"),
        (b"\xff\xfe".to_vec(), "not a key set"),
        (many(KEYS_MAX + 1), "101 keys"),
    ] {
        let (issuer, fetch, now) = (issuer(), FakeFetch::default(), clock::now());
        fetch.set(URI, Answer::Body(body.clone()));
        let error = issuer.keys(&fetch, now).await.err().unwrap();
        assert!(error.to_string().contains(reason), "{error}");

        let now = now.plus_millis(REFETCH_MS);
        fetch.set(URI, Answer::Body(key_set(&[&signer])));
        issuer.keys(&fetch, now).await.unwrap();
        fetch.set(URI, Answer::Body(body));
        assert!(has(&issuer.keys(&fetch, now.plus_millis(FRESH_MS + FRESH_JITTER_MS)).await.unwrap(), &signer));
    }
    let (issuer, fetch) = (issuer(), FakeFetch::default());
    fetch.set(URI, Answer::Body(many(KEYS_MAX)));
    assert!(has(&issuer.keys(&fetch, clock::now()).await.unwrap(), &signer));
}

#[tokio::test]
async fn an_issuer_that_withdraws_its_keys_is_taken_at_its_word() {
    let (issuer, fetch, now, signer) = (issuer(), FakeFetch::default(), clock::now(), signer("1"));
    fetch.publish(URI, &[&signer]);
    issuer.keys(&fetch, now).await.unwrap();
    fetch.publish(URI, &[]);
    assert!(issuer.keys(&fetch, now.plus_millis(FRESH_MS + FRESH_JITTER_MS)).await.unwrap().is_empty());
}

const DISCOVERY_URI: &str = "https://id.example.org/.well-known/openid-configuration";

fn discovery(issuer: &str, jwks_uri: &str) -> Answer {
    Answer::Body(
        json!({"issuer": issuer, "jwks_uri": jwks_uri, "scopes_supported": ["openid"]}).to_string().into_bytes(),
    )
}

#[tokio::test]
async fn a_discovery_document_says_where_the_keys_are() {
    let (issuer, fetch, signer) =
        (keys_at(KeysAt::Discovery(DISCOVERY_URI.to_owned())), FakeFetch::default(), signer("1"));
    fetch.set(DISCOVERY_URI, discovery(ISSUER, URI));
    fetch.publish(URI, &[&signer]);
    assert!(has(&issuer.keys(&fetch, clock::now()).await.unwrap(), &signer));
    assert_eq!((fetch.fetches(DISCOVERY_URI), fetch.fetches(URI)), (1, 1));
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_or_address_is_not_followed() {
    for (document, reason) in [
        (discovery("https://id.example.org/", URI), "not the configured one to the letter"),
        (discovery("https://other.example.org", URI), "not the configured one to the letter"),
        (discovery(ISSUER, "https://169.254.169.254/keys"), "not public"),
        (discovery(ISSUER, "http://id.example.org/jwks"), "not an https address on port 443"),
        (discovery(ISSUER, "https://id.example.org:8080/jwks"), "not an https address on port 443"),
        (Answer::Body(b"{\"keys\": []}".to_vec()), "not a discovery document"),
    ] {
        let (issuer, fetch) = (keys_at(KeysAt::Discovery(DISCOVERY_URI.to_owned())), FakeFetch::default());
        fetch.set(DISCOVERY_URI, document);
        fetch.publish(URI, &[&signer("1")]);
        let error = issuer.keys(&fetch, clock::now()).await.err().unwrap().to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(fetch.fetches(URI), 0);
    }
}

#[tokio::test]
async fn a_map_of_certificates_is_called_one() {
    let (issuer, fetch) = (issuer(), FakeFetch::default());
    let certificates = json!({"kid1": "-----BEGIN CERTIFICATE-----\nMII", "kid2": "-----BEGIN CERTIFICATE-----\nMII"});
    fetch.set(URI, Answer::Body(certificates.to_string().into_bytes()));
    let error = issuer.keys(&fetch, clock::now()).await.err().unwrap().to_string();
    assert!(error.contains("a map of certificates, not a key set"), "{error}");
}

#[tokio::test]
async fn processes_that_fetch_together_do_not_ask_again_together() {
    let fetch = FakeFetch::default();
    fetch.publish(URI, &[&signer("1")]);
    let (processes, now): (Vec<FetchedKeys>, _) = ((0..100).map(|_| issuer()).collect(), clock::now());
    for process in &processes {
        process.keys(&fetch, now).await.unwrap();
    }
    for process in &processes {
        process.keys(&fetch, now.plus_millis(FRESH_MS + FRESH_JITTER_MS / 2)).await.unwrap();
    }
    let second_fetches = fetch.fetches(URI) - processes.len();
    assert!((10..90).contains(&second_fetches), "{second_fetches}");
}

#[tokio::test]
async fn stored_keys_that_are_fresh_need_no_fetch() {
    let (issuer, fetch, now, first, second) = (issuer(), FakeFetch::default(), clock::now(), signer("1"), signer("2"));
    fetch.publish(URI, &[&second]);
    issuer.recall(&stored(at_uri(), &[&first], now));
    for age_ms in [0, REFETCH_MS, FRESH_MS - 1] {
        let keys = issuer.keys(&fetch, now.plus_millis(age_ms)).await.unwrap();
        assert!(has(&keys, &first));
        assert_eq!(keys.left_out().len(), 1, "each stored key is checked as a fetched one is");
    }
    assert_eq!(fetch.fetches(URI), 0);
    let keys = issuer.keys(&fetch, now.plus_millis(FRESH_MS + FRESH_JITTER_MS)).await.unwrap();
    assert!(has(&keys, &second) && !has(&keys, &first));
}

#[tokio::test]
async fn processes_that_begin_together_with_stored_keys_do_not_ask_together() {
    let (fetch, now, signer) = (FakeFetch::default(), clock::now(), signer("1"));
    fetch.publish(URI, &[&signer]);
    let stored = stored(at_uri(), &[&signer], now);
    for _ in 0..100 {
        let process = issuer();
        process.recall(&stored);
        process.keys(&fetch, now.plus_millis(FRESH_MS + FRESH_JITTER_MS / 2)).await.unwrap();
    }
    assert!((10..90).contains(&fetch.fetches(URI)), "{}", fetch.fetches(URI));
}

#[tokio::test]
async fn a_key_that_is_not_stored_is_looked_for_at_the_issuer() {
    let (issuer, fetch, now, first, second) = (issuer(), FakeFetch::default(), clock::now(), signer("1"), signer("2"));
    issuer.recall(&stored(at_uri(), &[&first], now));
    fetch.publish(URI, &[&first, &second]);
    assert!(has(&issuer.latest_keys(&fetch, now).await.unwrap(), &second));
}

#[tokio::test]
async fn stored_keys_serve_for_a_day_while_the_issuer_is_down_and_no_longer() {
    for (age_ms, is_there) in [(FRESH_MS + FRESH_JITTER_MS, true), (STALE_MS - 1, true), (STALE_MS, false)] {
        let (issuer, fetch, now, signer) = (issuer(), FakeFetch::default(), clock::now(), signer("1"));
        fetch.set(URI, Answer::Status(429));
        issuer.recall(&stored(at_uri(), &[&signer], now));
        let keys = issuer.keys(&fetch, now.plus_millis(age_ms)).await;
        assert_eq!(keys.is_ok_and(|keys| has(&keys, &signer)), is_there, "{age_ms}");
        assert_eq!(fetch.fetches(URI), 1, "the issuer is asked first");
    }
}

#[tokio::test]
async fn keys_that_were_stored_of_another_address_are_not_used() {
    let elsewhere = KeysAt::Uri("https://id.example.org/old-jwks".to_owned());
    for at in [elsewhere, KeysAt::Discovery(URI.to_owned())] {
        let (issuer, fetch, now, signer) = (issuer(), FakeFetch::default(), clock::now(), signer("1"));
        fetch.set(URI, Answer::Down);
        issuer.recall(&stored(at, &[&signer], now));
        assert!(issuer.keys(&fetch, now).await.is_err());
    }
}
