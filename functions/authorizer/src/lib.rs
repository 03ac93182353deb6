//! The gateway's Lambda authorizer: says who calls, or denies the call.
//!
//! A denial is a normal response. Responses are cached by token for all methods, so the policy covers the whole stage.
//! If an issuer's keys are unavailable, the authorizer fails, and the gateway responds with 503.

use std::time::Duration;

use landslide_aws::{config, log_limit::LogLimit, sdk};
use landslide_domain::{caller::Caller, time::Timestamp};
use landslide_identity::{
    device_keys::read_device_keys,
    issuers::{Issuers, Refusal, Verifier},
    key_sets::{HttpFetch, KeySetsError, KeySetsSecret, KeysUnavailable, Reach, StoredKeySets},
};
use serde::{Deserialize, Serialize};

/// The scheme of `Authorization` (RFC 6750).
const SCHEME: &str = "bearer";

/// How long a start waits for stored keys, which it can do without.
const RECALL_TIME_MAX: Duration = Duration::from_secs(1);

/// What the authorizer needs.
pub struct App {
    verifier: Verifier,
    refusals: LogLimit<String>,
}

impl App {
    /// The authorizer that the environment configures. Reads the device keys and the stored issuers' keys.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let aws = sdk::sdk_config()?;
        let device_secret = config::text("DEVICE_SECRET")?;
        let key_sets = KeySetsSecret::new(&aws, config::text("KEY_SETS_SECRET")?);
        let reach = if config::value("LOOPBACK_ISSUERS")? { Reach::PublicAndLoopback } else { Reach::Public };
        let issuers = Issuers::read(&config::text("ISSUERS")?, reach);
        let device_keys = read_device_keys(&aws, &device_secret);
        let (device_keys, ()) = tokio::join!(device_keys, recall(&issuers, key_sets.read()));
        Ok(Self::new(Verifier::new(issuers, &device_keys?, HttpFetch::new(reach))))
    }

    /// An authorizer with this verifier.
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, refusals: LogLimit::default() }
    }

    /// Logs one line a minute per kind, so that a storm of bad tokens costs little.
    fn log(&self, refusal: &Refusal, now: Timestamp) {
        if let Some(left_out) = self.refusals.admit(&refusal.kind(), now) {
            let (issuer, kid) = (refusal.issuer.as_deref(), refusal.key_id.as_deref());
            let named = [("issuer", issuer), ("kid", kid)]
                .map(|(name, value)| value.map(|value| format!(", {name} {value:?}")).unwrap_or_default())
                .concat();
            tracing::info!(issuer, kid, reason = %refusal.reason, left_out, "token refused: {}{named}", refusal.reason);
        }
    }
}

/// Starts with the stored issuers' keys, if there are any. Without them, each issuer is asked at its first token.
async fn recall(issuers: &Issuers, stored: impl Future<Output = Result<StoredKeySets, KeySetsError>>) {
    if issuers.fetched().next().is_none() {
        return;
    }
    match tokio::time::timeout(RECALL_TIME_MAX, stored).await {
        Ok(Ok(stored)) => issuers.recall(&stored),
        Ok(Err(error)) => tracing::warn!(%error, "the stored issuers' keys can't be read: {error}"),
        Err(_) => tracing::warn!("the stored issuers' keys were not read within {} ms", RECALL_TIME_MAX.as_millis()),
    }
}

/// The gateway's request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizerRequest {
    method_arn: String,
    #[serde(default)]
    headers: Option<std::collections::HashMap<String, String>>,
}

/// The response: a policy, and the caller if it allows.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizerResponse {
    principal_id: String,
    policy_document: Policy,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: &'static str,
    effect: &'static str,
    resource: String,
}

/// What the functions learn about the caller. All values arrive there as strings.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Context {
    issuer: String,
    subject: String,
    kind: &'static str,
    expires_at: String,
}

/// Handles a gateway request. `now` must be sampled before this call.
pub async fn authorize(
    app: &App,
    request: &AuthorizerRequest,
    now: Timestamp,
) -> Result<AuthorizerResponse, KeysUnavailable> {
    let resource = stage_of(&request.method_arn);
    let Some(token) = request.token() else { return Ok(deny(resource)) };
    match app.verifier.verify(token, now).await? {
        Ok(caller) => Ok(allow(caller, resource)),
        Err(refusal) => {
            app.log(&refusal, now);
            Ok(deny(resource))
        }
    }
}

impl AuthorizerRequest {
    fn token(&self) -> Option<&str> {
        let headers = self.headers.as_ref()?;
        let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim())
    }
}

/// All methods in the stage: `arn:…:<api>/<stage>/*` from `arn:…:<api>/<stage>/<verb>/<path>`.
fn stage_of(method_arn: &str) -> String {
    let parts: Vec<&str> = method_arn.split('/').take(2).collect();
    format!("{}/*", parts.join("/"))
}

fn allow(caller: Caller, resource: String) -> AuthorizerResponse {
    AuthorizerResponse {
        principal_id: caller.subject.clone(),
        policy_document: policy("Allow", resource),
        context: Some(Context {
            issuer: caller.issuer,
            subject: caller.subject,
            kind: caller.kind.as_str(),
            expires_at: caller.expires_at.as_millis().to_string(),
        }),
    }
}

fn deny(resource: String) -> AuthorizerResponse {
    AuthorizerResponse { principal_id: "nobody".to_owned(), policy_document: policy("Deny", resource), context: None }
}

fn policy(effect: &'static str, resource: String) -> Policy {
    Policy { version: "2012-10-17", statement: [Statement { action: "execute-api:Invoke", effect, resource }] }
}

#[cfg(test)]
mod tests;
