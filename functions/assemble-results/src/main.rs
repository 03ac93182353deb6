//! Wiring of `assemble-results`.

use assemble_results::handle;
use lambda_runtime::{LambdaEvent, service_fn};
use landslide_aws::{queue::batch::QueueEvent, telemetry};
use landslide_counting::assembly::Assembly;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let assembly = &Assembly::from_env()?;
    let assemble = async |event: LambdaEvent<QueueEvent>| {
        handle(assembly, event.payload).await;
        Ok::<_, lambda_runtime::Error>(())
    };
    lambda_runtime::run(service_fn(assemble)).await
}
