//! Wiring of `retract-vote`.

use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::votes::Votes;
use retract_vote::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_edge::run(Edge::from_env()?, Votes::from_env().await?, handle).await
}
