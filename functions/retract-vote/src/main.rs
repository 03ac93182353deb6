//! Wiring of `retract-vote`.

use landslide_shared::{http, telemetry, voting::Voting};
use retract_vote::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    http::run(http::Edge::from_env()?, Voting::from_env().await?, handle).await
}
