//! Stores the keys of all issuers with an address, every ten minutes, so that a new authorizer process can start with
//! them.
//!
//! Running it twice, or two at once, only fetches again: each run stores whole key sets with their fetch time, and the
//! authorizer accepts either. It fails only if nothing can be stored; an issuer that does not respond is a warning.

use landslide_aws::{config, sdk};
use landslide_domain::time::Timestamp;
use landslide_identity::{
    issuers::Issuers,
    key_sets::{Fetch, HttpFetch, KeySetsError, KeySetsSecret, Reach, StoredKeySets},
};

/// What a refresh needs.
pub struct App<F = HttpFetch> {
    issuers: Issuers,
    fetch: F,
    secret: KeySetsSecret,
}

impl App {
    /// The job that the environment configures.
    pub fn from_env() -> Result<Self, lambda_runtime::Error> {
        let reach = if config::value("LOOPBACK_ISSUERS")? { Reach::PublicAndLoopback } else { Reach::Public };
        let issuers = Issuers::read(&config::text("ISSUERS")?, reach);
        let secret = KeySetsSecret::new(&sdk::sdk_config()?, config::text("KEY_SETS_SECRET")?);
        Ok(Self { issuers, fetch: HttpFetch::new(reach), secret })
    }
}

/// Fetches and stores the keys. `now` must be sampled before this call.
pub async fn refresh<F: Fetch>(app: &App<F>, now: Timestamp) -> Result<(), KeySetsError> {
    let stored = match app.secret.read().await {
        Ok(stored) => Some(stored),
        Err(error @ KeySetsError::Form { .. }) => {
            tracing::error!(%error, "the stored issuers' keys can't be read and are replaced: {error}");
            None
        }
        // Overwriting it would lose the keys of an issuer that does not respond now.
        Err(error) => return Err(error),
    };
    let none = StoredKeySets::default();
    let refreshed = stored.as_ref().unwrap_or(&none).refreshed(app.issuers.fetched(), &app.fetch, now).await;
    if stored.as_ref() == Some(&refreshed) { Ok(()) } else { app.secret.write(&refreshed).await }
}

#[cfg(test)]
mod tests;
