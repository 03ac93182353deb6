//! Wiring of `get-usage`.

use get_usage::handle;
use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::usage::TenantUsage;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_lambda_http::run_for_members(Edge::from_env()?, TenantUsage::from_env()?, handle).await
}
