//! Wiring of `register-device`.

use landslide_aws::telemetry;
use landslide_edge::http;
use register_device::{App, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    http::run(http::Edge::from_env()?, App::from_env().await?, handle).await
}
