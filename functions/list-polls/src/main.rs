//! Wiring of `list-polls`.

use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::polls::TenantPolls;
use list_polls::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_lambda_http::run_for_members(Edge::from_env()?, TenantPolls::from_env()?, handle).await
}
