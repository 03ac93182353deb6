//! Wiring of `register-device`.

use landslide_aws::telemetry;
use landslide_edge::Edge;
use register_device::{App, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_edge::run(Edge::from_env()?, App::from_env().await?, handle).await
}
