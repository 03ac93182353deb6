//! Wiring of `cast-vote`.

use cast_vote::{App, handle};
use landslide_aws::telemetry;
use landslide_edge::{Edge, Origin};
use landslide_service::votes::Votes;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let app = App { votes: Votes::from_env().await?, origin: Origin::from_env().await? };
    landslide_edge::run(Edge::from_env()?, app, handle).await
}
