//! Wiring of `cast-vote`.

use cast_vote::handle;
use landslide_aws::telemetry;
use landslide_edge::http;
use landslide_service::votes::Votes;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    http::run(http::Edge::from_env()?, Votes::from_env().await?, handle).await
}
