//! Checks a token's claims, once its signature is verified.

use landslide_aws::clock;
use landslide_domain::{
    caller::{Caller, TokenKind},
    claims::Claims,
    time::Timestamp,
};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::{AUDIENCE_CLAIM, Expected, Refused};

/// The most characters in a subject (OpenID Connect Core, section 2).
const SUBJECT_CHARS_MAX: usize = 255;
/// The most that an issuer's clock may differ from ours, in seconds.
const CLOCK_SKEW_SECONDS: u64 = 60;

#[derive(Deserialize)]
struct RegisteredClaims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    #[serde(default, deserialize_with = "numeric_date")]
    exp: Option<u64>,
    #[serde(default, deserialize_with = "numeric_date")]
    nbf: Option<u64>,
}

/// One recipient or several (RFC 7519, section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// Whether one of these audiences is a recipient.
    fn names(&self, audiences: &[String]) -> bool {
        match self {
            Self::One(one) => audiences.contains(one),
            Self::Several(several) => several.iter().any(|one| audiences.contains(one)),
        }
    }
}

/// A NumericDate (RFC 7519, section 2) in whole seconds. It may be sent with a fraction.
fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Option::<f64>::deserialize(deserializer)? {
        Some(seconds) if seconds < 0.0 => Err(D::Error::custom("a time before 1970")),
        // This cast saturates.
        seconds => Ok(seconds.map(|seconds| seconds as u64)),
    }
}

/// Returns the caller that a signed token's claims name, without any released claim, if they are valid now.
pub fn check(claims: &[u8], expected: &Expected, kind: TokenKind) -> Result<Caller, Refused> {
    let parsed: RegisteredClaims = serde_json::from_slice(claims).map_err(|_| malformed(claims))?;
    check_issuer(parsed.iss, expected)?;
    let expires_at = check_time(parsed.exp, parsed.nbf, clock::now().as_millis() / 1_000)?;
    check_audience(parsed.aud.as_ref(), claims, expected)?;
    let subject = check_subject(parsed.sub)?;
    Ok(Caller { issuer: expected.issuer.clone(), subject, kind, expires_at, claims: Claims::default() })
}

/// Fails unless this client asked for the ID token with this nonce (OpenID Connect Core, section 3.1.3.7).
pub fn check_asked_for(claims: &[u8], client_id: &str, nonce: &str) -> Result<(), Refused> {
    #[derive(Deserialize)]
    struct OfRequest {
        aud: Option<Audience>,
        azp: Option<String>,
        nonce: Option<String>,
    }
    let OfRequest { aud, azp, nonce: own } =
        serde_json::from_slice(claims).map_err(|_| Refused::MalformedClaim("nonce or azp".to_owned()))?;
    if own.as_deref() != Some(nonce) {
        return Err(Refused::Nonce);
    }
    let is_for_several = matches!(aud, Some(Audience::Several(several)) if several.len() > 1);
    match azp {
        Some(azp) if azp == client_id => Ok(()),
        None if !is_for_several => Ok(()),
        _ => Err(Refused::AuthorizedParty),
    }
}

/// Finds out which claim is malformed.
fn malformed(claims: &[u8]) -> Refused {
    let mut json = serde_json::Deserializer::from_slice(claims);
    match serde_path_to_error::deserialize::<_, RegisteredClaims>(&mut json) {
        Err(error) if error.path().iter().next().is_some() => Refused::MalformedClaim(error.path().to_string()),
        _ => Refused::Malformed("claims"),
    }
}

fn missing(claim: &str) -> Refused {
    Refused::MissingClaim(claim.to_owned())
}

fn check_issuer(issuer: Option<String>, expected: &Expected) -> Result<(), Refused> {
    let issuer = issuer.ok_or_else(|| missing("iss"))?;
    if issuer == expected.issuer || expected.aliases.contains(&issuer) { Ok(()) } else { Err(Refused::UnknownIssuer) }
}

/// Returns when the token expires. Fails if it is not valid now.
fn check_time(expires: Option<u64>, not_before: Option<u64>, now: u64) -> Result<Timestamp, Refused> {
    let taken_until = expires.ok_or_else(|| missing("exp"))?.saturating_add(CLOCK_SKEW_SECONDS);
    if taken_until < now {
        return Err(Refused::Expired);
    }
    if not_before.is_some_and(|not_before| not_before > now.saturating_add(CLOCK_SKEW_SECONDS)) {
        return Err(Refused::NotYetValid);
    }
    Ok(Timestamp::EPOCH.plus_millis(taken_until.saturating_mul(1_000)))
}

/// The configured claim must name one of the issuer's audiences. If there is also an `aud` that names only others, the
/// token is not for us (RFC 7519, section 4.1.3).
fn check_audience(aud: Option<&Audience>, claims: &[u8], expected: &Expected) -> Result<(), Refused> {
    let claim = &expected.audience_claim;
    if claim != AUDIENCE_CLAIM {
        let named = named_audience(claims, claim)?;
        if !named.names(&expected.audiences) {
            return Err(Refused::Audience(claim.clone()));
        }
    } else if aud.is_none() {
        return Err(missing(AUDIENCE_CLAIM));
    }
    if aud.is_some_and(|aud| !aud.names(&expected.audiences)) {
        return Err(Refused::Audience(AUDIENCE_CLAIM.to_owned()));
    }
    Ok(())
}

fn named_audience(claims: &[u8], claim: &str) -> Result<Audience, Refused> {
    let mut claims: serde_json::Map<String, Value> =
        serde_json::from_slice(claims).map_err(|_| Refused::Malformed("claims"))?;
    match claims.remove(claim) {
        None | Some(Value::Null) => Err(missing(claim)),
        Some(value) => serde_json::from_value(value).map_err(|_| Refused::MalformedClaim(claim.to_owned())),
    }
}

fn check_subject(subject: Option<String>) -> Result<String, Refused> {
    let subject = subject.ok_or_else(|| missing("sub"))?;
    if (1..=SUBJECT_CHARS_MAX).contains(&subject.chars().count()) && !subject.chars().any(char::is_control) {
        Ok(subject)
    } else {
        Err(Refused::Subject)
    }
}
