//! Wiring of `show-poll`.

use lambda_http::{Error, Request, Response, http::response::Builder, service_fn};
use landslide_aws::telemetry;
use show_poll::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let app = &App::from_env().await?;
    lambda_http::run(service_fn(move |request: Request| async move {
        let answer = app.answer(request).await;
        let builder = answer
            .headers
            .into_iter()
            .fold(Response::builder().status(answer.status), |builder: Builder, (name, value)| {
                builder.header(name, value)
            });
        Ok::<Response<String>, Error>(builder.body(answer.body)?)
    }))
    .await
}
