//! Wiring of `tally-votes`.

use lambda_runtime::{LambdaEvent, service_fn};
use landslide_aws::{queue::batch::QueueEvent, telemetry};
use landslide_counting::tally::Tally;
use tally_votes::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let tally = &Tally::from_env().await?;
    let count = async |event: LambdaEvent<QueueEvent>| Ok::<_, lambda_runtime::Error>(handle(tally, event).await);
    lambda_runtime::run(service_fn(count)).await
}
