//! Wiring of `copy-poll`.

use copy_poll::handle;
use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::polls::PollCreation;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_lambda_http::run_for_members(Edge::from_env()?, PollCreation::from_env().await?, handle).await
}
