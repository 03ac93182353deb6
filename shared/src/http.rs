//! The HTTP edge: requests in, typed; replies and problem documents (RFC 9457) out.

mod error;
mod reply;
mod request;

use std::{future::Future, sync::Arc};

use lambda_http::{Body, Error as LambdaError, Response, service_fn};

pub use lambda_http::http::StatusCode;

pub use self::{
    error::Error,
    reply::{CacheControl, Reply},
    request::{BODY_BYTES_MAX, POLL_BODY_BYTES_MAX, Request},
};
use crate::config::{self, ConfigError};

/// What every response carries, whatever the endpoint.
pub struct Edge {
    allowed_origin: String,
}

impl Edge {
    /// The edge as the environment sets it.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { allowed_origin: config::text("ALLOWED_ORIGIN")? })
    }
}

/// Answers requests by the endpoint until the environment ends.
pub async fn run<App, Answer>(
    edge: Edge,
    app: App,
    endpoint: impl Fn(Arc<App>, Request) -> Answer + Sync,
) -> Result<(), LambdaError>
where
    App: Send + Sync,
    Answer: Future<Output = Result<Reply, Error>> + Send,
{
    let (app, edge, endpoint) = (&Arc::new(app), &edge, &endpoint);
    lambda_http::run(service_fn(move |event: lambda_http::Request| async move {
        let request = Request::new(event);
        let (id, time_left) = (request.id().to_owned(), request.time_left());
        let outcome = tokio::time::timeout(time_left, endpoint(app.clone(), request)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Error::Unavailable("it took too long".to_owned())));
        Ok::<_, LambdaError>(edge.respond(&id, outcome))
    }))
    .await
}

impl Edge {
    /// The response to a request. Failures of ours are logged here, once, with their cause; the caller sees none
    /// of it.
    fn respond(&self, request_id: &str, outcome: Result<Reply, Error>) -> Response<Body> {
        let reply = outcome.unwrap_or_else(|error| {
            if let Some(cause) = error.cause() {
                tracing::error!(request_id, %cause, "request failed");
            }
            error.into_reply(request_id)
        });
        reply.into_response(&self.allowed_origin)
    }
}

#[cfg(test)]
mod tests;
