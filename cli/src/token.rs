//! `landslide token`: signs an account token with the local issuer's key.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::issuer::{DEFAULT_AUDIENCE, DEFAULT_ISSUER, ORGANISATION_CLAIM, ROLE_CLAIM};
use crate::signing_key::SigningKey;

/// Prints an account token, signed with a local issuer's key.
#[derive(Args)]
pub struct Arguments {
    /// The issuer's private key, as `landslide issuer` creates it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The subject that the token names.
    #[arg(long, value_name = "SUBJECT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    sub: String,
    /// The organisation that the account acts for. Without one, it acts for itself.
    #[arg(long, value_name = "ID")]
    organisation: Option<String>,
    /// The account's role in the organisation: owner, editor or viewer.
    #[arg(long, value_name = "ROLE", requires = "organisation")]
    role: Option<String>,
    /// Further claims, such as {"region": "north"}.
    #[arg(long, value_name = "JSON", value_parser = further_claims, default_value = "{}")]
    claims: Map<String, Value>,
    /// The issuer that the token names.
    #[arg(long, value_name = "URL", default_value = DEFAULT_ISSUER)]
    issuer: String,
    /// The audience that the token names.
    #[arg(long, value_name = "AUDIENCE", default_value = DEFAULT_AUDIENCE)]
    audience: String,
    /// How many hours the token is valid; at most a year.
    #[arg(long, value_name = "HOURS", default_value_t = DEFAULT_TTL_HOURS, value_parser = clap::value_parser!(u64).range(1..=TTL_HOURS_MAX))]
    ttl_hours: u64,
}

const DEFAULT_TTL_HOURS: u64 = 12;
const TTL_HOURS_MAX: u64 = 366 * 24;
const SECONDS_PER_HOUR: u64 = 3600;

/// Registered claims (RFC 7519, section 4.1). Times are in seconds since the epoch.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    nbf: u64,
    exp: u64,
    // As `landslide issuer` names these claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(flatten)]
    further: Map<String, Value>,
}

/// The claims that have an argument of their own, or none.
const OTHER_CLAIMS: [&str; 8] = ["iss", "sub", "aud", "iat", "nbf", "exp", ORGANISATION_CLAIM, ROLE_CLAIM];

/// Prints the token in one line.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut claims = claims(&arguments.issuer, &arguments.audience, &arguments.sub, arguments.ttl_hours)?;
    claims.organisation = arguments.organisation.as_deref();
    claims.role = arguments.role.as_deref();
    claims.further = arguments.claims.clone();
    println!("{}", SigningKey::read(&arguments.key)?.sign(&claims)?);
    Ok(())
}

/// A token from the local issuer as `landslide issuer` publishes it by default, valid for `DEFAULT_TTL_HOURS`.
pub fn local(key: &SigningKey, sub: &str) -> Result<String> {
    key.sign(&claims(DEFAULT_ISSUER, DEFAULT_AUDIENCE, sub, DEFAULT_TTL_HOURS)?)
}

fn claims<'a>(iss: &'a str, aud: &'a str, sub: &'a str, ttl_hours: u64) -> Result<Claims<'a>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?.as_secs();
    let exp = now.saturating_add(ttl_hours.saturating_mul(SECONDS_PER_HOUR));
    Ok(Claims { iss, sub, aud, iat: now, nbf: now, exp, organisation: None, role: None, further: Map::new() })
}

fn further_claims(json: &str) -> Result<Map<String, Value>, String> {
    let claims: Map<String, Value> = serde_json::from_str(json)
        .map_err(|_| "this is not a JSON object such as {\"region\": \"north\"}".to_owned())?;
    match OTHER_CLAIMS.iter().find(|claim| claims.contains_key(**claim)) {
        Some(claim) => Err(format!("{claim:?} is none of the further claims")),
        None => Ok(claims),
    }
}
