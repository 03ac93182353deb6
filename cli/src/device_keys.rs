//! `landslide device-keys`: rotates the key for device tokens without invalidating any token.
//!
//! A new key first only verifies. It is promoted once every authorizer has read it, and the old key is retired once its
//! last token has expired. Keys themselves are never printed.

use anyhow::{Context, Result, anyhow, bail, ensure};
use aws_types::SdkConfig;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};
use landslide_aws::{clock, random};
use landslide_cli::stack::{self, explain};
use landslide_domain::time::{DAY_MS, Timestamp};
use landslide_identity::{
    device_keys::{DeviceKey, DeviceKeys, read_device_keys},
    token::DEVICE_TOKEN_LIFE_MS,
};

use crate::consent::Consent;

/// Bytes in a new key: more than HS256 can use.
const KEY_BYTES: usize = 48;
/// How long processes may keep signing with a demoted key, until the operator has replaced them.
const REPLACEMENT_MS: u64 = DAY_MS;

/// Shows and changes the keys for device tokens. Never prints a key.
#[derive(Args)]
pub struct Arguments {
    /// The stack's output `DeviceSecret`.
    #[arg(long, value_name = "ARN", env = "DEVICE_SECRET")]
    device_secret: String,
    #[command(flatten)]
    consent: Consent,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists the keys.
    Show,
    /// Adds a new key that verifies but does not sign yet.
    Add {
        /// The `kid` in its tokens: 1 to 32 letters, digits, dots, hyphens and underscores. Default: the date.
        #[arg(long)]
        kid: Option<String>,
    },
    /// Makes a key the signing one. Every authorizer must have read it before.
    Promote {
        /// The key's `kid`.
        kid: String,
    },
    /// Removes a key that does not sign.
    Retire {
        /// The key's `kid`.
        kid: String,
        /// Retires it even if its tokens may be in use. They will be refused.
        #[arg(long)]
        lose_tokens: bool,
    },
}

/// Changes the keys, and prints the result.
pub fn run(arguments: &Arguments) -> Result<()> {
    stack::block_on(change(&arguments.device_secret, &arguments.action, &arguments.consent))
}

async fn change(secret_id: &str, action: &Action, consent: &Consent) -> Result<()> {
    let (aws, now) = (stack::aws()?, clock::now());
    if !matches!(action, Action::Show) {
        consent.ask(&aws, "changes the keys of device tokens", secret_id).await?;
    }
    let region = aws.region().map_or("no region", |region| region.as_ref());
    println!("Secret {secret_id} in {region}");
    let keys = read_device_keys(&aws, secret_id).await?;
    let keys = match action {
        Action::Show => keys,
        Action::Add { kid } => {
            let kid = kid.clone().unwrap_or_else(|| date(now));
            write(&aws, secret_id, add(keys, kid, new_secret()?)?).await?
        }
        Action::Promote { kid } => write(&aws, secret_id, promote(keys, kid, now)?).await?,
        Action::Retire { kid, lose_tokens } => write(&aws, secret_id, retire(keys, kid, *lose_tokens, now)?).await?,
    };
    println!("{}", listed(&keys));
    if let Some(next) = next_step(action) {
        println!("Next: {next} (docs/operate.md, Rotating the key of device tokens).");
    }
    Ok(())
}

async fn write(aws: &SdkConfig, secret_id: &str, keys: DeviceKeys) -> Result<DeviceKeys> {
    let client = aws_sdk_secretsmanager::Client::new(aws);
    let put = client.put_secret_value().secret_id(secret_id).secret_string(keys.to_json()?).send().await;
    put.map_err(|error| explain(error.into_service_error(), "the secret"))?;
    Ok(keys)
}

fn new_secret() -> Result<String> {
    let bytes = random::bytes::<KEY_BYTES>().map_err(|error| anyhow!("make a key: {error}"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn add(keys: DeviceKeys, kid: String, secret: String) -> Result<DeviceKeys> {
    ensure!(
        keys.all().all(|key| key.kid != kid),
        "There is a device key {kid} already. Give the new one another --kid."
    );
    let mut others = keys.others().to_vec();
    others.push(DeviceKey { kid, secret, tokens_until: None });
    Ok(DeviceKeys::new(keys.signing().clone(), others)?)
}

fn promote(keys: DeviceKeys, kid: &str, now: Timestamp) -> Result<DeviceKeys> {
    ensure!(keys.signing().kid != kid, "Device key {kid} signs already.");
    let (promoted, mut others) = taken_out(&keys, kid)?;
    let tokens_until = Some(now.plus_millis(DEVICE_TOKEN_LIFE_MS + REPLACEMENT_MS));
    others.insert(0, DeviceKey { tokens_until, ..keys.signing().clone() });
    Ok(DeviceKeys::new(DeviceKey { tokens_until: None, ..promoted }, others)?)
}

fn retire(keys: DeviceKeys, kid: &str, lose_tokens: bool, now: Timestamp) -> Result<DeviceKeys> {
    ensure!(keys.signing().kid != kid, "Device key {kid} signs. Promote another one first.");
    let (retired, others) = taken_out(&keys, kid)?;
    if let Some(until) = retired.tokens_until.filter(|until| *until > now && !lose_tokens) {
        bail!("Tokens of device key {kid} are valid until {until}. Retire it then, or now with --lose-tokens.");
    }
    Ok(DeviceKeys::new(keys.signing().clone(), others)?)
}

/// Splits off a key that does not sign, and returns it with the remaining ones.
fn taken_out(keys: &DeviceKeys, kid: &str) -> Result<(DeviceKey, Vec<DeviceKey>)> {
    let (mut taken, rest): (Vec<_>, Vec<_>) = keys.others().iter().cloned().partition(|key| key.kid == kid);
    let taken = taken.pop().with_context(|| format!("There is no device key {kid}. `device-keys show` lists them."))?;
    Ok((taken, rest))
}

fn listed(keys: &DeviceKeys) -> String {
    let others = keys.others().iter().map(|key| match key.tokens_until {
        Some(until) => format!("{:<32} verifies, tokens until {}", key.kid, date(until)),
        None => format!("{:<32} verifies, has not signed", key.kid),
    });
    let signing = format!("{:<32} signs", keys.signing().kid);
    std::iter::once(signing).chain(others).collect::<Vec<_>>().join("\n")
}

fn next_step(action: &Action) -> Option<&'static str> {
    match action {
        Action::Show => None,
        Action::Add { .. } => Some("start new processes of authorizer, then promote the key"),
        Action::Promote { .. } => Some("start new processes of register-device today"),
        Action::Retire { .. } => Some("start new processes of authorizer, and empty the gateway's memory of tokens"),
    }
}

/// The day, as RFC 3339 writes it.
fn date(at: Timestamp) -> String {
    at.to_string().chars().take_while(|character| *character != 'T').collect()
}

#[cfg(test)]
mod tests;
