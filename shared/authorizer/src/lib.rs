//! What the gateway's Lambda authorizers share: the request, the policy in the response, and the verifier of tokens.

use std::time::Duration;

use landslide_aws::{config, log_limit::LogLimit, sdk};
use landslide_domain::time::Timestamp;
use landslide_identity::{
    device_keys::read_device_keys,
    issuers::{Issuers, Refusal, Verifier},
    key_sets::{HttpFetch, KeySetsError, KeySetsSecret, Reach, StoredKeySets},
};
use serde::{Deserialize, Serialize};

/// The scheme of `Authorization` (RFC 6750).
const SCHEME: &str = "bearer";

/// How long a start waits for stored keys, which it can do without.
pub const RECALL_TIME_MAX: Duration = Duration::from_secs(1);

/// What verifies tokens.
pub struct App {
    /// Verifies tokens.
    pub verifier: Verifier,
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
    pub fn log(&self, refusal: &Refusal, now: Timestamp) {
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
pub async fn recall(issuers: &Issuers, stored: impl Future<Output = Result<StoredKeySets, KeySetsError>>) {
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

/// The response: a policy, and if it allows, what the functions learn about the caller.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizerResponse<Context> {
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

impl<Context> AuthorizerResponse<Context> {
    /// Allows the caller all methods in the request's stage, as responses are cached by token for all methods.
    pub fn allow(request: &AuthorizerRequest, principal_id: String, context: Context) -> Self {
        Self { principal_id, policy_document: policy("Allow", request), context: Some(context) }
    }

    /// Denies the call.
    pub fn deny(request: &AuthorizerRequest) -> Self {
        Self { principal_id: "nobody".to_owned(), policy_document: policy("Deny", request), context: None }
    }
}

impl AuthorizerRequest {
    /// The bearer token, if there is one.
    pub fn token(&self) -> Option<&str> {
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

fn policy(effect: &'static str, request: &AuthorizerRequest) -> Policy {
    let resource = stage_of(&request.method_arn);
    Policy { version: "2012-10-17", statement: [Statement { action: "execute-api:Invoke", effect, resource }] }
}
