//! Tokens (RFC 7519): those of OpenID Providers verified, those of devices issued and verified.

use std::collections::HashSet;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, dangerous, decode, decode_header, encode,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    device_keys::{DeviceKey, DeviceKeys},
    domain::{
        caller::{Caller, TokenKind},
        time::{DAY_MS, Timestamp},
    },
};

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest subject, in characters (OpenID Connect Core, section 2).
const SUBJECT_CHARS_MAX: usize = 255;
/// By how much an issuer's clock and ours may differ, in seconds.
const CLOCK_SKEW_SECONDS: u64 = 60;
/// How long a device's token lives, in milliseconds.
pub const DEVICE_TOKEN_LIFE_MS: u64 = 400 * DAY_MS;
/// Issuer and audience of devices' tokens.
pub const DEVICE_ISSUER: &str = "urn:landslide:device";

/// Why a token is refused. For logs; the caller learns only that it is.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Longer than any token should be.
    #[error("token of {0} bytes")]
    TooLong(usize),
    /// Of an issuer that is not configured.
    #[error("unknown issuer")]
    UnknownIssuer,
    /// No key of the issuer has its id and algorithm, or it has no id and no key has signed it.
    #[error("no key of the issuer fits")]
    UnknownKey,
    /// It has extensions that must be understood (RFC 7515, section 4.1.11), and we know none.
    #[error("token with critical extensions")]
    Critical,
    /// A subject that is empty, too long, or has control characters.
    #[error("subject is not valid")]
    Subject,
    /// It is no token, is not signed by the key, or is not valid now or here.
    #[error(transparent)]
    Invalid(#[from] jsonwebtoken::errors::Error),
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    #[serde(deserialize_with = "whole_seconds")]
    exp: u64,
}

/// A NumericDate (RFC 7519, section 2), which may have a fraction.
fn whole_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    // Saturates; a negative one is long past.
    f64::deserialize(deserializer).map(|seconds| seconds as u64)
}

#[derive(Serialize)]
struct DeviceClaims<'a> {
    aud: &'a str,
    iat: u64,
    #[serde(flatten)]
    claims: Claims,
}

/// A token that is worth a look: not verified, but short enough and of the right form.
pub struct Token<'a> {
    text: &'a str,
    header: Header,
    issuer: String,
}

impl<'a> Token<'a> {
    /// Reads a token as far as it goes without a key.
    pub fn read(text: &'a str) -> Result<Self, Refused> {
        #[derive(Deserialize)]
        struct Issuer {
            iss: String,
        }
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Refused::TooLong(text.len()));
        }
        let header = decode_header(text)?;
        if header.crit.is_some() {
            return Err(Refused::Critical);
        }
        let Issuer { iss } = dangerous::insecure_decode_claims(text)?;
        Ok(Self { text, header, issuer: iss })
    }

    /// Who is said to have issued it. It only says whose keys are to be tried, and is checked with the signature.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether its algorithm is one that an account's token may have.
    pub fn has_account_algorithm(&self) -> bool {
        matches!(self.header.alg, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA)
    }
}

/// The keys of one issuer.
pub struct KeySet {
    keys: Vec<Key>,
}

/// One key of an issuer, for one algorithm.
struct Key {
    id: Option<String>,
    kind: TokenKind,
    key: DecodingKey,
    validation: Validation,
}

impl KeySet {
    /// Those of an OpenID Provider's keys that can be used, for tokens to this audience.
    pub fn of_accounts<'a>(issuer: &str, audience: &str, keys: impl IntoIterator<Item = &'a Jwk>) -> Self {
        Self { keys: keys.into_iter().filter_map(|jwk| account_key(jwk, issuer, audience)).collect() }
    }

    /// Our own keys, for devices' tokens. A token of before there were several has no `kid`: each key is tried.
    pub fn of_devices(keys: &DeviceKeys) -> Self {
        let keys = keys.all().map(|key| Key {
            id: Some(key.kid.clone()),
            kind: TokenKind::Device,
            key: DecodingKey::from_secret(key.secret.as_bytes()),
            validation: validation(Algorithm::HS256, DEVICE_ISSUER, DEVICE_ISSUER),
        });
        Self { keys: keys.collect() }
    }

    /// Whether no key is there that could verify anything.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The caller that a token names, if it is signed by one of the keys with that key's algorithm, by their issuer
    /// for their audience, and valid at this time (give or take a minute).
    pub fn verify(&self, token: &Token<'_>) -> Result<Caller, Refused> {
        let mut refused = Refused::UnknownKey;
        for key in self.keys.iter().filter(|key| key.fits(&token.header)) {
            match decode::<Claims>(token.text, &key.key, &key.validation) {
                Ok(token) => return caller(token.claims, key.kind),
                // Without an id on both sides this key was but a guess.
                Err(error) if key.is_a_guess(&token.header) && *error.kind() == ErrorKind::InvalidSignature => {}
                Err(error) => refused = error.into(),
            }
        }
        Err(refused)
    }
}

impl Key {
    fn fits(&self, header: &Header) -> bool {
        let same_id = match (&self.id, &header.kid) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, _) | (_, None) => true,
        };
        same_id && self.validation.algorithms.contains(&header.alg)
    }

    fn is_a_guess(&self, header: &Header) -> bool {
        self.id.is_none() || header.kid.is_none()
    }
}

fn account_key(jwk: &Jwk, issuer: &str, audience: &str) -> Option<Key> {
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    Some(Key {
        id: jwk.common.key_id.clone(),
        kind: TokenKind::Account,
        key: DecodingKey::from_jwk(jwk).ok()?,
        validation: validation(algorithm(jwk)?, issuer, audience),
    })
}

/// The one algorithm that a key is for: as it says itself, else the only one of ours that its type has.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    jwk.common.key_algorithm.is_none_or(|own| own == name).then_some(algorithm)
}

fn validation(algorithm: Algorithm, issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = CLOCK_SKEW_SECONDS;
    validation.validate_nbf = true;
    validation.required_spec_claims = HashSet::from(["exp", "iss", "aud", "sub"].map(str::to_owned));
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation
}

fn caller(claims: Claims, kind: TokenKind) -> Result<Caller, Refused> {
    let subject_length = claims.sub.chars().count();
    if !(1..=SUBJECT_CHARS_MAX).contains(&subject_length) || claims.sub.chars().any(char::is_control) {
        return Err(Refused::Subject);
    }
    // As long as verification itself would take it.
    let expires_ms = claims.exp.saturating_add(CLOCK_SKEW_SECONDS).saturating_mul(1_000);
    Ok(Caller { issuer: claims.iss, subject: claims.sub, kind, expires_at: Timestamp::EPOCH.plus_millis(expires_ms) })
}

/// Issues devices' tokens.
pub struct DeviceIssuer {
    header: Header,
    key: EncodingKey,
}

impl DeviceIssuer {
    /// An issuer that signs with one key.
    pub fn new(key: &DeviceKey) -> Self {
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::HS256) };
        Self { header, key: EncodingKey::from_secret(key.secret.as_bytes()) }
    }

    /// A token for a new device, and when it expires. `id` is the device's: 16 random bytes.
    pub fn issue(&self, id: [u8; 16], now: Timestamp) -> Result<(String, Timestamp), jsonwebtoken::errors::Error> {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
        let expires_at = now.plus_millis(DEVICE_TOKEN_LIFE_MS);
        let claims = Claims {
            iss: DEVICE_ISSUER.to_owned(),
            sub: BASE64_URL_SAFE_NO_PAD.encode(id),
            exp: expires_at.as_millis() / 1_000,
        };
        let claims = DeviceClaims { aud: DEVICE_ISSUER, iat: now.as_millis() / 1_000, claims };
        Ok((encode(&self.header, &claims, &self.key)?, expires_at))
    }
}

#[cfg(test)]
pub(crate) mod signer;
#[cfg(test)]
mod tests;
