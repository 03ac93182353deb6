//! Tokens (RFC 7519): verifies those from OpenID Providers, issues and verifies those for devices.

mod claims;
mod jwk;

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto, encode};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value;

pub use self::jwk::{Unusable, reduced};
use landslide_domain::{
    caller::{Caller, TokenKind},
    time::{DAY_MS, Timestamp},
};

use crate::device_keys::{DeviceKey, DeviceKeys};

/// The longest token that is parsed, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// How long a device token is valid, in milliseconds.
pub const DEVICE_TOKEN_LIFE_MS: u64 = 400 * DAY_MS;
/// Issuer and audience in device tokens.
pub const DEVICE_ISSUER: &str = "urn:landslide:device";
/// The claim that names a token's audience (RFC 7519, section 4.1.3).
pub const AUDIENCE_CLAIM: &str = "aud";

/// Why a token is refused. Only the log shows it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is too long for a token.
    #[error("it has more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// It is not three base64 parts, with two JSON objects that have what is needed.
    #[error("its {0} can't be read")]
    Malformed(&'static str),
    /// It has critical extensions (RFC 7515, section 4.1.11). We know none.
    #[error("it has critical extensions")]
    Critical,
    /// Its issuer is not configured.
    #[error("its issuer is not configured")]
    UnknownIssuer,
    /// Its issuer is configured with one slash more or less at the end.
    #[error("its issuer differs from the configured {0:?} by the slash at its end")]
    SlashAtEnd(String),
    /// No key has its id and algorithm. Or it has no id, and no key has signed it.
    #[error("no key of the issuer has its id and algorithm, or has signed it")]
    UnknownKey,
    /// Its signature does not match the key that it names.
    #[error("its signature is not by the key that it names")]
    Signature,
    /// A required claim is missing.
    #[error("it has no {0}")]
    MissingClaim(String),
    /// A claim is malformed.
    #[error("its {0} is not of the right form")]
    MalformedClaim(String),
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It is not valid yet.
    #[error("it is not valid yet")]
    NotYetValid,
    /// It is meant for another audience.
    #[error("its {0} does not name a configured audience")]
    Audience(String),
    /// It was not asked for by this sign-in.
    #[error("its nonce is not the one that was sent")]
    Nonce,
    /// It was issued to another client.
    #[error("its azp is missing beside several audiences, or is another client")]
    AuthorizedParty,
    /// Its subject is empty, too long, or has control characters.
    #[error("its subject is empty, too long or has control characters")]
    Subject,
}

/// The claims of a device token.
#[derive(Serialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: u64,
}

#[derive(Serialize)]
struct DeviceClaims<'a> {
    aud: &'a str,
    iat: u64,
    #[serde(flatten)]
    claims: Claims,
}

/// A parsed token: short enough and well-formed, but not verified.
pub struct Token<'a> {
    /// The signed part: header and claims.
    message: &'a str,
    signature: &'a str,
    header: TokenHeader,
    claims: Vec<u8>,
    issuer: String,
}

/// The header fields that matter. Unlike the crate's type, it knows newer algorithm names.
#[derive(Deserialize)]
struct TokenHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Parses a token as far as possible without a key.
    pub fn read(text: &'a str) -> Result<Self, Refused> {
        #[derive(Deserialize)]
        struct Issuer {
            iss: String,
        }
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(Refused::Malformed("form"))?;
        let (header, claims) = message.split_once('.').ok_or(Refused::Malformed("form"))?;
        let header: TokenHeader = json_of(&decoded(header, "header")?, "header")?;
        if header.crit.is_some() {
            return Err(Refused::Critical);
        }
        let claims = decoded(claims, "claims")?;
        let Issuer { iss } = json_of(&claims, "issuer")?;
        Ok(Self { message, signature, header, claims, issuer: iss })
    }

    /// The issuer that the token names. It only selects whose keys to try; the signature proves it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The claims as JSON, not verified.
    pub(crate) fn claims(&self) -> &[u8] {
        &self.claims
    }

    /// Fails unless it is the ID token that this client asked for with this nonce.
    pub(crate) fn check_asked_for(&self, client_id: &str, nonce: &str) -> Result<(), Refused> {
        claims::check_asked_for(&self.claims, client_id, nonce)
    }

    /// The id of the key that the token names.
    pub fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Whether an account token may have its algorithm.
    pub fn has_account_algorithm(&self) -> bool {
        jwk::algorithm_of(&self.header.alg).is_some()
    }
}

fn decoded(part: &str, name: &'static str) -> Result<Vec<u8>, Refused> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed(name))
}

fn json_of<'de, T: Deserialize<'de>>(json: &'de [u8], name: &'static str) -> Result<T, Refused> {
    serde_json::from_slice(json).map_err(|_| Refused::Malformed(name))
}

/// What an issuer's tokens must say, whichever of its keys has signed them.
#[derive(Debug, Default)]
pub struct Expected {
    /// The issuer's name, as its callers get it.
    pub issuer: String,
    /// Other names that the same issuer signs under.
    pub aliases: Vec<String>,
    /// Accepted audiences. A token must name one of them.
    pub audiences: Vec<String>,
    /// The claim that names a token's audience.
    pub audience_claim: String,
}

/// One issuer's keys.
pub struct KeySet {
    expected: Arc<Expected>,
    kind: TokenKind,
    keys: Vec<Key>,
    left_out: Vec<LeftOut>,
}

/// One key of an issuer, for one algorithm.
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// A published key that can't verify tokens.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {position} {why}")]
pub struct LeftOut {
    /// Its place in the set, from 1.
    pub position: usize,
    /// Why it can't.
    pub why: Unusable,
}

impl KeySet {
    /// An OpenID Provider's usable keys. Each is parsed on its own, as a set may hold kinds that we do not know (RFC
    /// 7517, section 5).
    pub fn of_accounts(expected: Arc<Expected>, published: &[Value]) -> Self {
        let mut set = Self { expected, kind: TokenKind::Account, keys: vec![], left_out: vec![] };
        for (index, key) in published.iter().enumerate() {
            match jwk::read(key) {
                Ok(key) => set.keys.push(key),
                Err(why) => set.left_out.push(LeftOut { position: index + 1, why }),
            }
        }
        set
    }

    /// No keys.
    pub fn empty() -> Self {
        Self::of_accounts(Arc::default(), &[])
    }

    /// Our own keys for device tokens. Older tokens have no `kid`; every key is tried for those.
    pub fn of_devices(keys: &DeviceKeys) -> Self {
        let expected = Expected {
            issuer: DEVICE_ISSUER.to_owned(),
            aliases: vec![],
            audiences: vec![DEVICE_ISSUER.to_owned()],
            audience_claim: AUDIENCE_CLAIM.to_owned(),
        };
        let keys = keys.all().map(|key| Key {
            id: Some(key.kid.clone()),
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(key.secret.as_bytes()),
        });
        Self { expected: Arc::new(expected), kind: TokenKind::Device, keys: keys.collect(), left_out: vec![] }
    }

    /// Whether there is no usable key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The published keys that are not usable.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Returns the caller that a token names. The token must be signed by one of the keys with that key's algorithm,
    /// name their issuer and one of their audiences, and be valid at this time (give or take a minute).
    pub fn verify(&self, token: &Token<'_>) -> Result<Caller, Refused> {
        let mut refused = Refused::UnknownKey;
        for key in self.keys.iter().filter(|key| key.fits(&token.header)) {
            if key.has_signed(token) {
                return claims::check(&token.claims, &self.expected, self.kind);
            }
            // If neither side has an id, this key was only a guess.
            if !key.is_a_guess(&token.header) {
                refused = Refused::Signature;
            }
        }
        Err(refused)
    }
}

impl Key {
    fn fits(&self, header: &TokenHeader) -> bool {
        let same_id = match (&self.id, &header.kid) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, _) | (_, None) => true,
        };
        same_id && self.is_for(&header.alg)
    }

    fn is_for(&self, algorithm: &str) -> bool {
        match self.algorithm {
            Algorithm::HS256 => algorithm == "HS256",
            _ => jwk::algorithm_of(algorithm) == Some(self.algorithm),
        }
    }

    fn is_a_guess(&self, header: &TokenHeader) -> bool {
        self.id.is_none() || header.kid.is_none()
    }

    fn has_signed(&self, token: &Token<'_>) -> bool {
        crypto::verify(token.signature, token.message.as_bytes(), &self.key, self.algorithm).unwrap_or(false)
    }
}

/// Issues device tokens.
pub struct DeviceIssuer {
    header: Header,
    key: EncodingKey,
}

impl DeviceIssuer {
    /// An issuer that signs with this key.
    pub fn new(key: &DeviceKey) -> Self {
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::HS256) };
        Self { header, key: EncodingKey::from_secret(key.secret.as_bytes()) }
    }

    /// Issues a token for a new device. Returns it with its expiry. `id` is 16 random bytes.
    pub fn issue(&self, id: [u8; 16], now: Timestamp) -> Result<(String, Timestamp), jsonwebtoken::errors::Error> {
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

#[cfg(any(test, feature = "testing"))]
pub mod signer;
#[cfg(test)]
mod tests;
