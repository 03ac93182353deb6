//! Account tokens, as the local issuer makes them and as a forger would.

use std::path::Path;

use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode,
    jwk::{Jwk, ThumbprintHash},
};
use serde_json::{Value, json};

use super::time::now_ms;

/// As in cli/src/issuer.rs.
const ISSUER: &str = "https://issuer.landslide.local";
const AUDIENCE: &str = "landslide";

/// The issuer whose tokens the stack takes.
pub struct Issuer {
    key: EncodingKey,
    /// The id of its key.
    pub key_id: String,
    /// Its private key, in PEM.
    pub pem: String,
}

impl Issuer {
    /// The issuer of a key file.
    pub fn read(file: &Path) -> Self {
        let pem = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        let jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
        Self { key, key_id: jwk.thumbprint(ThumbprintHash::SHA256).unwrap(), pem }
    }

    /// The claims of a good token. A test that wants a bad one spoils them.
    pub fn claims(&self, subject: &str) -> Value {
        let now = now_ms() / 1_000;
        json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "nbf": now, "exp": now + 3_600})
    }

    /// A subject as the owner of polls, as it is stored.
    pub fn owner(&self, subject: &str) -> String {
        format!("{ISSUER} {subject}")
    }

    /// A subject as the authorizer hands it to functions.
    pub fn authorized(&self, subject: &str) -> Value {
        let expires_at = (now_ms() + 3_600_000).to_string();
        json!({"issuer": ISSUER, "subject": subject, "kind": "account", "expires_at": expires_at})
    }

    /// A token of these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(Algorithm::RS256, claims)
    }

    /// A token of these claims, signed by another of the key's algorithms.
    pub fn sign_as(&self, algorithm: Algorithm, claims: &Value) -> String {
        sign_by(&self.key, Header { kid: Some(self.key_id.clone()), ..Header::new(algorithm) }, claims)
    }
}

/// A token of any header, signed by any key.
pub fn sign_by(key: &EncodingKey, header: Header, claims: &Value) -> String {
    encode(&header, claims, key).unwrap()
}
