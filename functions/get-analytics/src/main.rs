//! Wiring of `get-analytics`.

use get_analytics::handle;
use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::analytics::TenantAnalytics;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_lambda_http::run_for_members(Edge::from_env()?, TenantAnalytics::from_env().await?, handle).await
}
