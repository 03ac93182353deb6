//! Wiring of `refresh-keys`.

use lambda_runtime::{LambdaEvent, service_fn};
use landslide_aws::{clock, telemetry};
use refresh_keys::{App, refresh};
use serde::de::IgnoredAny;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let app = &App::from_env()?;
    let run = async |_: LambdaEvent<IgnoredAny>| refresh(app, clock::now()).await.map_err(lambda_runtime::Error::from);
    lambda_runtime::run(service_fn(run)).await
}
