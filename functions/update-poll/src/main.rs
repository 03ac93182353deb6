//! Wiring of `update-poll`.

use landslide_aws::{config, telemetry};
use landslide_edge::Edge;
use landslide_service::polls::PollChanges;
use update_poll::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let changes = PollChanges::from_env().await?.taking(config::value("BALLOT_KINDS")?);
    landslide_lambda_http::run_for_members(Edge::from_env()?, changes, handle).await
}
