//! Account tokens to be verified, and the issuer that signed them.
//!
//! They were signed once (`signed.json`), by keys that are gone: so nothing here is secret, and no run spends its time on
//! making keys. They never expire.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use landslide_aws::clock;
use landslide_domain::opaque_token::{OpaqueToken, Purpose};
use landslide_identity::{
    device_keys::DeviceKeys,
    issuers::{Issuers, Verifier},
    key_sets::{HttpFetch, Reach},
    token::DeviceIssuer,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What signs devices' tokens here.
pub const DEVICE_SECRET: &str = "the secret of devices, of as many bytes as the stack's own: 64..";

/// A token in its parts, and the public key of who signed it.
#[derive(Deserialize)]
struct Signed {
    jwk: Value,
    header: String,
    claims: String,
    signature: String,
}

fn signed() -> Vec<Signed> {
    serde_json::from_str(include_str!("signed.json")).unwrap()
}

/// The issuer as the environment of the authorizer names it: a JSON text.
pub fn issuers() -> String {
    let keys: Vec<Value> = signed().into_iter().map(|signed| signed.jwk).collect();
    let issuer = json!({"issuer": "https://id.example.org", "audience": "landslide", "jwks": {"keys": keys},
        "client_id": "page", "authorization_endpoint": "https://id.example.org/authorize",
        "token_endpoint": "https://id.example.org/token"});
    json!([issuer]).to_string()
}

/// The token that was signed by that algorithm: `RS256` or `ES256`.
pub fn account(algorithm: &str) -> String {
    let signed = signed().into_iter().find(|signed| signed.jwk["alg"] == algorithm).unwrap();
    let [header, claims] = [signed.header, signed.claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}.{}", signed.signature)
}

/// The keys of device tokens here.
pub fn device_keys() -> DeviceKeys {
    DeviceKeys::parse(DEVICE_SECRET).unwrap()
}

/// What issues tokens here.
pub fn device_issuer() -> DeviceIssuer {
    DeviceIssuer::new(device_keys().signing())
}

/// The token of a new device.
pub fn device() -> String {
    device_issuer().issue([7; 16], clock::now()).unwrap().0
}

/// An API key, whose code is made with the only secret that there is here.
pub fn api_key() -> OpaqueToken {
    OpaqueToken::new(Purpose::Key, [1; 10], [2; 16])
}

/// A verifier of all these tokens.
pub fn verifier() -> Verifier {
    Verifier::new(Issuers::read(&issuers(), Reach::Public), &device_keys(), HttpFetch::default())
}
