//! Wiring of `get-poll`.

use get_poll::handle;
use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::polls::CurrentPolls;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_edge::run(Edge::from_env()?, CurrentPolls::from_env().await?, handle).await
}
