//! Wiring of `authorizer`.

use authorizer::{App, AuthorizerRequest, authorize};
use lambda_runtime::{LambdaEvent, service_fn};
use landslide_shared::{clock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let app = &App::from_env().await?;
    let answer = async |event: LambdaEvent<AuthorizerRequest>| {
        Ok::<_, lambda_runtime::Error>(authorize(app, &event.payload, clock::now()).await?)
    };
    lambda_runtime::run(service_fn(answer)).await
}
