//! Wiring of `authorizer`.

use authorizer::authorize;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use landslide_authorizer::{App, AuthorizerRequest};
use landslide_aws::{clock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let app = &App::from_env().await?;
    let answer = async |event: LambdaEvent<AuthorizerRequest>| {
        let answer = authorize(app, &event.payload, clock::now()).await;
        answer
            .map_err(|error| Diagnostic { error_type: "KeysUnavailable".to_owned(), error_message: error.to_string() })
    };
    lambda_runtime::run(service_fn(answer)).await
}
