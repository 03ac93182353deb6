//! `landslide issuer` and `landslide token`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::{landslide, text};

/// A test's own key file, which does not exist yet.
pub fn key_file(test: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.pem"));
    if file.exists() {
        fs::remove_file(&file).unwrap();
    }
    file
}

fn issuers(file: &str) -> Value {
    let output = landslide(&["issuer", "--key", file]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 1);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_token_verifies_with_the_published_key_and_carries_the_named_claims() {
    let file = key_file("verifies");
    let file = file.to_str().unwrap();
    let issuers = issuers(file);
    let issuer = &issuers[0];
    assert_eq!(issuer["issuer"], "https://issuer.landslide.local");
    assert_eq!(issuer["audience"], "landslide");
    let key = &issuer["jwks"]["keys"][0];
    assert_eq!(
        (&key["kty"], &key["use"], &key["alg"], &key["e"]),
        (&"RSA".into(), &"sig".into(), &"RS256".into(), &"AQAB".into())
    );

    let output = landslide(&["token", "--key", file, "--sub", "alice"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let token = text(&output.stdout).trim().to_owned();
    let header = decode_header(&token).unwrap();
    assert_eq!(header.alg, Algorithm::RS256);
    assert_eq!(key["kid"], header.kid.clone().unwrap());

    let keys: JwkSet = serde_json::from_value(issuer["jwks"].clone()).unwrap();
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&["landslide"]);
    validation.set_issuer(&["https://issuer.landslide.local"]);
    validation.validate_nbf = true;
    let claims = decode::<Value>(&token, &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["nbf"], claims["iat"]);
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 12 * 3600);
}

/// The claims of a token that is asked for with these arguments, or what is said against them.
fn claims_with(file: &str, arguments: &[&str]) -> Result<Value, String> {
    let output = landslide(&[&["token", "--key", file, "--sub", "alice"], arguments].concat());
    if !output.status.success() {
        return Err(text(&output.stderr).to_owned());
    }
    let claims = text(&output.stdout).split('.').nth(1).map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap());
    Ok(serde_json::from_slice(&claims.unwrap()).unwrap())
}

#[test]
fn a_token_carries_further_claims_which_the_local_issuer_releases() {
    let file = key_file("further");
    let file = file.to_str().unwrap();
    assert_eq!(issuers(file)[0]["released_claims"], json!(["region", "age_group"]));
    let further = r#"{"region": "north", "age_group": "18-29"}"#;
    let claims = claims_with(file, &["--claims", further, "--organisation", "acme", "--role", "editor"]).unwrap();
    for (claim, value) in [("region", "north"), ("age_group", "18-29"), ("organisation", "acme"), ("sub", "alice")] {
        assert_eq!(claims[claim], value);
    }
    for odd in ["north", "[\"region\"]", "{\"sub\": \"bob\"}", "{\"exp\": 1}", "{\"organisation\": \"acme\"}"] {
        let said = claims_with(file, &["--claims", odd]).unwrap_err();
        assert!(said.contains("'--claims <JSON>'"), "{odd}: {said}");
    }
}

#[test]
fn the_key_is_private_and_stays_the_same() {
    let file = key_file("stays");
    let first = issuers(file.to_str().unwrap());
    let pem = fs::read_to_string(&file).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"), "PKCS#8 in PEM");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(issuers(file.to_str().unwrap()), first);
    assert_eq!(fs::read_to_string(&file).unwrap(), pem);
}

#[test]
fn a_file_that_is_no_key_is_named_and_left_alone() {
    let file = key_file("no-key");
    fs::write(&file, "not a key").unwrap();
    let output = landslide(&["issuer", "--key", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no-key.pem is not an RSA private key in PEM"), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(&file).unwrap(), "not a key");
}

#[test]
fn a_token_without_a_key_makes_none() {
    let file = key_file("missing");
    let output = landslide(&["token", "--key", file.to_str().unwrap(), "--sub", "alice"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("read the key"), "{}", text(&output.stderr));
    assert!(!file.exists());
}
