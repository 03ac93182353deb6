//! The stack that an operator works on: the names in its functions' environments, and the operator's own credentials.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::SdkConfig;
use clap::Args;
use landslide_aws::{config, sdk};

/// Time limit for one call, all tries together. A page has 1 MB, and nobody is waiting for a response.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// Time limit for one try.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// The most tries for one call. An audit reads fast enough to be throttled.
const ATTEMPTS_MAX: u32 = 10;

/// A stack's tables.
#[derive(Args)]
pub struct Tables {
    /// The stack's output `PollsTable`.
    #[arg(long, value_name = "TABLE", env = "POLLS_TABLE")]
    pub polls_table: String,
    /// The stack's output `VotesTable`.
    #[arg(long, value_name = "TABLE", env = "VOTES_TABLE")]
    pub votes_table: String,
    /// The stack's output `TalliesTable`.
    #[arg(long, value_name = "TABLE", env = "TALLIES_TABLE")]
    pub tallies_table: String,
}

/// AWS as the environment configures it: AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
/// AWS_ENDPOINT_URL.
pub fn aws() -> Result<SdkConfig> {
    for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        config::text(variable).context(
            "There are no credentials. Export a profile's: eval $(aws configure export-credentials --format env)",
        )?;
    }
    let timeouts =
        TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX);
    // An operator's machine may reach AWS through a proxy with its own roots.
    let builder = sdk::sdk_config()?.into_builder().http_client(sdk::https_client());
    Ok(builder.timeout_config(timeouts).retry_config(retries).build())
}

/// A service's address in a region. China is a separate partition with a separate domain.
pub fn endpoint(service: &str, region: &str) -> String {
    let top_level = if region.starts_with("cn-") { "com.cn" } else { "com" };
    format!("https://{service}.{region}.amazonaws.{top_level}")
}

/// A failed call, after its most likely meaning.
pub fn explain(error: impl std::error::Error + Send + Sync + 'static, what: &str) -> anyhow::Error {
    let text = error.to_string();
    let meaning = if text.contains("ResourceNotFoundException")
        || text.contains("NonExistentQueue")
        || text.contains("QueueDoesNotExist")
    {
        format!("{what} does not exist in this account and region")
    } else if text.contains("AccessDenied")
        || text.contains("UnrecognizedClient")
        || text.contains("InvalidClientTokenId")
    {
        format!("these credentials have no permission for {what}")
    } else {
        format!("{what} can't be used")
    };
    anyhow!(error).context(meaning)
}

/// Runs a command to its end.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?.block_on(work)
}
