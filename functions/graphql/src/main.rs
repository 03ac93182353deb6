//! Wiring of `graphql`.

use std::sync::Arc;

use graphql::{Graphql, Services, handle};
use lambda_runtime::{LambdaEvent, service_fn};
use landslide_aws::telemetry;
use landslide_edge::{Edge, Event, Request, Response};
use landslide_lambda_http::answer_member;
use landslide_service::limits::TenantLimits;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let edge = Edge::from_env()?;
    let limits = Arc::new(TenantLimits::from_env().await?);
    let services = Services::from_env(limits.clone()).await?;
    let app = Arc::new(Graphql::new(services)?);
    let (edge, limits, app) = (&edge, &limits, &app);
    // By the quick reader of requests (docs/adr/0011), though members are counted.
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| async move {
        let request = Request::new(event.payload, event.context.deadline());
        Ok::<Response, lambda_runtime::Error>(answer_member(edge, limits, app, &handle, request).await)
    }))
    .await
}
