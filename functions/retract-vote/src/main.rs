//! Wiring of `retract-vote`.

use landslide_shared::{http, telemetry};
use retract_vote::{App, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    http::run(http::Edge::from_env()?, App::from_env().await?, handle).await
}
