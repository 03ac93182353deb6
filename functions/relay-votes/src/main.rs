//! Wiring of `relay-votes`.

use lambda_runtime::{LambdaEvent, service_fn};
use landslide_shared::{stream::StreamEvent, telemetry};
use relay_votes::{App, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let app = &App::from_env()?;
    let relay = async |event: LambdaEvent<StreamEvent>| Ok::<_, lambda_runtime::Error>(handle(app, event).await?);
    lambda_runtime::run(service_fn(relay)).await
}
