//! The gateway's Lambda authorizer for owners' methods, and for those that owners and voters share: says who calls, for
//! which tenant and in which role, or denies the call.
//!
//! A denial is a normal response. If an issuer's keys or the table of API keys are unavailable, the authorizer fails,
//! and the gateway responds with 503.

mod opaque_tokens;

use landslide_authorizer::{App, AuthorizerRequest, AuthorizerResponse};
use landslide_aws::store::StoreError;
use landslide_domain::{caller::Caller, opaque_token::Purpose, role::Role, tenant::TenantKind, time::Timestamp};
use landslide_identity::{key_sets::KeysUnavailable, membership::Membership};
use serde::Serialize;

pub use opaque_tokens::OpaqueTokens;

/// What says who calls.
pub struct Owners {
    /// Verifies the tokens of issuers and devices.
    pub signed: App,
    /// Looks up API keys and view links.
    pub opaque: OpaqueTokens,
}

/// Why it is unknown who calls.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// An issuer's keys are unavailable.
    #[error(transparent)]
    Keys(#[from] KeysUnavailable),
    /// The table of API keys and view links is unavailable.
    #[error(transparent)]
    Table(#[from] StoreError),
}

/// What the functions learn about the caller. All values arrive there as strings. Without a tenant, an account is its
/// own.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    subject: String,
    kind: &'static str,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    poll_id: Option<String>,
}

impl Owners {
    /// The authorizer that the environment configures. It reads secrets and no table.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let (signed, opaque) = tokio::try_join!(App::from_env(), OpaqueTokens::from_env())?;
        Ok(Self { signed, opaque })
    }

    /// Handles a gateway request. `now` must be sampled before this call.
    pub async fn authorize(
        &self,
        request: &AuthorizerRequest,
        now: Timestamp,
    ) -> Result<AuthorizerResponse<Context>, Unknown> {
        let Some(token) = request.token() else { return Ok(AuthorizerResponse::deny(request)) };
        let context = match Purpose::claimed_by(token) {
            Some(_) => self.opaque.context(token, now).await?,
            None => self.of_signed(token, now).await?,
        };
        Ok(match context {
            Some(context) => AuthorizerResponse::allow(request, context.subject.clone(), context),
            None => AuthorizerResponse::deny(request),
        })
    }

    async fn of_signed(&self, token: &str, now: Timestamp) -> Result<Option<Context>, KeysUnavailable> {
        match self.signed.verifier.verify_member(token, now).await? {
            Ok((caller, membership)) => Ok(Some(of_token(caller, membership))),
            Err(refusal) => {
                self.signed.log(&refusal, now);
                Ok(None)
            }
        }
    }
}

fn of_token(caller: Caller, membership: Membership) -> Context {
    let organisation = Some(TenantKind::Organisation.as_str());
    let (tenant_kind, tenant, role) = match membership {
        Membership::Account => (None, None, None),
        Membership::Organisation { id, role } => (organisation, Some(id), role.map(Role::as_str)),
        Membership::Unreadable => (organisation, None, None),
    };
    Context {
        issuer: Some(caller.issuer),
        subject: caller.subject,
        kind: caller.kind.as_str(),
        expires_at: caller.expires_at.as_millis().to_string(),
        tenant_kind,
        tenant,
        role,
        poll_id: None,
    }
}

#[cfg(test)]
mod tests;
