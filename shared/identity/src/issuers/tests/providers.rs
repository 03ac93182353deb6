//! What large providers publish and issue, in their own spelling: keys, people and tenants are invented, shapes are
//! real. `<n>`, `<e>`, `<x>` and `<y>` stand for a key's parameters, `<now>` and `<exp>` for times.

use std::sync::LazyLock;

use jsonwebtoken::crypto::sign;

use super::*;
use crate::token::Unusable;

const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

macro_rules! providers {
    ($($name:literal)*) => { [$(($name, include_str!(concat!("providers/", $name, ".json")))),*] };
}

/// Made once, as generating RSA keys takes time.
static PROVIDERS: LazyLock<Vec<(&str, Provider)>> = LazyLock::new(providers);

fn providers() -> Vec<(&'static str, Provider)> {
    let files = providers![
        "auth0" "okta" "entra-v1" "entra-v2" "cognito" "google" "firebase" "apple" "keycloak" "authentik" "zitadel" "clerk"
        "supabase" "github-actions"
    ];
    files.into_iter().map(|(name, json)| (name, Provider::new(json))).collect()
}

struct Provider {
    signer: Signer,
    shape: Value,
    keys: Value,
}

impl Provider {
    fn new(json: &str) -> Self {
        let mut shape: Value = serde_json::from_str(json).unwrap();
        let algorithm = if shape["header"]["alg"] == "ES256" { Algorithm::ES256 } else { Algorithm::RS256 };
        let signer = Signer::new(algorithm, "");
        let mut keys = vec![shape["signing_key"].clone()];
        fill(&mut keys[0], &signer.jwk);
        for mut key in shape["other_keys"].as_array().unwrap().clone() {
            let other = if key["kty"] == "RSA" { Algorithm::RS256 } else { Algorithm::EdDSA };
            fill(&mut key, &Signer::new(other, "").jwk);
            keys.insert(0, key);
        }
        shape["claims"]["iat"] = json!(seconds_from_now(-5));
        for (claim, value) in shape["claims"].as_object_mut().unwrap() {
            if value == "<now>" {
                *value = json!(seconds_from_now(-5));
            } else if claim == "exp" {
                *value = json!(seconds_from_now(600));
            }
        }
        Self { signer, shape, keys: json!({"keys": keys}) }
    }

    fn configuration(&self, field: &str, keys: Value) -> Value {
        let mut configuration = self.shape["configuration"].clone();
        configuration[field] = keys;
        configuration
    }

    fn uri(&self) -> &str {
        self.shape["jwks_uri"].as_str().unwrap()
    }

    fn token(&self, changes: Value) -> String {
        let mut claims = self.shape["claims"].clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let message =
            [&self.shape["header"], &claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = sign(message.as_bytes(), &self.signer.key, self.signer.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// Fills a key's parameters into its shape.
fn fill(shape: &mut Value, key: &Value) {
    for (name, value) in shape.as_object_mut().unwrap() {
        if *value == format!("<{name}>") {
            *value = key[name].clone();
        }
    }
}

/// The ways to configure a provider's keys, each with a verifier that has them.
fn configured(provider: &Provider) -> [(&'static str, Verifier<FakeFetch>); 3] {
    let discovery_uri = format!("https://id.example.org{DISCOVERY_PATH}");
    let ways = [
        ("inline", provider.configuration("jwks", provider.keys.clone())),
        ("by URI", provider.configuration("jwks_uri", json!(provider.uri()))),
        ("by discovery", provider.configuration("discovery", json!(discovery_uri))),
    ];
    ways.map(|(way, configuration)| {
        let verifier = verifier(&json!([configuration]));
        verifier.fetch.set(provider.uri(), Answer::Body(provider.keys.to_string().into_bytes()));
        verifier.fetch.set(&discovery_uri, Answer::Body(provider.shape["discovery"].to_string().into_bytes()));
        (way, verifier)
    })
}

#[tokio::test]
async fn the_tokens_of_each_provider_are_taken_inline_by_uri_and_by_discovery() {
    for (name, provider) in &*PROVIDERS {
        for (way, verifier) in configured(provider) {
            let verdict = verifier.verify(&provider.token(json!({})), clock::now()).await.unwrap();
            let caller = verdict.unwrap_or_else(|refusal| panic!("{name} {way}: {refusal:?}"));
            assert_eq!(caller.issuer, provider.shape["configuration"]["issuer"], "{name} {way}");
            assert_eq!(caller.subject, provider.shape["claims"]["sub"], "{name} {way}");
        }
    }
}

#[tokio::test]
async fn a_token_of_each_provider_for_others_is_refused() {
    for (name, provider) in &*PROVIDERS {
        let claim = provider.shape["configuration"]["audience_claim"].as_str().unwrap_or("aud");
        for (way, verifier) in configured(provider) {
            let verdict = verifier.verify(&provider.token(json!({claim: "another"})), clock::now()).await.unwrap();
            assert_eq!(verdict.unwrap_err().reason, Refused::Audience(claim.to_owned()), "{name} {way}");
            let verdict = verifier.verify(&provider.token(json!({claim: null})), clock::now()).await.unwrap();
            assert_eq!(verdict.unwrap_err().reason, Refused::MissingClaim(claim.to_owned()), "{name} {way}");
        }
    }
}

#[tokio::test]
async fn two_names_of_one_provider_are_one_caller() {
    for (name, provider) in &*PROVIDERS {
        let aliases = provider.shape["configuration"]["aliases"].as_array().cloned().unwrap_or_default();
        for (way, verifier) in configured(provider) {
            for alias in &aliases {
                let caller =
                    verifier.verify(&provider.token(json!({"iss": alias})), clock::now()).await.unwrap().unwrap();
                assert_eq!(caller.issuer, provider.shape["configuration"]["issuer"], "{name} {way}");
            }
        }
    }
}

#[test]
fn what_is_left_out_of_each_key_set_is_known() {
    let left_out = |provider: &Provider| {
        let keys = KeySet::of_accounts(Arc::new(expected()), provider.keys["keys"].as_array().unwrap());
        keys.left_out().iter().map(|key| (key.position, format!("{:?}", key.why))).collect::<Vec<_>>()
    };
    for (name, provider) in &*PROVIDERS {
        let expected = match *name {
            "keycloak" => vec![(1, Unusable::OtherType), (2, Unusable::OtherUse("use"))],
            _ => vec![],
        };
        let expected: Vec<_> = expected.into_iter().map(|(position, why)| (position, format!("{why:?}"))).collect();
        assert_eq!(left_out(provider), expected, "{name}");
    }
}

#[tokio::test]
async fn the_certificates_of_firebase_and_google_are_no_key_set() {
    let certificates =
        json!({"8e8fc8e5example": "-----BEGIN CERTIFICATE-----\nMIIDHDCCAgSg\n-----END CERTIFICATE-----\n"});
    for (name, provider) in PROVIDERS.iter().filter(|(name, _)| matches!(*name, "firebase" | "google")) {
        let [_, (_, by_uri), _] = configured(provider);
        by_uri.fetch.set(provider.uri(), Answer::Body(certificates.to_string().into_bytes()));
        let unavailable = by_uri.verify(&provider.token(json!({})), clock::now()).await.unwrap_err().to_string();
        assert!(unavailable.contains("a map of certificates"), "{name}: {unavailable}");
    }
}
