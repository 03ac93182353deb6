//! The accounts that have signed in on the page. The function `sign-in` makes their cookies; this one only reads them.

use lambda_http::Error as LambdaError;
use landslide_aws::{config, sdk, secret};
use landslide_domain::{caller::Caller, time::Timestamp};
use landslide_identity::{providers::Providers, session::PageSecret};
use landslide_page::{Accounts, account_cookie};

use crate::voter::Voter;

/// Knows accounts again that have signed in.
pub struct Sessions {
    secret: PageSecret,
    providers: Providers,
}

impl Sessions {
    /// With the secret and the issuers that the environment configures.
    pub async fn from_env() -> Result<Self, LambdaError> {
        let providers = Providers::read(&config::text("ISSUERS")?);
        let secret = secret::read(&sdk::sdk_config()?, &config::text("PAGE_SECRET")?).await?;
        Ok(Self::new(PageSecret::new(secret), providers))
    }

    /// With this secret and these providers.
    pub fn new(secret: PageSecret, providers: Providers) -> Self {
        Self { secret, providers }
    }

    /// The account that cookies name, if its provider is still one.
    pub(crate) fn voter(&self, cookies: &str, now: Timestamp) -> Option<Voter> {
        let caller = self.secret.open_account(account_cookie(cookies)?, now)?;
        self.providers.of_issuer(&caller.issuer)?;
        let mark = self.secret.mark(&caller)?;
        Some(Voter { caller, mark })
    }

    /// What a page shows of signing in.
    pub fn shown(&self, caller: Option<&Caller>) -> Accounts<'_> {
        let with = caller.and_then(|caller| self.providers.of_issuer(&caller.issuer));
        let providers = self.providers.all().iter().map(|provider| provider.name.as_str()).collect();
        Accounts { providers, signed_in_with: with.map(|provider| provider.name.as_str()) }
    }
}
