use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use landslide_aws::clock;
use serde_json::{Value, json};

use super::{
    signer::{Signer, seconds_from_now},
    *,
};

const ISSUER: &str = "https://id.example.org";
const ALIAS: &str = "https://old.example.org";
const AUDIENCE: &str = "landslide";
const SECRET: &str = "a secret of devices that is long enough";

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": seconds_from_now(600), "scope": "polls"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// Verifies tokens from one issuer, or from devices.
struct Verifier(KeySet);

impl Verifier {
    fn verify(&self, token: &str) -> Result<Caller, Refused> {
        self.0.verify(&Token::read(token)?)
    }
}

fn verifier(signers: &[&Signer]) -> Verifier {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk.clone()).collect();
    Verifier(KeySet::of_accounts(Arc::new(expected(AUDIENCE_CLAIM)), &keys))
}

fn expected(audience_claim: &str) -> Expected {
    Expected {
        issuer: ISSUER.to_owned(),
        aliases: vec![ALIAS.to_owned()],
        audiences: vec![AUDIENCE.to_owned()],
        audience_claim: audience_claim.to_owned(),
    }
}

#[test]
fn an_account_token_of_each_algorithm_is_taken() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let signer = Signer::new(algorithm, "k");
        let caller = verifier(&[&signer]).verify(&signer.sign(&claims())).unwrap();
        assert_eq!((caller.issuer.as_str(), caller.subject.as_str()), (ISSUER, "alice"));
        assert_eq!(caller.kind, TokenKind::Account);
    }
}

#[test]
fn a_token_is_taken_for_a_minute_of_skew_and_no_longer() {
    let signer = Signer::new(Algorithm::EdDSA, "k");
    let verifier = verifier(&[&signer]);
    for (claim, offset, taken) in [("exp", -50, true), ("exp", -70, false), ("nbf", 50, true), ("nbf", 70, false)] {
        let token = signer.sign(&with(claim, json!(seconds_from_now(offset))));
        assert_eq!(verifier.verify(&token).is_ok(), taken, "{claim} {offset}");
    }
}

#[test]
fn a_token_without_its_claims_or_with_others_is_refused() {
    let signer = Signer::new(Algorithm::ES256, "k");
    let verifier = verifier(&[&signer]);
    for claim in ["iss", "aud", "sub", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);
        assert!(verifier.verify(&signer.sign(&claims)).is_err(), "{claim}");
    }
    for (claim, value) in [
        ("aud", json!("another")),
        ("aud", json!([])),
        ("iss", json!("https://other.example.org")),
        ("iss", json!(DEVICE_ISSUER)),
        ("sub", json!("")),
        ("sub", json!("a\nb")),
        ("sub", json!("x".repeat(256))),
        ("sub", json!(7)),
        ("exp", json!("tomorrow")),
    ] {
        assert!(verifier.verify(&signer.sign(&with(claim, value.clone()))).is_err(), "{claim} {value}");
    }
    assert!(verifier.verify(&signer.sign(&with("aud", json!(["another", AUDIENCE])))).is_ok());
}

#[test]
fn a_key_signs_with_its_own_algorithm_only() {
    let signer = Signer::new(Algorithm::RS256, "k");
    let verifier = verifier(&[&signer]);
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());

    let unsigned = format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(&claims()));
    assert!(verifier.verify(&unsigned).is_err());

    // The public key is public, so it must be useless as a shared secret.
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(signer.jwk["n"].as_str().unwrap()).unwrap();
    for secret in [modulus.as_slice(), signer.jwk["n"].as_str().unwrap().as_bytes(), signer.jwk.to_string().as_bytes()]
    {
        let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::HS256) };
        let forged = encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
        assert!(matches!(verifier.verify(&forged), Err(Refused::UnknownKey)));
    }

    // Nor may it sign with another algorithm in its own family.
    let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::RS512) };
    let other = encode(&header, &claims(), &signer.key).unwrap();
    assert!(matches!(verifier.verify(&other), Err(Refused::UnknownKey)));
}

#[test]
fn of_an_issuers_keys_the_one_with_the_tokens_id_is_used() {
    let (first, second) = (Signer::new(Algorithm::ES256, "1"), Signer::new(Algorithm::ES256, "2"));
    let verifier = verifier(&[&first, &second]);
    assert!(verifier.verify(&second.sign(&claims())).is_ok());
    let nameless = encode(&Header::new(Algorithm::ES256), &claims(), &second.key).unwrap();
    assert!(verifier.verify(&nameless).is_ok(), "a token without a key id is tried with each key");
    let header = Header { kid: Some("3".to_owned()), ..Header::new(Algorithm::ES256) };
    let unknown = encode(&header, &claims(), &second.key).unwrap();
    assert!(matches!(verifier.verify(&unknown), Err(Refused::UnknownKey)));
}

#[test]
fn a_bad_signature_means_an_unknown_key_only_where_no_id_said_which() {
    let (ours, others) = (Signer::new(Algorithm::ES256, "k"), Signer::new(Algorithm::ES256, "k"));
    let verifier = verifier(&[&ours]);
    assert!(matches!(verifier.verify(&others.sign(&claims())), Err(Refused::Signature)));
    let nameless = |claims: &Value, signer: &Signer| encode(&Header::new(Algorithm::ES256), claims, &signer.key);
    assert!(matches!(verifier.verify(&nameless(&claims(), &others).unwrap()), Err(Refused::UnknownKey)));
    let expired = with("exp", json!(seconds_from_now(-600)));
    assert!(matches!(verifier.verify(&nameless(&expired, &ours).unwrap()), Err(Refused::Expired)));
}

#[test]
fn critical_extensions_are_refused_and_odd_claims_of_others_are_not() {
    let signer = Signer::new(Algorithm::ES256, "k");
    let verifier = verifier(&[&signer]);
    let header = Header { crit: Some(vec!["exp".to_owned()]), ..Header::new(Algorithm::ES256) };
    let critical = encode(&header, &claims(), &signer.key).unwrap();
    assert!(matches!(verifier.verify(&critical), Err(Refused::Critical)));
    assert!(verifier.verify(&signer.sign(&with("exp", json!(seconds_from_now(600) as f64 + 0.5)))).is_ok());
    for scope in [json!(null), json!(["a"]), json!(7)] {
        assert!(verifier.verify(&signer.sign(&with("scope", scope))).is_ok());
    }
}

#[test]
fn an_alias_is_the_same_issuer() {
    let signer = Signer::new(Algorithm::ES256, "k");
    let caller = verifier(&[&signer]).verify(&signer.sign(&with("iss", json!(ALIAS)))).unwrap();
    assert_eq!((caller.issuer.as_str(), caller.subject.as_str()), (ISSUER, "alice"));
}

#[test]
fn the_configured_claim_must_name_the_audience_and_aud_must_not_name_others() {
    let signer = Signer::new(Algorithm::ES256, "k");
    let by_client = KeySet::of_accounts(Arc::new(expected("client_id")), std::slice::from_ref(&signer.jwk));
    let by_client = Verifier(by_client);
    let verify = |changes: Value| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove("aud");
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        by_client.verify(&signer.sign(&claims)).map(|caller| caller.subject)
    };
    let [named_by_client, named_by_aud] = ["client_id", "aud"].map(|claim| Refused::Audience(claim.to_owned()));
    assert_eq!(verify(json!({"client_id": AUDIENCE})), Ok("alice".to_owned()));
    assert_eq!(verify(json!({"client_id": ["x", AUDIENCE], "aud": AUDIENCE})), Ok("alice".to_owned()));
    assert_eq!(verify(json!({})), Err(Refused::MissingClaim("client_id".to_owned())));
    assert_eq!(verify(json!({"aud": AUDIENCE})), Err(Refused::MissingClaim("client_id".to_owned())));
    assert_eq!(verify(json!({"client_id": null})), Err(Refused::MissingClaim("client_id".to_owned())));
    assert_eq!(verify(json!({"client_id": 7})), Err(Refused::MalformedClaim("client_id".to_owned())));
    assert_eq!(verify(json!({"client_id": "another"})), Err(named_by_client));
    assert_eq!(verify(json!({"client_id": AUDIENCE, "aud": "another"})), Err(named_by_aud));
}

#[test]
fn a_token_is_for_one_of_several_audiences_and_for_no_other() {
    let signer = Signer::new(Algorithm::ES256, "k");
    for claim in ["aud", "client_id"] {
        let expected = Expected { audiences: vec!["web".to_owned(), "app".to_owned()], ..expected(claim) };
        let verifier = Verifier(KeySet::of_accounts(Arc::new(expected), std::slice::from_ref(&signer.jwk)));
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove("aud");
        for (audience, is_taken) in [
            (json!("web"), true),
            (json!("app"), true),
            (json!(["other", "app"]), true),
            (json!("we"), false),
            (json!("web app"), false),
            (json!(["other"]), false),
            (json!([]), false),
        ] {
            claims[claim] = audience.clone();
            let verdict = verifier.verify(&signer.sign(&claims)).map(|caller| caller.subject);
            let refused = Err(Refused::Audience(claim.to_owned()));
            assert_eq!(verdict, if is_taken { Ok("alice".to_owned()) } else { refused }, "{claim} {audience}");
        }
    }
}

#[test]
fn a_refusal_says_which_claim_it_is_about_and_not_what_it_holds() {
    let signer = Signer::new(Algorithm::ES256, "k");
    let verifier = verifier(&[&signer]);
    let reason = |name: &str, value: Value| verifier.verify(&signer.sign(&with(name, value))).unwrap_err().to_string();
    assert_eq!(reason("sub", json!(7)), "its sub is not of the right form");
    assert_eq!(reason("sub", json!(null)), "it has no sub");
    assert_eq!(reason("exp", json!(null)), "it has no exp");
    assert_eq!(reason("exp", json!("tomorrow")), "its exp is not of the right form");
    assert_eq!(reason("nbf", json!(-1)), "its nbf is not of the right form");
    assert_eq!(reason("exp", json!(seconds_from_now(-600))), "it has expired");
    assert_eq!(reason("nbf", json!(seconds_from_now(600))), "it is not valid yet");
    assert_eq!(reason("aud", json!("another")), "its aud does not name a configured audience");
}

#[test]
fn a_key_has_the_name_of_its_algorithm_of_before_and_after_rfc_9864() {
    let mut signer = Signer::new(Algorithm::EdDSA, "k");
    for name in ["EdDSA", "Ed25519"] {
        signer.jwk["alg"] = json!(name);
        assert!(verifier(&[&signer]).verify(&signer.sign(&claims())).is_ok(), "{name}");
        let named = json!({"alg": name, "kid": "k"}).to_string();
        let message = [named, claims().to_string()].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = crypto::sign(message.as_bytes(), &signer.key, Algorithm::EdDSA).unwrap();
        assert!(verifier(&[&signer]).verify(&format!("{message}.{signature}")).is_ok(), "{name}");
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let signer = Signer::new(Algorithm::EdDSA, "k");
    let verifier = verifier(&[&signer]);
    let good = signer.sign(&claims());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let odd = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "alice".to_owned(),
        format!("{good}.x"),
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
        head.to_owned(),
        "{\"alg\":\"none\"}".to_owned(),
        "\u{fffd}.é.✓".to_owned(),
    ];
    for token in odd {
        assert!(verifier.verify(&token).is_err(), "{token}");
    }
    let oversized = signer.sign(&with("pad", json!("x".repeat(TOKEN_BYTES_MAX))));
    assert!(matches!(verifier.verify(&oversized), Err(Refused::TooLong)));
}

fn device_key(kid: &str, secret: &str) -> DeviceKey {
    DeviceKey { kid: kid.to_owned(), secret: secret.to_owned(), tokens_until: None }
}

fn device_keys(keys: &[&DeviceKey]) -> DeviceKeys {
    let [signing, others @ ..] = keys else { panic!("no keys") };
    DeviceKeys::new((*signing).clone(), others.iter().map(|key| (*key).clone()).collect()).unwrap()
}

fn device_verifier(keys: &[&DeviceKey]) -> Verifier {
    Verifier(KeySet::of_devices(&device_keys(keys)))
}

fn device_token(key: &DeviceKey) -> String {
    DeviceIssuer::new(key).issue([7; 16], clock::now()).unwrap().0
}

/// A device token from before tokens had a `kid`.
fn device_token_without_kid(key: &DeviceKey) -> String {
    let expires_at = seconds_from_now(600);
    let claims =
        json!({"iss": DEVICE_ISSUER, "aud": DEVICE_ISSUER, "sub": "BwcHBwcHBwcHBwcHBwcHBw", "exp": expires_at});
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(key.secret.as_bytes())).unwrap()
}

#[test]
fn a_devices_token_is_our_own() {
    let (ours, others) = (device_key("k", SECRET), device_key("k", "another secret, just as long as ours"));
    let device = DeviceIssuer::new(&ours);
    let verifier = device_verifier(&[&ours]);
    let (token, expires_at) = device.issue([7; 16], clock::now()).unwrap();
    let caller = verifier.verify(&token).unwrap();
    assert_eq!((caller.kind, caller.issuer.as_str()), (TokenKind::Device, DEVICE_ISSUER));
    assert_eq!(caller.subject, "BwcHBwcHBwcHBwcHBwcHBw");
    assert!(expires_at.millis_since(clock::now()) > DEVICE_TOKEN_LIFE_MS - 60_000);

    assert!(verifier.verify(&device_token(&others)).is_err());
    let (expired, _) = device.issue([7; 16], Timestamp::EPOCH).unwrap();
    assert!(verifier.verify(&expired).is_err());
}

#[test]
fn a_devices_token_names_the_key_that_signed_it() {
    let header = jsonwebtoken::decode_header(device_token(&device_key("2026-11", SECRET))).unwrap();
    assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::HS256, Some("2026-11")));
}

#[test]
fn each_device_key_verifies_its_own_tokens_until_it_is_retired() {
    let (old, new) = (device_key("old", SECRET), device_key("new", "another secret, just as long as ours"));
    let (of_old, of_new) = (device_token(&old), device_token(&new));
    for both in [device_verifier(&[&old, &new]), device_verifier(&[&new, &old])] {
        assert_eq!(both.verify(&of_old).unwrap().kind, TokenKind::Device);
        assert_eq!(both.verify(&of_new).unwrap().kind, TokenKind::Device);
    }
    let after = device_verifier(&[&new]);
    assert!(matches!(after.verify(&of_old), Err(Refused::UnknownKey)));
    assert!(after.verify(&of_new).is_ok());
    let swapped = device_key("new", SECRET);
    assert!(
        matches!(after.verify(&device_token(&swapped)), Err(Refused::Signature)),
        "its kid says which key is meant"
    );
}

#[test]
fn a_devices_token_without_kid_is_good_as_long_as_its_key_is_there() {
    let (original, new) = (device_key("original", SECRET), device_key("new", "another secret, just as long as ours"));
    let token = device_token_without_kid(&original);
    for keys in [&[&original][..], &[&original, &new], &[&new, &original]] {
        assert_eq!(device_verifier(keys).verify(&token).unwrap().subject, "BwcHBwcHBwcHBwcHBwcHBw");
    }
    assert!(device_verifier(&[&new]).verify(&token).is_err());
}
