//! Wiring of `authorizer-owners`.

use authorizer_owners::{Owners, Unknown};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use landslide_authorizer::AuthorizerRequest;
use landslide_aws::{clock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let owners = &Owners::from_env().await?;
    let answer = async |event: LambdaEvent<AuthorizerRequest>| {
        owners.authorize(&event.payload, clock::now()).await.map_err(|error| Diagnostic {
            error_type: match error {
                Unknown::Keys(_) => "KeysUnavailable".to_owned(),
                Unknown::Table(_) => "TableUnavailable".to_owned(),
            },
            error_message: error.to_string(),
        })
    };
    lambda_runtime::run(service_fn(answer)).await
}
