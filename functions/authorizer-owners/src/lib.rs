//! The gateway's Lambda authorizer for owners' methods, and for those that owners and voters share: says who calls, for
//! which tenant and in which role, or denies the call.
//!
//! A denial is a normal response. If an issuer's keys are unavailable, the authorizer fails, and the gateway responds
//! with 503.

use landslide_authorizer::{App, AuthorizerRequest, AuthorizerResponse};
use landslide_domain::{caller::Caller, role::Role, tenant::TenantKind, time::Timestamp};
use landslide_identity::{key_sets::KeysUnavailable, membership::Membership};
use serde::Serialize;

/// What the functions learn about the caller. All values arrive there as strings. Without a tenant, an account is its
/// own.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Context {
    issuer: String,
    subject: String,
    kind: &'static str,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
}

/// Handles a gateway request. `now` must be sampled before this call.
pub async fn authorize(
    app: &App,
    request: &AuthorizerRequest,
    now: Timestamp,
) -> Result<AuthorizerResponse<Context>, KeysUnavailable> {
    let Some(token) = request.token() else { return Ok(AuthorizerResponse::deny(request)) };
    match app.verifier.verify_member(token, now).await? {
        Ok((caller, membership)) => {
            Ok(AuthorizerResponse::allow(request, caller.subject.clone(), of_token(caller, membership)))
        }
        Err(refusal) => {
            app.log(&refusal, now);
            Ok(AuthorizerResponse::deny(request))
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
        issuer: caller.issuer,
        subject: caller.subject,
        kind: caller.kind.as_str(),
        expires_at: caller.expires_at.as_millis().to_string(),
        tenant_kind,
        tenant,
        role,
    }
}
