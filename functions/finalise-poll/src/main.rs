//! Wiring of `finalise-poll`.

use finalise_poll::handle;
use lambda_runtime::{LambdaEvent, service_fn};
use landslide_aws::{
    queue::{Queue, batch::QueueEvent},
    sdk, telemetry,
};
use landslide_jobs::finalise::Finalise;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let steps = Queue::from_env(&sdk::sdk_config()?, "FINALISE_QUEUE_URL")?;
    let finalise = &Finalise::from_env(steps)?;
    let step = async |event: LambdaEvent<QueueEvent>| Ok::<_, lambda_runtime::Error>(handle(finalise, event).await);
    lambda_runtime::run(service_fn(step)).await
}
