//! Says who calls with an API key or a view link: by the token's own code first, and then by one read.

use std::time::Duration;

use landslide_aws::{
    cache::Cache,
    clock::{Clock, SystemClock},
    config,
    log_limit::LogLimit,
    sdk, secret,
    store::{StoreError, TokenStore},
};
use landslide_domain::{
    opaque_token::{OpaqueToken, Purpose, TokenId},
    tenant::TenantKey,
    time::Timestamp,
};

use crate::Context;

/// The most API keys whose last use a process remembers.
const NOTED_MAX: usize = 10_000;
/// How long a call waits for the note of its key's first use on a day.
const NOTE_TIME_MAX: Duration = Duration::from_millis(300);

/// Looks up API keys and view links.
pub struct OpaqueTokens {
    store: TokenStore,
    secret: Vec<u8>,
    /// The day on which each key's use was noted last.
    noted: Cache<TokenId, String>,
    refusals: LogLimit<&'static str>,
}

impl OpaqueTokens {
    /// Uses the table and the secret in the environment's variables.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let aws = sdk::sdk_config()?;
        let secret = secret::read(&aws, &config::text("KEY_SECRET")?).await?;
        Ok(Self::new(TokenStore::from_env(&aws)?, secret))
    }

    /// Looks up tokens in this table, whose codes were made with this secret.
    pub fn new(store: TokenStore, secret: Vec<u8>) -> Self {
        Self { store, secret, noted: Cache::new(NOTED_MAX), refusals: LogLimit::default() }
    }

    /// What functions learn about the caller with this token. `None` if it is not valid, whatever the reason. A text
    /// that this service never made costs no read. Fails if the table does not answer.
    pub async fn context(&self, text: &str, now: Timestamp) -> Result<Option<Context>, StoreError> {
        let found = match OpaqueToken::parse(text, &self.secret) {
            None => Err("it is not one of this stack"),
            Some(token) => match token.purpose {
                Purpose::Key => self.key(&token, now).await?,
                Purpose::View => self.view(&token, now).await?,
            },
        };
        Ok(found.map_err(|reason| self.log(reason, now)).ok())
    }

    async fn key(&self, token: &OpaqueToken, now: Timestamp) -> Result<Result<Context, &'static str>, StoreError> {
        let Some(key) = self.store.key(token.id).await? else { return Ok(Err(UNKNOWN)) };
        let expires_at = key.expires_at.unwrap_or(Timestamp::LATEST);
        if let Some(reason) = token.refusal(&key.hash, expires_at, now) {
            return Ok(Err(reason));
        }
        self.note_use(&key.tenant.key(), token.id, now).await;
        Ok(Ok(Context {
            issuer: Some(key.tenant.issuer),
            tenant_kind: Some(key.tenant.kind.as_str()),
            tenant: Some(key.tenant.value),
            role: Some(key.role.as_str()),
            ..of_opaque("key", token, expires_at)
        }))
    }

    async fn view(&self, token: &OpaqueToken, now: Timestamp) -> Result<Result<Context, &'static str>, StoreError> {
        let Some(view) = self.store.view(token.id).await? else { return Ok(Err(UNKNOWN)) };
        Ok(match token.refusal(&view.hash, view.expires_at, now) {
            Some(reason) => Err(reason),
            None => {
                Ok(Context { poll_id: Some(view.poll_id.to_string()), ..of_opaque("view", token, view.expires_at) })
            }
        })
    }

    /// Notes a key's use once a day. A note that fails is left to other processes and days, so no later call waits.
    async fn note_use(&self, tenant: &TenantKey, key: TokenId, now: Timestamp) {
        let day = now.day();
        if self.noted.get(&key).is_some_and(|noted| noted.value == day) {
            return;
        }
        self.noted.put(&key, day.clone(), now);
        match SystemClock.within(NOTE_TIME_MAX, self.store.note_use(tenant, key, &day)).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%key, %error, "the use of API key {key} was not noted: {error}"),
            None => {
                tracing::warn!(%key, "the use of API key {key} was not noted within {} ms", NOTE_TIME_MAX.as_millis());
            }
        }
    }

    fn log(&self, reason: &'static str, now: Timestamp) {
        if let Some(left_out) = self.refusals.admit(&reason, now) {
            tracing::info!(reason, left_out, "API key or view link refused: {reason}");
        }
    }
}

/// The reason for the log, where a token is none or not any more.
const UNKNOWN: &str = "it is unknown, or was deleted";

fn of_opaque(kind: &'static str, token: &OpaqueToken, expires_at: Timestamp) -> Context {
    Context {
        subject: token.id.to_string(),
        kind,
        expires_at: expires_at.as_millis().to_string(),
        ..Context::default()
    }
}
