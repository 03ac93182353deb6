//! Wiring of `sync-analytics`.

use lambda_runtime::{LambdaEvent, service_fn};
use landslide_aws::{clock, telemetry};
use landslide_sync::sync::Sync;
use sync_analytics::{Wanted, handle};
use tokio::sync::Mutex;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sync = &Mutex::new(Sync::from_env().await?);
    let copy = async |event: LambdaEvent<Wanted>| {
        let now = clock::now();
        handle(&mut *sync.lock().await, event, now).await.map_err(lambda_runtime::Error::from)
    };
    lambda_runtime::run(service_fn(copy)).await
}
