//! The issuers whose tokens are taken, and the verification of a token by the keys of its issuer.

use std::{collections::HashMap, net::IpAddr};

use http::Uri;
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;

use crate::{
    device_keys::DeviceKeys,
    domain::{caller::Caller, time::Timestamp},
    key_sets::{Fetch, FetchedKeys, HttpFetch, KeysUnavailable},
    token::{DEVICE_ISSUER, KeySet, Refused, Token},
};

/// Issuers as the environment gives them: `[{"issuer": …, "audience": …, "jwks": {"keys": […]}}]`, or `jwks_uri` in
/// the place of `jwks`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerConfig {
    issuer: String,
    audience: String,
    jwks: Option<JwkSet>,
    jwks_uri: Option<String>,
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
    /// An issuer with its keys both inline and by URI, or neither.
    #[error("issuer {0:?} must have either jwks or jwks_uri")]
    EitherKeysOrUri(String),
    /// An issuer none of whose keys can be used.
    #[error("issuer {0:?} has no key for RS256, ES256 or EdDSA")]
    NoKey(String),
    /// An issuer whose keys would come by a way that anyone could change.
    #[error("issuer {issuer:?} has jwks_uri {uri:?}, which is no https address (nor http of a loopback host)")]
    Uri {
        /// Its name.
        issuer: String,
        /// The address.
        uri: String,
    },
}

/// Verifies tokens.
pub struct Verifier<F = HttpFetch> {
    issuers: HashMap<String, Source>,
    fetch: F,
}

/// Where an issuer's keys are.
enum Source {
    Inline(KeySet),
    ByUri(FetchedKeys),
}

impl<F: Fetch> Verifier<F> {
    /// A verifier of the tokens of the issuers in a JSON text, and of devices' tokens by their keys. Nothing is
    /// fetched yet.
    pub fn new(issuers: &str, device_keys: &DeviceKeys, fetch: F) -> Result<Self, IssuersError> {
        let device = Source::Inline(KeySet::of_devices(device_keys));
        let mut known = HashMap::from([(DEVICE_ISSUER.to_owned(), device)]);
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
            known.insert(config.issuer.clone(), source(config)?);
        }
        Ok(Self { issuers: known, fetch })
    }

    /// The caller that a token names, or why it is refused, as the issuer's keys decide; an error if they can't be
    /// had. `now` is a time before this call.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Result<Caller, Refused>, KeysUnavailable> {
        let token = match Token::read(token) {
            Ok(token) => token,
            Err(refused) => return Ok(Err(refused)),
        };
        match self.issuers.get(token.issuer()) {
            None => Ok(Err(Refused::UnknownIssuer)),
            Some(Source::Inline(keys)) => Ok(keys.verify(&token)),
            Some(Source::ByUri(_)) if !token.has_account_algorithm() => Ok(Err(Refused::UnknownKey)),
            Some(Source::ByUri(keys)) => self.verify_by_fetched(keys, &token, now).await,
        }
    }

    async fn verify_by_fetched(
        &self,
        issuer: &FetchedKeys,
        token: &Token<'_>,
        now: Timestamp,
    ) -> Result<Result<Caller, Refused>, KeysUnavailable> {
        match issuer.keys(&self.fetch, now).await?.verify(token) {
            // The issuer may have a new key.
            Err(Refused::UnknownKey) => Ok(issuer.latest_keys(&self.fetch, now).await?.verify(token)),
            verdict => Ok(verdict),
        }
    }
}

fn source(config: IssuerConfig) -> Result<Source, IssuersError> {
    let IssuerConfig { issuer, audience, jwks, jwks_uri } = config;
    match (jwks, jwks_uri) {
        (Some(jwks), None) => {
            let keys = KeySet::of_accounts(&issuer, &audience, &jwks.keys);
            if keys.is_empty() { Err(IssuersError::NoKey(issuer)) } else { Ok(Source::Inline(keys)) }
        }
        (None, Some(uri)) if is_safe(&uri) => Ok(Source::ByUri(FetchedKeys::new(issuer, audience, uri))),
        (None, Some(uri)) => Err(IssuersError::Uri { issuer, uri }),
        (Some(_), Some(_)) | (None, None) => Err(IssuersError::EitherKeysOrUri(issuer)),
    }
}

/// Whether keys may come from there: by https, or by http without leaving this machine.
fn is_safe(uri: &str) -> bool {
    let Ok(uri) = uri.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority().filter(|authority| !authority.as_str().contains('@')) else { return false };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_loopback(authority.host()),
        _ => false,
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
