//! Wiring of `register-device`.

use landslide_aws::telemetry;
use landslide_edge::Edge;
use register_device::{handle, issuer_from_env};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_edge::run(Edge::from_env()?, issuer_from_env().await?, handle).await
}
