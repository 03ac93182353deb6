//! Wiring of `relay-changes`.

use lambda_runtime::service_fn;
use landslide_aws::telemetry;
use landslide_changes::ChangeRelay;
use relay_changes::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let relay = &ChangeRelay::from_env()?;
    lambda_runtime::run(service_fn(async |event| handle(relay, event).await)).await
}
