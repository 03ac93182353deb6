//! Wiring of `get-results`.

use get_results::handle;
use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::results::CurrentResults;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_edge::run(Edge::from_env()?, CurrentResults::from_env().await?, handle).await
}
