//! `landslide issuer`: an OpenID issuer for one machine, in the form of the stack's `Issuers` parameter.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use jsonwebtoken::jwk::JwkSet;
use serde::Serialize;

use crate::signing_key::SigningKey;

/// The `iss` in local tokens.
pub const DEFAULT_ISSUER: &str = "https://issuer.landslide.local";
/// The claims with organisation and role in local tokens.
pub const ORGANISATION_CLAIM: &str = "organisation";
/// See `ORGANISATION_CLAIM`.
pub const ROLE_CLAIM: &str = "role";
/// The claims in local tokens by which polls may count.
const RELEASED_CLAIMS: [&str; 2] = ["region", "age_group"];
/// The `aud` in local tokens.
pub const DEFAULT_AUDIENCE: &str = "landslide";

/// Prints an `Issuers` parameter for a local key. Creates the key if there is none.
#[derive(Args)]
pub struct Arguments {
    /// The private key, PKCS#8 in PEM. Created (RSA 2048, mode 0600) if the file is missing.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The issuer that its tokens name.
    #[arg(long, value_name = "URL", default_value = DEFAULT_ISSUER)]
    issuer: String,
    /// The audience that its tokens name.
    #[arg(long, value_name = "AUDIENCE", default_value = DEFAULT_AUDIENCE)]
    audience: String,
}

#[derive(Serialize)]
struct Issuer<'a> {
    issuer: &'a str,
    audience: &'a str,
    organisation_claim: &'a str,
    role_claim: &'a str,
    released_claims: [&'a str; RELEASED_CLAIMS.len()],
    jwks: JwkSet,
}

/// Prints one line of JSON.
pub fn run(arguments: &Arguments) -> Result<()> {
    let key = SigningKey::read_or_create(&arguments.key)?;
    let issuers = [Issuer {
        issuer: &arguments.issuer,
        audience: &arguments.audience,
        organisation_claim: ORGANISATION_CLAIM,
        role_claim: ROLE_CLAIM,
        released_claims: RELEASED_CLAIMS,
        jwks: JwkSet { keys: vec![key.jwk().clone()] },
    }];
    println!("{}", serde_json::to_string(&issuers)?);
    Ok(())
}
