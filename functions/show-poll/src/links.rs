//! Links that show a poll's hidden results, on a wall.

use lambda_http::Error as LambdaError;
use landslide_aws::{config, sdk, secret, store::TokenStore};
use landslide_domain::{
    error::Error,
    ids::PollId,
    opaque_token::{OpaqueToken, Purpose},
    time::Timestamp,
};

/// Looks up view links.
pub struct ViewLinks {
    store: TokenStore,
    secret: Vec<u8>,
}

impl ViewLinks {
    /// With the table and the secret in the environment's variables.
    pub async fn from_env() -> Result<Self, LambdaError> {
        let aws = sdk::sdk_config()?;
        let secret = secret::read(&aws, &config::text("KEY_SECRET")?).await?;
        Ok(Self::new(TokenStore::from_env(&aws)?, secret))
    }

    /// Links in this table, whose codes were made with this secret.
    pub fn new(store: TokenStore, secret: Vec<u8>) -> Self {
        Self { store, secret }
    }

    /// Whether this service made it, for whichever poll. It costs no read.
    pub fn made(&self, text: &str) -> bool {
        OpaqueToken::parse(text, &self.secret).is_some_and(|token| token.purpose == Purpose::View)
    }

    /// Whether a text is a link to this poll's results. One that this service never made costs no read.
    pub async fn show(&self, text: &str, poll_id: &PollId, now: Timestamp) -> Result<bool, Error> {
        let Some(token) = OpaqueToken::parse(text, &self.secret) else { return Ok(false) };
        let stored = self.store.view(token.id).await?;
        Ok(stored
            .is_some_and(|view| view.poll_id == *poll_id && token.refusal(&view.hash, view.expires_at, now).is_none()))
    }
}
