//! Wiring of `tick`.

use lambda_runtime::{LambdaEvent, service_fn};
use landslide_aws::{clock, telemetry};
use landslide_jobs::tick::Tick;
use serde::de::IgnoredAny;
use tick::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let tick = &Tick::from_env()?;
    let look = async |event: LambdaEvent<IgnoredAny>| {
        handle(tick, event, clock::now()).await.map_err(lambda_runtime::Error::from)
    };
    lambda_runtime::run(service_fn(look)).await
}
