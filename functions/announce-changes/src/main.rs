//! Wiring of `announce-changes`.

use announce_changes::handle;
use lambda_runtime::service_fn;
use landslide_aws::telemetry;
use landslide_sync::announce::Announcer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let announcer = &Announcer::from_env()?;
    lambda_runtime::run(service_fn(async |event| handle(announcer, event).await)).await
}
