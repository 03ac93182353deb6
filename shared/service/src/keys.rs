//! API keys: created, listed and deleted by their tenant's owners.

use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    sdk,
    store::{Appended, AuditStore, TokenStore},
};
use landslide_domain::{
    api_key::{self, ApiKey, DeletedKey},
    error::Error,
    member::Member,
    opaque_token::TokenId,
    role::Operation,
};

#[cfg(any(test, feature = "text"))]
mod create;

#[cfg(any(test, feature = "text"))]
pub use self::create::KeyCreation;

/// Lists API keys.
pub struct KeyList {
    tokens: TokenStore,
}

/// Deletes API keys.
pub struct KeyDeletion {
    tokens: TokenStore,
    audit: AuditStore,
}

impl KeyList {
    /// Uses the table in the environment's variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { tokens: TokenStore::from_env(&sdk::sdk_config()?)? })
    }

    /// All keys of the member's tenant, newest first.
    pub async fn keys(&self, member: &Member) -> Result<Vec<ApiKey>, Error> {
        member.must(Operation::ListKeys)?;
        let mut keys = self.tokens.keys(&member.tenant.key()).await?;
        keys.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.key_id)));
        Ok(keys)
    }
}

impl KeyDeletion {
    /// Uses the tables in the environment's variables.
    pub fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        Ok(Self { tokens: TokenStore::from_env(&aws)?, audit: AuditStore::from_env(&aws)? })
    }

    /// Deletes a key of the member's tenant.
    pub async fn delete(&self, member: &Member, key_id: TokenId) -> Result<DeletedKey, Error> {
        member.must(Operation::DeleteKey)?;
        let (tenant, now) = (member.tenant.key(), SystemClock.now());
        let deletes = self.tokens.key_deletes(&tenant, key_id)?;
        let entry = api_key::deleted(key_id, member, now);
        match self.audit.append_with(&tenant, &entry, &deletes, &SystemClock, now).await? {
            Appended::Done => Ok(DeletedKey::new(key_id, SystemClock.now())),
            Appended::Refused => Err(Error::NoSuchKey),
        }
    }
}
