use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::clock;

const ISSUER: &str = "https://id.example.org";
const AUDIENCE: &str = "landslide";
const SECRET: &[u8] = b"a secret of devices that is long enough";

/// A signer of an issuer, and its public key as the issuer publishes it.
struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    jwk: Value,
}

impl Signer {
    fn new(algorithm: Algorithm, id: &str) -> Self {
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_der(&pkcs1(KeyPair::generate(KeySize::Rsa2048).unwrap())),
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            Algorithm::EdDSA => {
                EncodingKey::from_ed_der(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref())
            }
            other => panic!("no key of {other:?}"),
        };
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(id);
        Self { algorithm, key, jwk }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: self.jwk["kid"].as_str().map(str::to_owned), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }
}

/// The RSA private key in the form that the JWT crate takes: what PKCS #8 wraps, past its 26 bytes.
fn pkcs1(pair: KeyPair) -> Vec<u8> {
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    pkcs8.as_ref()[26..].to_vec()
}

fn seconds_from_now(seconds: i64) -> i64 {
    (clock::now().as_millis() / 1_000) as i64 + seconds
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": seconds_from_now(600), "scope": "polls"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn verifier(signers: &[&Signer]) -> Verifier {
    let keys: Vec<&Value> = signers.iter().map(|signer| &signer.jwk).collect();
    let issuers = json!([{"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"keys": keys}}]);
    Verifier::new(&issuers.to_string(), SECRET).unwrap()
}

#[test]
fn an_account_token_of_each_algorithm_is_taken() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let signer = Signer::new(algorithm, "k");
        let caller = verifier(&[&signer]).verify(&signer.sign(&claims())).unwrap();
        assert_eq!((caller.issuer.as_str(), caller.subject.as_str()), (ISSUER, "alice"));
        assert_eq!((caller.kind, caller.scopes.as_str()), (TokenKind::Account, "polls"));
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

    // The public key is public: as a secret it must be worth nothing.
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(signer.jwk["n"].as_str().unwrap()).unwrap();
    for secret in [modulus.as_slice(), signer.jwk["n"].as_str().unwrap().as_bytes(), signer.jwk.to_string().as_bytes()]
    {
        let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::HS256) };
        let forged = encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
        assert!(matches!(verifier.verify(&forged), Err(Refused::UnknownKey)));
    }

    // Nor may it sign with another algorithm of its own family.
    let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::RS512) };
    let other = encode(&header, &claims(), &signer.key).unwrap();
    assert!(matches!(verifier.verify(&other), Err(Refused::UnknownKey)));
}

#[test]
fn another_key_and_another_issuers_key_are_refused() {
    let (ours, others) = (Signer::new(Algorithm::RS256, "k"), Signer::new(Algorithm::RS256, "k"));
    let issuers = json!([
        {"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"keys": [ours.jwk]}},
        {"issuer": "https://other.example.org", "audience": AUDIENCE, "jwks": {"keys": [others.jwk]}},
    ]);
    let verifier = Verifier::new(&issuers.to_string(), SECRET).unwrap();
    assert!(verifier.verify(&ours.sign(&claims())).is_ok());
    assert!(verifier.verify(&others.sign(&claims())).is_err());
    assert!(verifier.verify(&others.sign(&with("iss", json!("https://other.example.org")))).is_ok());
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
fn critical_extensions_are_refused_and_odd_claims_of_others_are_not() {
    let signer = Signer::new(Algorithm::ES256, "k");
    let verifier = verifier(&[&signer]);
    let header = Header { crit: Some(vec!["exp".to_owned()]), ..Header::new(Algorithm::ES256) };
    let critical = encode(&header, &claims(), &signer.key).unwrap();
    assert!(matches!(verifier.verify(&critical), Err(Refused::Critical)));
    assert!(verifier.verify(&signer.sign(&with("exp", json!(seconds_from_now(600) as f64 + 0.5)))).is_ok());
    for scope in [json!(null), json!(["a"]), json!(7)] {
        assert_eq!(verifier.verify(&signer.sign(&with("scope", scope))).unwrap().scopes, "");
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
    assert!(matches!(verifier.verify(&oversized), Err(Refused::TooLong(_))));
}

#[test]
fn a_devices_token_is_our_own() {
    let device = DeviceIssuer::new(SECRET);
    let verifier = Verifier::new("[]", SECRET).unwrap();
    let (token, expires_at) = device.issue([7; 16], clock::now()).unwrap();
    let caller = verifier.verify(&token).unwrap();
    assert_eq!((caller.kind, caller.issuer.as_str()), (TokenKind::Device, DEVICE_ISSUER));
    assert_eq!(caller.subject, "BwcHBwcHBwcHBwcHBwcHBw");
    assert!(expires_at.millis_since(clock::now()) > DEVICE_TOKEN_LIFE_MS - 60_000);

    let (forged, _) = DeviceIssuer::new(b"another secret, just as long as ours").issue([7; 16], clock::now()).unwrap();
    assert!(verifier.verify(&forged).is_err());
    let (expired, _) = device.issue([7; 16], Timestamp::EPOCH).unwrap();
    assert!(verifier.verify(&expired).is_err());
}

#[test]
fn issuers_that_can_not_be_used_are_refused_with_their_name() {
    let signer = Signer::new(Algorithm::ES256, "k");
    let issuer =
        |name: &str, audience: &str, keys: Value| json!({"issuer": name, "audience": audience, "jwks": {"keys": keys}});
    let new = |issuers: Value| Verifier::new(&issuers.to_string(), SECRET).map(|_| ());
    let good = issuer(ISSUER, AUDIENCE, json!([signer.jwk]));
    assert!(new(json!([good])).is_ok());
    assert!(matches!(new(json!([good, good])), Err(IssuersError::Name(name)) if name == ISSUER));
    assert!(matches!(new(json!([issuer(DEVICE_ISSUER, AUDIENCE, json!([signer.jwk]))])), Err(IssuersError::Name(_))));
    assert!(matches!(new(json!([issuer("a b", AUDIENCE, json!([signer.jwk]))])), Err(IssuersError::Name(_))));
    assert!(matches!(new(json!([issuer(ISSUER, "", json!([signer.jwk]))])), Err(IssuersError::NoAudience(_))));
    let secret = json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"});
    assert!(matches!(new(json!([issuer(ISSUER, AUDIENCE, json!([secret]))])), Err(IssuersError::NoKey(_))));
    assert!(matches!(new(json!({"issuer": ISSUER})), Err(IssuersError::NotValid(_))));
}
