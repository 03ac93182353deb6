//! The HTTP edge: typed requests in; replies and problem documents (RFC 9457) out.

mod body;
mod error;
mod event;
#[cfg(feature = "origin")]
mod origin;
mod problem;
mod reply;
mod request;
mod shown;

use std::{future::Future, sync::Arc};

use lambda_runtime::{Error as LambdaError, LambdaEvent, Service, service_fn};
use landslide_domain::{error::Error as Failure, limits::Quota};

pub use http::StatusCode;

#[cfg(feature = "origin")]
pub use self::origin::Origin;
pub use self::{
    body::parse as parse_body,
    error::{Error, Unsupported},
    event::{Authorizer, Body, Event, Headers, PathParameters, RequestContext},
    reply::{CacheControl, Reply, Response},
    request::{BODY_BYTES_MAX, POLL_BODY_BYTES_MAX, Request, is_idempotency_key},
    shown::shown,
};
use landslide_aws::{
    clock,
    config::{self, ConfigError},
    log_limit::LogLimit,
};

/// What every response needs, whatever the endpoint.
pub struct Edge {
    allowed_origin: String,
    failures: Failures,
}

impl Edge {
    /// The edge that the environment configures.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::new(config::text("ALLOWED_ORIGIN")?))
    }

    /// An edge whose responses this origin's pages may read, or all pages (`*`).
    pub fn new(allowed_origin: String) -> Self {
        Self { allowed_origin, failures: Failures::default() }
    }
}

/// Serves requests with the endpoint until the environment ends.
pub async fn run<App, Answer>(
    edge: Edge,
    app: App,
    endpoint: impl Fn(Arc<App>, Request) -> Answer + Sync,
) -> Result<(), LambdaError>
where
    App: Send + Sync,
    Answer: Future<Output = Result<Reply, Error>> + Send,
{
    lambda_runtime::run(service(&edge, &Arc::new(app), &endpoint)).await
}

/// Handles one gateway request with the endpoint.
pub fn service<App, Endpoint, Answer>(
    edge: &Edge,
    app: &Arc<App>,
    endpoint: &Endpoint,
) -> impl Service<LambdaEvent<Event>, Response = Response, Error = LambdaError, Future: Send>
where
    App: Send + Sync,
    Endpoint: Fn(Arc<App>, Request) -> Answer + Sync,
    Answer: Future<Output = Result<Reply, Error>> + Send,
{
    service_fn(move |event: LambdaEvent<Event>| async move {
        let request = Request::new(event.payload, event.context.deadline());
        Ok(edge.answer(app, endpoint, request).await)
    })
}

impl Edge {
    /// Handles a request with the endpoint, within the time that Lambda leaves it.
    pub async fn answer<App, Answer>(
        &self,
        app: &Arc<App>,
        endpoint: &impl Fn(Arc<App>, Request) -> Answer,
        request: Request,
    ) -> Response
    where
        Answer: Future<Output = Result<Reply, Error>>,
    {
        let (id, time_left, quota) = (request.id().to_owned(), request.time_left(), request.quota());
        let outcome = tokio::time::timeout(time_left, endpoint(app.clone(), request)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Failure::Unavailable("it took too long".to_owned()).into()));
        self.respond(&id, quota, outcome)
    }

    /// Answers a request that no endpoint gets to see.
    pub fn refuse(&self, request: &Request, error: Error) -> Response {
        self.respond(request.id(), request.quota(), Err(error))
    }

    /// The response to a request, with what is left of the tenant's requests if they are counted. The caller never sees the
    /// cause of our own failures.
    fn respond(&self, request_id: &str, quota: Option<Quota>, outcome: Result<Reply, Error>) -> Response {
        let reply = outcome.unwrap_or_else(|error| {
            if let Some(cause) = error.cause() {
                self.failures.log(request_id, error.code(), cause);
            }
            error.into_reply(request_id)
        });
        let reply = quota.into_iter().fold(reply, Reply::quota);
        reply.into_response(&self.allowed_origin)
    }
}

/// The log of our own failures.
#[derive(Default)]
pub struct Failures(LogLimit<&'static str>);

impl Failures {
    /// Logs a failure with its cause, one per code and minute.
    pub fn log(&self, request_id: &str, code: &'static str, cause: &str) {
        if let Some(left_out) = self.0.admit(&code, clock::now()) {
            tracing::error!(request_id, code, cause, left_out, "request {request_id} failed with {code}: {cause}");
        }
    }
}

#[cfg(test)]
mod tests;
