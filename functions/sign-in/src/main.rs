//! Wiring of `sign-in`.

use lambda_http::{Error, Request, service_fn};
use landslide_aws::telemetry;
use sign_in::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let app = &App::from_env().await?;
    lambda_http::run(service_fn(move |request: Request| app.respond(request))).await
}
