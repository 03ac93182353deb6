//! Wiring of `create-view`.

use create_view::{creation_from_env, handle};
use landslide_aws::telemetry;
use landslide_edge::Edge;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_lambda_http::run_for_members(Edge::from_env()?, creation_from_env().await?, handle).await
}
