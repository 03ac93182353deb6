//! View links of a poll: created, listed and deleted by its tenant's editors.

use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    random, sdk,
    store::{Appended, AuditStore, PollStore, TokenStore},
};
use landslide_domain::{
    error::Error,
    ids::PollId,
    member::Member,
    opaque_token::{OpaqueToken, Purpose, TokenId},
    role::Operation,
    view_link::{self, CreateView, CreatedView, DeletedView, VIEWS_MAX, ViewLink},
};

/// Creates view links.
pub struct ViewCreation {
    polls: PollStore,
    tokens: TokenStore,
    audit: AuditStore,
    secret: Vec<u8>,
}

/// Lists view links.
pub struct ViewList {
    polls: PollStore,
    tokens: TokenStore,
}

/// Deletes view links.
pub struct ViewDeletion {
    polls: PollStore,
    tokens: TokenStore,
    audit: AuditStore,
}

impl ViewCreation {
    /// Creates links in these tables, whose codes are made with this secret.
    pub fn new(polls: PollStore, tokens: TokenStore, audit: AuditStore, secret: Vec<u8>) -> Self {
        Self { polls, tokens, audit, secret }
    }

    /// Creates a link to the results of a poll of the member's tenant.
    pub async fn create(&self, poll_id: PollId, member: &Member, asked: CreateView) -> Result<CreatedView, Error> {
        member.must(Operation::CreateView)?;
        must_be_of(&self.polls, &poll_id, member).await?;
        let now = SystemClock.now();
        let token = OpaqueToken::new(Purpose::View, random::bytes()?, random::bytes()?);
        let listed = asked.create(token.id, poll_id, member, now).map_err(|error| Error::InvalidFields(vec![error]))?;
        if self.tokens.views(&listed.poll_id).await?.len() >= VIEWS_MAX {
            return Err(Error::TooManyViews);
        }
        let text = token.text(&self.secret).ok_or_else(|| Error::Internal("a view link has no code".to_owned()))?;
        let puts = self.tokens.view_puts(&listed, &token.hash())?;
        let (tenant, entry) = (member.tenant.key(), listed.created(member));
        match self.audit.append_with(&tenant, &entry, &puts, &SystemClock, now).await? {
            Appended::Done => Ok(CreatedView { listed, token: text }),
            Appended::Refused => Err(Error::Internal("there is a view link with a new link's id".to_owned())),
        }
    }
}

impl ViewList {
    /// Uses the tables in the environment's variables.
    pub fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        Ok(Self { polls: PollStore::from_env(&aws)?, tokens: TokenStore::from_env(&aws)? })
    }

    /// All links to a poll of the member's tenant, newest first.
    pub async fn views(&self, poll_id: &PollId, member: &Member) -> Result<Vec<ViewLink>, Error> {
        member.must(Operation::ListViews)?;
        must_be_of(&self.polls, poll_id, member).await?;
        let mut views = self.tokens.views(poll_id).await?;
        views.sort_by_key(|view| std::cmp::Reverse((view.created_at, view.view_id)));
        Ok(views)
    }
}

impl ViewDeletion {
    /// Uses the tables in the environment's variables.
    pub fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let (tokens, audit) = (TokenStore::from_env(&aws)?, AuditStore::from_env(&aws)?);
        Ok(Self { polls: PollStore::from_env(&aws)?, tokens, audit })
    }

    /// Deletes a link to a poll of the member's tenant.
    pub async fn delete(&self, poll_id: &PollId, view_id: TokenId, member: &Member) -> Result<DeletedView, Error> {
        member.must(Operation::DeleteView)?;
        must_be_of(&self.polls, poll_id, member).await?;
        let (tenant, now) = (member.tenant.key(), SystemClock.now());
        let deletes = self.tokens.view_deletes(poll_id, view_id)?;
        let entry = view_link::deleted(view_id, poll_id, member, now);
        match self.audit.append_with(&tenant, &entry, &deletes, &SystemClock, now).await? {
            Appended::Done => Ok(DeletedView::new(view_id, SystemClock.now())),
            Appended::Refused => Err(Error::NoSuchView),
        }
    }
}

/// Fails unless there is the poll, and it is of the member's tenant.
async fn must_be_of(polls: &PollStore, poll_id: &PollId, member: &Member) -> Result<(), Error> {
    polls.rules(poll_id).await?.ok_or(Error::NoSuchPoll)?.must_be_of(&member.tenant)
}
