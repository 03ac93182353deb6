//! Wiring of `tally-votes`.

use lambda_runtime::{LambdaEvent, service_fn};
use landslide_aws::telemetry;
use landslide_edge::batch::QueueEvent;
use tally_votes::{App, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let app = &App::from_env().await?;
    let count = async |event: LambdaEvent<QueueEvent>| Ok::<_, lambda_runtime::Error>(handle(app, event).await);
    lambda_runtime::run(service_fn(count)).await
}
