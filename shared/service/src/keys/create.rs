//! Creates API keys.

use landslide_aws::{
    clock::{Clock, SystemClock},
    random,
    store::{Appended, AuditStore, TokenStore},
};
use landslide_domain::{
    api_key::{CreateKey, CreatedKey, KEYS_MAX},
    error::Error,
    member::Member,
    opaque_token::{OpaqueToken, Purpose},
    role::Operation,
};

/// The tables of keys and of the audit log, and what a new key needs.
pub struct KeyCreation {
    tokens: TokenStore,
    audit: AuditStore,
    secret: Vec<u8>,
}

impl KeyCreation {
    /// Creates keys in these tables, whose codes are made with this secret.
    pub fn new(tokens: TokenStore, audit: AuditStore, secret: Vec<u8>) -> Self {
        Self { tokens, audit, secret }
    }

    /// Creates a key of the member's tenant.
    pub async fn create(&self, member: &Member, asked: CreateKey) -> Result<CreatedKey, Error> {
        member.must(Operation::CreateKey)?;
        let (tenant, now) = (member.tenant.key(), SystemClock.now());
        let new = asked.validate(now).map_err(Error::InvalidFields)?;
        if self.tokens.keys(&tenant).await?.len() >= KEYS_MAX {
            return Err(Error::TooManyKeys);
        }
        let token = OpaqueToken::new(Purpose::Key, random::bytes()?, random::bytes()?);
        let listed = new.create(token.id, member);
        let key = token.text(&self.secret).ok_or_else(|| Error::Internal("an API key has no code".to_owned()))?;
        let puts = self.tokens.key_puts(&tenant, &listed, &token.hash())?;
        match self.audit.append_with(&tenant, &listed.created(member), &puts, &SystemClock, now).await? {
            Appended::Done => Ok(CreatedKey { listed, key }),
            Appended::Refused => Err(Error::Internal("there is an API key with a new key's id".to_owned())),
        }
    }
}
