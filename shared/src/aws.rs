//! AWS clients for a function: built from Lambda's own environment, without any search for settings.

use std::time::Duration;

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    behavior_version::BehaviorVersion, http::SharedHttpClient, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};

use crate::config::{self, ConfigError};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one attempt of a call may take.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How long a call may take, all attempts together.
pub const CALL_TIMEOUT: Duration = Duration::from_millis(4_000);
/// How often a call is tried where AWS throttles it, fails or does not answer.
pub const ATTEMPTS_MAX: u32 = 4;
/// The first pause between two attempts, doubled at each and drawn at random below that.
pub const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What every client of a function is built from.
pub fn sdk_config() -> Result<SdkConfig, ConfigError> {
    let region = config::text("AWS_REGION")?;
    let endpoint = config::text("AWS_ENDPOINT_URL").ok();
    Ok(sdk_config_over(https_client(), region, endpoint, FIRST_PAUSE))
}

/// The one HTTP client of a process, which keeps its connections.
pub fn https_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
}

/// The same settings over any HTTP client and first pause: what tests put in the place of AWS.
pub fn sdk_config_over(
    http_client: impl Into<SharedHttpClient>,
    region: String,
    endpoint: Option<String>,
    first_pause: Duration,
) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build();
    let mut builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(LambdaCredentials))
        .http_client(http_client.into())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX).with_initial_backoff(first_pause))
        .timeout_config(timeouts);
    builder.set_endpoint_url(endpoint);
    builder.build()
}

/// The credentials that Lambda puts into the environment, read again whenever they are asked for.
#[derive(Debug)]
struct LambdaCredentials;

impl ProvideCredentials for LambdaCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let read = || -> Result<Credentials, ConfigError> {
            let session_token = config::text("AWS_SESSION_TOKEN").ok();
            Ok(Credentials::new(
                config::text("AWS_ACCESS_KEY_ID")?,
                config::text("AWS_SECRET_ACCESS_KEY")?,
                session_token,
                None,
                "lambda environment",
            ))
        };
        future::ProvideCredentials::ready(read().map_err(CredentialsError::not_loaded))
    }
}
