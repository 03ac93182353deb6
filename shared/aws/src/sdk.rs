//! AWS clients for a function, configured from Lambda's environment alone.

use std::time::Duration;

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    behavior_version::BehaviorVersion, http::SharedHttpClient, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::{error::display::DisplayErrorContext, retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};

use crate::config::{self, ConfigError};

/// Time limit for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time limit for one attempt at a call.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Time limit for a call, all attempts together.
pub const CALL_TIMEOUT: Duration = Duration::from_millis(4_000);
/// How often a call is tried if AWS throttles it, fails or does not respond.
pub const ATTEMPTS_MAX: u32 = 4;
/// The first pause between two attempts. It doubles each time, and the pause is random below it.
pub const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// All five roots of Amazon Trust Services that <https://www.amazontrust.com/repository/> asks trust stores to hold.
pub const AMAZON_ROOTS: &[u8] = include_bytes!("sdk/amazon-roots.pem");

/// The configuration for every client in a function.
pub fn sdk_config() -> Result<SdkConfig, ConfigError> {
    let region = config::text("AWS_REGION")?;
    let endpoint = config::text("AWS_ENDPOINT_URL").ok();
    let http_client = https_client_that_trusts(trusted(&region, endpoint.as_deref()));
    Ok(sdk_config_over(http_client, region, endpoint, FIRST_PAUSE))
}

/// An HTTP client that keeps connections open, and uses this machine's trusted roots.
pub fn https_client() -> SharedHttpClient {
    https_client_that_trusts(TrustStore::default())
}

fn https_client_that_trusts(trusted: TrustStore) -> SharedHttpClient {
    let tls = TlsContext::builder().with_trust_store(trusted).build().unwrap_or_default();
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls).build_https()
}

/// Returns only Amazon's roots where only Amazon responds: reading the machine's 150 roots takes nine tenths of a cold
/// start. Returns the machine's roots for a custom endpoint with TLS, and outside AWS's commercial regions, where
/// certificates may come from others.
fn trusted(region: &str, endpoint: Option<&str>) -> TrustStore {
    if has_roots_of_amazon(region) && !endpoint.is_some_and(|url| url.starts_with("https:")) {
        TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)
    } else {
        TrustStore::default()
    }
}

/// Whether the region is a commercial one, such as `eu-central-1`. Not `cn-north-1`, `eusc-de-east-1` or
/// `us-gov-west-1`.
fn has_roots_of_amazon(region: &str) -> bool {
    let parts: Vec<&str> = region.split('-').collect();
    matches!(parts.as_slice(), [area, _, _] if area.len() == 2 && *area != "cn")
}

/// The same settings with another HTTP client and first pause, for tests.
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

/// An error with all its causes, for the log.
pub fn describe<E: std::error::Error>(error: &E) -> String {
    DisplayErrorContext(error).to_string()
}

/// The credentials in Lambda's environment, read again each time.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a function's clients would read this machine's roots.
    fn reads_the_machines_roots(region: &str, endpoint: Option<&str>) -> bool {
        format!("{:?}", trusted(region, endpoint)).contains("enable_native_roots: true")
    }

    #[test]
    fn only_amazon_is_trusted_where_only_amazon_answers() {
        for region in ["us-east-1", "eu-central-1", "ap-southeast-7", "mx-central-1"] {
            assert!(!reads_the_machines_roots(region, None), "{region}");
            assert!(!reads_the_machines_roots(region, Some("http://localhost:4566")), "{region}");
            assert!(reads_the_machines_roots(region, Some("https://localhost.localstack.cloud:4566")), "{region}");
        }
        for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "eu-isoe-west-1", "eusc-de-east-1"] {
            assert!(reads_the_machines_roots(region, None), "{region}");
        }
    }

    /// The TLS library parses them when it first connects, and panics if it can't.
    #[cfg(feature = "queue")] // whose client is the one that connects
    #[tokio::test]
    async fn the_roots_of_amazon_can_be_read() {
        assert_eq!(String::from_utf8_lossy(AMAZON_ROOTS).matches("BEGIN CERTIFICATE").count(), 5);
        let http_client = https_client_that_trusts(trusted("us-east-1", None));
        let nobody = Some("https://127.0.0.1:1".to_owned());
        let config = sdk_config_over(http_client, "us-east-1".to_owned(), nobody, Duration::ZERO).into_builder();
        let credentials = SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "test"));
        let config = config.retry_config(RetryConfig::disabled()).credentials_provider(credentials).build();
        let refused = aws_sdk_sqs::Client::new(&config).list_queues().send().await;
        assert!(describe(&refused.unwrap_err()).contains("refused"));
    }
}
