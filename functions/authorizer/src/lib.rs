//! The gateway's Lambda authorizer for voters: says who calls, or denies the call.
//!
//! A denial is a normal response. If an issuer's keys are unavailable, the authorizer fails, and the gateway responds
//! with 503.

use landslide_authorizer::{App, AuthorizerRequest, AuthorizerResponse};
use landslide_domain::{caller::Caller, time::Timestamp};
use landslide_identity::key_sets::KeysUnavailable;
use serde::Serialize;

/// What the functions learn about the caller. All values arrive there as strings.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Context {
    issuer: String,
    subject: String,
    kind: &'static str,
    expires_at: String,
    /// Absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    released_claims: Option<String>,
}

/// Handles a gateway request. `now` must be sampled before this call.
pub async fn authorize(
    app: &App,
    request: &AuthorizerRequest,
    now: Timestamp,
) -> Result<AuthorizerResponse<Context>, KeysUnavailable> {
    let Some(token) = request.token() else { return Ok(AuthorizerResponse::deny(request)) };
    match app.verifier.verify(token, now).await? {
        Ok(caller) => Ok(AuthorizerResponse::allow(request, caller.subject.clone(), context(caller))),
        Err(refusal) => {
            app.log(&refusal, now);
            Ok(AuthorizerResponse::deny(request))
        }
    }
}

fn context(caller: Caller) -> Context {
    Context {
        issuer: caller.issuer,
        subject: caller.subject,
        kind: caller.kind.as_str(),
        expires_at: caller.expires_at.as_millis().to_string(),
        released_claims: caller.claims.to_text(),
    }
}

#[cfg(test)]
mod tests;
