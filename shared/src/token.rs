//! Tokens (RFC 7519): those of OpenID Providers verified, those of devices issued and verified.

use std::collections::{HashMap, HashSet};

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, dangerous, decode, decode_header, encode,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::{
    caller::{Caller, TokenKind},
    time::{DAY_MS, Timestamp},
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
const DEVICE_ISSUER: &str = "urn:landslide:device";

/// Issuers as the environment gives them: `[{"issuer": …, "audience": …, "jwks": {"keys": […]}}]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerConfig {
    issuer: String,
    audience: String,
    jwks: JwkSet,
}

/// Issuers that can't be used as they are configured.
#[derive(Debug, thiserror::Error)]
pub enum IssuersError {
    /// Not the JSON that it should be.
    #[error("issuers are not valid: {0}")]
    NotValid(#[from] serde_json::Error),
    /// An issuer's name is empty, has a space, is our own or stands there twice.
    #[error("issuer {0:?} is not a name that can be used, or is there twice")]
    Name(String),
    /// An issuer without an audience: its tokens for anyone else would do.
    #[error("issuer {0:?} has no audience")]
    NoAudience(String),
    /// An issuer none of whose keys can be used.
    #[error("issuer {0:?} has no key for RS256, ES256 or EdDSA")]
    NoKey(String),
}

/// Why a token is refused. For logs; the caller learns only that it is.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Longer than any token should be.
    #[error("token of {0} bytes")]
    TooLong(usize),
    /// Of an issuer that is not configured.
    #[error("unknown issuer")]
    UnknownIssuer,
    /// No key of the issuer has its id and algorithm.
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
    #[serde(default, deserialize_with = "text_or_nothing", skip_serializing_if = "String::is_empty")]
    scope: String,
}

/// A NumericDate (RFC 7519, section 2), which may have a fraction.
fn whole_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    // Saturates; a negative one is long past.
    f64::deserialize(deserializer).map(|seconds| seconds as u64)
}

/// A text; whatever else a claim of that name may hold is none of ours.
fn text_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

#[derive(Serialize)]
struct DeviceClaims<'a> {
    aud: &'a str,
    iat: u64,
    #[serde(flatten)]
    claims: Claims,
}

/// Verifies tokens.
pub struct Verifier {
    issuers: HashMap<String, Vec<Key>>,
}

/// One key of an issuer, for one algorithm.
struct Key {
    id: Option<String>,
    kind: TokenKind,
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// A verifier of the tokens of the issuers in a JSON text, and of devices' tokens under a secret.
    pub fn new(issuers: &str, device_secret: &[u8]) -> Result<Self, IssuersError> {
        let device = Key {
            id: None,
            kind: TokenKind::Device,
            key: DecodingKey::from_secret(device_secret),
            validation: validation(Algorithm::HS256, DEVICE_ISSUER, DEVICE_ISSUER),
        };
        let mut known = HashMap::from([(DEVICE_ISSUER.to_owned(), vec![device])]);
        for config in serde_json::from_str::<Vec<IssuerConfig>>(issuers)? {
            // A space parts issuer and subject in a poll's owner.
            if config.issuer.is_empty()
                || config.issuer.contains(char::is_whitespace)
                || known.contains_key(&config.issuer)
            {
                return Err(IssuersError::Name(config.issuer));
            }
            if config.audience.is_empty() {
                return Err(IssuersError::NoAudience(config.issuer));
            }
            let keys: Vec<Key> = config.jwks.keys.iter().filter_map(|jwk| account_key(jwk, &config)).collect();
            if keys.is_empty() {
                return Err(IssuersError::NoKey(config.issuer));
            }
            known.insert(config.issuer, keys);
        }
        Ok(Self { issuers: known })
    }

    /// The caller that a token names, if it is signed by a key of its issuer with that key's algorithm, for our
    /// audience, and valid at this time (give or take a minute).
    pub fn verify(&self, token: &str) -> Result<Caller, Refused> {
        #[derive(Deserialize)]
        struct Issuer {
            iss: String,
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::TooLong(token.len()));
        }
        let header = decode_header(token)?;
        if header.crit.is_some() {
            return Err(Refused::Critical);
        }
        // Not verified yet: it only says whose keys are to be tried, and is checked again with the signature.
        let Issuer { iss } = dangerous::insecure_decode_claims(token)?;
        let keys = self.issuers.get(&iss).ok_or(Refused::UnknownIssuer)?;
        let mut refused = Refused::UnknownKey;
        for key in keys.iter().filter(|key| key.fits(&header)) {
            match decode::<Claims>(token, &key.key, &key.validation) {
                Ok(token) => return caller(token.claims, key.kind),
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
}

fn account_key(jwk: &Jwk, config: &IssuerConfig) -> Option<Key> {
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    Some(Key {
        id: jwk.common.key_id.clone(),
        kind: TokenKind::Account,
        key: DecodingKey::from_jwk(jwk).ok()?,
        validation: validation(algorithm(jwk)?, &config.issuer, &config.audience),
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
    Ok(Caller {
        issuer: claims.iss,
        subject: claims.sub,
        kind,
        scopes: claims.scope,
        expires_at: Timestamp::EPOCH.plus_millis(expires_ms),
    })
}

/// Issues devices' tokens.
pub struct DeviceIssuer {
    key: EncodingKey,
}

impl DeviceIssuer {
    /// An issuer that signs with a secret.
    pub fn new(secret: &[u8]) -> Self {
        Self { key: EncodingKey::from_secret(secret) }
    }

    /// A token for a new device, and when it expires. `id` is the device's: 16 random bytes.
    pub fn issue(&self, id: [u8; 16], now: Timestamp) -> Result<(String, Timestamp), jsonwebtoken::errors::Error> {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
        let expires_at = now.plus_millis(DEVICE_TOKEN_LIFE_MS);
        let claims = Claims {
            iss: DEVICE_ISSUER.to_owned(),
            sub: BASE64_URL_SAFE_NO_PAD.encode(id),
            exp: expires_at.as_millis() / 1_000,
            scope: String::new(),
        };
        let claims = DeviceClaims { aud: DEVICE_ISSUER, iat: now.as_millis() / 1_000, claims };
        Ok((encode(&Header::new(Algorithm::HS256), &claims, &self.key)?, expires_at))
    }
}

#[cfg(test)]
mod tests;
