use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::{
    clock,
    domain::caller::TokenKind,
    key_sets::{
        FRESH_MS, REFETCH_MS, STALE_MS,
        fake::{Answer, FakeFetch},
    },
    token::{
        DeviceIssuer,
        signer::{Signer, seconds_from_now},
    },
};

const ISSUER: &str = "https://id.example.org";
const URI: &str = "https://id.example.org/jwks";
const OTHER: &str = "https://other.example.org";
const OTHER_URI: &str = "https://other.example.org/keys";
const AUDIENCE: &str = "landslide";
const SECRET: &str = "a secret of devices that is long enough";

fn device_keys() -> DeviceKeys {
    DeviceKeys::parse(SECRET).unwrap()
}

fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": AUDIENCE, "sub": "alice", "exp": seconds_from_now(600)})
}

fn verifier(issuers: &Value) -> Verifier<FakeFetch> {
    Verifier::new(&issuers.to_string(), &device_keys(), FakeFetch::default()).unwrap()
}

fn by_uri() -> Verifier<FakeFetch> {
    verifier(&json!([
        {"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": URI},
        {"issuer": OTHER, "audience": AUDIENCE, "jwks_uri": OTHER_URI},
    ]))
}

/// One word for how a token fares.
async fn verdict(verifier: &Verifier<FakeFetch>, token: &str, now: Timestamp) -> &'static str {
    match verifier.verify(token, now).await {
        Ok(Ok(_)) => "taken",
        Ok(Err(_)) => "refused",
        Err(_) => "unavailable",
    }
}

#[tokio::test]
async fn each_issuers_tokens_need_its_own_keys() {
    let (ours, others) = (Signer::new(Algorithm::RS256, "k"), Signer::new(Algorithm::RS256, "k"));
    let verifier = verifier(&json!([
        {"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"keys": [ours.jwk]}},
        {"issuer": OTHER, "audience": AUDIENCE, "jwks_uri": OTHER_URI},
    ]));
    verifier.fetch.publish(OTHER_URI, &[&others]);
    let now = clock::now();
    for (signer, issuer, expected) in [
        (&ours, ISSUER, "taken"),
        (&others, ISSUER, "refused"),
        (&others, OTHER, "taken"),
        (&ours, OTHER, "refused"),
        (&ours, "https://third.example.org", "refused"),
    ] {
        assert_eq!(verdict(&verifier, &signer.sign(&claims(issuer)), now).await, expected, "{issuer}");
    }
}

#[tokio::test]
async fn a_device_is_one_that_we_signed_for() {
    let verifier = by_uri();
    let (token, _) = DeviceIssuer::new(device_keys().signing()).issue([7; 16], clock::now()).unwrap();
    let caller = verifier.verify(&token, clock::now()).await.unwrap().unwrap();
    assert_eq!((caller.kind, caller.issuer.as_str()), (TokenKind::Device, DEVICE_ISSUER));
    assert_eq!((verifier.fetch.fetches(URI), verifier.fetch.fetches(OTHER_URI)), (0, 0));
}

#[tokio::test]
async fn a_new_key_is_found_by_its_id_and_a_key_that_is_gone_stops_counting() {
    let (first, second) = (Signer::new(Algorithm::ES256, "1"), Signer::new(Algorithm::EdDSA, "2"));
    let (verifier, now) = (by_uri(), clock::now());
    verifier.fetch.publish(URI, &[&first]);
    assert_eq!(verdict(&verifier, &first.sign(&claims(ISSUER)), now).await, "taken");

    verifier.fetch.publish(URI, &[&second]);
    let later = now.plus_millis(REFETCH_MS);
    assert_eq!(verdict(&verifier, &second.sign(&claims(ISSUER)), later).await, "taken");
    assert_eq!(verdict(&verifier, &first.sign(&claims(ISSUER)), later).await, "refused");
    assert_eq!(verifier.fetch.fetches(URI), 2);
}

#[tokio::test]
async fn a_new_key_is_found_where_the_issuer_names_none() {
    let (first, second) = (Signer::new(Algorithm::RS256, "1"), Signer::new(Algorithm::RS256, "2"));
    let nameless = |signer: &Signer| encode(&Header::new(Algorithm::RS256), &claims(ISSUER), &signer.key).unwrap();
    let (verifier, now) = (by_uri(), clock::now());
    verifier.fetch.publish(URI, &[&first]);
    assert_eq!(verdict(&verifier, &nameless(&first), now).await, "taken");
    verifier.fetch.publish(URI, &[&second]);
    assert_eq!(verdict(&verifier, &nameless(&second), now.plus_millis(REFETCH_MS)).await, "taken");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_makes_two_fetches_a_minute() {
    let (known, unknown) = (Signer::new(Algorithm::ES256, "1"), Signer::new(Algorithm::ES256, "2"));
    let (verifier, now) = (by_uri(), clock::now());
    verifier.fetch.publish(URI, &[&known]);
    for number in 0..600 {
        let header = Header { kid: Some(format!("k{number}")), ..Header::new(Algorithm::ES256) };
        let token = encode(&header, &claims(ISSUER), &unknown.key).unwrap();
        // Ten a second for a minute: the first fetch, and one when 30 s have passed.
        assert_eq!(verdict(&verifier, &token, now.plus_millis(number * 100)).await, "refused");
    }
    assert_eq!(verifier.fetch.fetches(URI), 2);
    assert_eq!(verdict(&verifier, &known.sign(&claims(ISSUER)), now.plus_millis(REFETCH_MS * 2)).await, "taken");
    assert_eq!(verifier.fetch.fetches(URI), 2);
}

#[tokio::test]
async fn what_no_key_could_save_is_refused_without_a_fetch() {
    let signer = Signer::new(Algorithm::ES256, "k");
    let verifier = by_uri();
    verifier.fetch.publish(URI, &[&signer]);
    let good = signer.sign(&claims(ISSUER));
    let mut oversized = claims(ISSUER);
    oversized["pad"] = json!("x".repeat(9_000));
    let by_secret = |algorithm| encode(&Header::new(algorithm), &claims(ISSUER), &EncodingKey::from_secret(b"k"));
    let mut odd = vec![
        String::new(),
        "a.b.c".to_owned(),
        format!("{good}.x"),
        signer.sign(&oversized),
        signer.sign(&claims("https://third.example.org")),
        by_secret(Algorithm::HS256).unwrap(),
        by_secret(Algorithm::HS512).unwrap(),
    ];
    let rsa = Signer::new(Algorithm::RS256, "k");
    odd.push(encode(&Header::new(Algorithm::PS256), &claims(ISSUER), &rsa.key).unwrap());
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..Header::new(Algorithm::ES256) };
    odd.push(encode(&critical, &claims(ISSUER), &signer.key).unwrap());
    for token in odd {
        assert_eq!(verdict(&verifier, &token, clock::now()).await, "refused", "{token}");
    }
    assert_eq!(verifier.fetch.fetches(URI), 0);
}

#[tokio::test]
async fn while_an_issuer_is_down_its_known_keys_serve_and_nothing_else_is_judged() {
    let (first, second) = (Signer::new(Algorithm::ES256, "1"), Signer::new(Algorithm::ES256, "2"));
    let (verifier, now) = (by_uri(), clock::now());
    verifier.fetch.publish(URI, &[&first]);
    assert_eq!(verdict(&verifier, &first.sign(&claims(ISSUER)), now).await, "taken");
    verifier.fetch.set(URI, Answer::Down);
    for (age_ms, signer, expected) in [
        (FRESH_MS, &first, "taken"),
        (FRESH_MS + 1, &second, "unavailable"),
        (STALE_MS - 1, &first, "taken"),
        (STALE_MS, &first, "unavailable"),
    ] {
        let token = signer.sign(&claims(ISSUER));
        assert_eq!(verdict(&verifier, &token, now.plus_millis(age_ms)).await, expected, "{age_ms}");
    }
    // A forged or expired token is none of a known key's either way.
    let forged =
        encode(&Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::ES256) }, &claims(ISSUER), &second.key);
    assert_eq!(verdict(&verifier, &forged.unwrap(), now.plus_millis(FRESH_MS)).await, "refused");
    let mut expired = claims(ISSUER);
    expired["exp"] = json!(seconds_from_now(-600));
    assert_eq!(verdict(&verifier, &first.sign(&expired), now.plus_millis(FRESH_MS)).await, "refused");
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_silent_or_down_hurts_no_other() {
    let signer = Signer::new(Algorithm::ES256, "k");
    for answer in [Answer::Silent, Answer::Down] {
        let (verifier, now) = (by_uri(), clock::now());
        verifier.fetch.set(URI, answer);
        verifier.fetch.publish(OTHER_URI, &[&signer]);
        let (device, _) = DeviceIssuer::new(device_keys().signing()).issue([7; 16], now).unwrap();
        let (hers, others) = (signer.sign(&claims(ISSUER)), signer.sign(&claims(OTHER)));
        let began = tokio::time::Instant::now();
        let unhurt = async {
            let verdicts = (verdict(&verifier, &others, now).await, verdict(&verifier, &device, now).await);
            (verdicts, began.elapsed().as_millis())
        };
        let (down, (unhurt, waited_ms)) = tokio::join!(verdict(&verifier, &hers, now), unhurt);
        assert_eq!((down, unhurt, waited_ms), ("unavailable", ("taken", "taken"), 0));
    }
}

#[test]
fn issuers_that_can_not_be_used_are_refused_with_their_name() {
    let signer = Signer::new(Algorithm::ES256, "k");
    let issuer =
        |name: &str, audience: &str, keys: Value| json!({"issuer": name, "audience": audience, "jwks": {"keys": keys}});
    let new = |issuers: Value| Verifier::new(&issuers.to_string(), &device_keys(), FakeFetch::default()).map(|_| ());
    let good = issuer(ISSUER, AUDIENCE, json!([signer.jwk]));
    assert!(new(json!([good])).is_ok());
    assert!(matches!(new(json!([good, good])), Err(IssuersError::Name(name)) if name == ISSUER));
    assert!(matches!(new(json!([issuer(DEVICE_ISSUER, AUDIENCE, json!([signer.jwk]))])), Err(IssuersError::Name(_))));
    assert!(matches!(new(json!([issuer("a b", AUDIENCE, json!([signer.jwk]))])), Err(IssuersError::Name(_))));
    assert!(matches!(new(json!([issuer(ISSUER, "", json!([signer.jwk]))])), Err(IssuersError::NoAudience(_))));
    let secret = json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"});
    assert!(matches!(new(json!([issuer(ISSUER, AUDIENCE, json!([secret]))])), Err(IssuersError::NoKey(_))));
    assert!(matches!(new(json!({"issuer": ISSUER})), Err(IssuersError::NotValid(_))));
    assert!(matches!(new(json!([{"issuer": ISSUER}])), Err(IssuersError::NotValid(_))));

    let (mut both, neither) = (good, json!({"issuer": ISSUER, "audience": AUDIENCE}));
    both["jwks_uri"] = json!(URI);
    for config in [both, neither] {
        assert!(matches!(new(json!([config])), Err(IssuersError::EitherKeysOrUri(name)) if name == ISSUER));
    }
}

#[test]
fn keys_come_by_https_or_from_this_machine() {
    let new = |uri: &str| {
        let issuers = json!([{"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": uri}]);
        Verifier::new(&issuers.to_string(), &device_keys(), FakeFetch::default()).map(|_| ())
    };
    for uri in [
        URI,
        "https://id.example.org:8443/jwks?tenant=1",
        "http://localhost/jwks",
        "http://LOCALHOST:9410/jwks",
        "http://127.0.0.1:9410/jwks",
        "http://[::1]:9410/jwks",
    ] {
        assert!(new(uri).is_ok(), "{uri}");
    }
    for uri in [
        "",
        "/jwks",
        "id.example.org/jwks",
        "http://id.example.org/jwks",
        "http://localhost.example.org/jwks",
        "http://localhost@id.example.org/jwks",
        "https://user:word@id.example.org/jwks",
        "http://10.0.0.1/jwks",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://localhost/jwks",
        "https://",
        "https://a b/jwks",
    ] {
        assert!(matches!(new(uri), Err(IssuersError::Uri { uri: refused, .. }) if refused == uri), "{uri}");
    }
}
