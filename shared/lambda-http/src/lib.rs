//! Endpoints on `lambda_http`, which parses a whole request: every header, binary bodies, forms, cookies.
//!
//! The handlers have the same form as those on `landslide_edge`, whose own parser is faster and smaller
//! (docs/adr/0011). Functions on the voters' path use that one, all others this.

use std::{future::Future, sync::Arc};

use lambda_http::{
    Body, Error as LambdaError, RequestExt, Response, Service, aws_lambda_events::apigw::ApiGatewayProxyRequestContext,
    request::RequestContext, service_fn,
};
use landslide_aws::{
    clock::{self, Clock},
    store::DynamoDb,
};
use landslide_domain::error::Error as Failure;
use landslide_edge::{Edge, Event, Reply, Request};
use landslide_service::limits::{Admission, TenantLimits};

/// Serves a tenant's members and API keys with the endpoint until the environment ends. Their requests are counted, and
/// refused while the tenant has made as many as it may. The request that the endpoint gets says how the tenant stands.
pub async fn run_for_members<App, Answer>(
    edge: Edge,
    app: App,
    endpoint: impl Fn(Arc<App>, Request) -> Answer + Sync,
) -> Result<(), LambdaError>
where
    App: Send + Sync,
    Answer: Future<Output = Result<Reply, landslide_edge::Error>> + Send,
{
    let (limits, app) = (TenantLimits::from_env().await?, Arc::new(app));
    let (edge, limits, app, endpoint) = (&edge, &limits, &app, &endpoint);
    lambda_http::run(service_fn(move |request: lambda_http::Request| async move {
        Ok::<Response<String>, LambdaError>(answer_member(edge, limits, app, endpoint, read(request)).await.into())
    }))
    .await
}

/// Answers a request once it is counted. Who is no member is not counted; whether that is refused is up to the endpoint.
pub async fn answer_member<App, Answer, D: DynamoDb, C: Clock>(
    edge: &Edge,
    limits: &TenantLimits<D, C>,
    app: &Arc<App>,
    endpoint: &impl Fn(Arc<App>, Request) -> Answer,
    request: Request,
) -> landslide_edge::Response
where
    Answer: Future<Output = Result<Reply, landslide_edge::Error>>,
{
    let Ok(member) = request.member(clock::now()) else { return edge.answer(app, endpoint, request).await };
    match limits.admit(&member.tenant.key()).await {
        Ok(Admission::Admitted(standing)) => edge.answer(app, endpoint, request.counted(standing)).await,
        Ok(Admission::Refused(standing)) => {
            edge.refuse(&request.counted(standing), Failure::LimitExceeded(standing.requests()).into())
        }
        Err(error) => edge.refuse(&request, error.into()),
    }
}

/// Handles one gateway request with the endpoint.
pub fn service<App, Endpoint, Answer>(
    edge: &Edge,
    app: &Arc<App>,
    endpoint: &Endpoint,
) -> impl Service<lambda_http::Request, Response = Response<String>, Error = LambdaError, Future: Send>
where
    App: Send + Sync,
    Endpoint: Fn(Arc<App>, Request) -> Answer + Sync,
    Answer: Future<Output = Result<Reply, landslide_edge::Error>> + Send,
{
    service_fn(move |request: lambda_http::Request| async move {
        Ok(edge.answer(app, endpoint, read(request)).await.into())
    })
}

/// The request as endpoints know it.
pub fn read(request: lambda_http::Request) -> Request {
    let deadline = request.lambda_context().deadline();
    Request::new(event(request), deadline)
}

/// A response as the gateway takes it.
pub fn response(
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
) -> Result<Response<String>, LambdaError> {
    let head =
        headers.into_iter().fold(Response::builder().status(status), |head, (name, value)| head.header(name, value));
    Ok(head.body(body)?)
}

/// The request in the form that endpoints know.
fn event(request: lambda_http::Request) -> Event {
    let query = request.query_string_parameters_ref();
    // The iterator returns every value of a repeated name, so the last one stays.
    let query = query.map(|all| all.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    let parameter = |name| request.path_parameters_ref().and_then(|all| all.first(name)).map(str::to_owned);
    let path_parameters = landslide_edge::PathParameters {
        poll_id: parameter("poll_id"),
        query_id: parameter("query_id"),
        key_id: parameter("key_id"),
        view_id: parameter("view_id"),
    };
    let request_context = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => request_context(context),
        _ => landslide_edge::RequestContext::default(),
    };
    let (parts, body) = request.into_parts();
    Event {
        headers: Some(landslide_edge::Headers::All(parts.headers)),
        query_string_parameters: query,
        path_parameters: Some(path_parameters),
        request_context,
        body: match body {
            Body::Text(text) => Some(landslide_edge::Body::Text(text)),
            Body::Binary(bytes) => Some(landslide_edge::Body::Bytes(bytes)),
            _ => None,
        },
        is_base64_encoded: false, // it was, if it has bytes now
    }
}

fn request_context(context: &ApiGatewayProxyRequestContext) -> landslide_edge::RequestContext {
    let authorizer = &context.authorizer.fields;
    let field = |name| authorizer.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    landslide_edge::RequestContext {
        request_id: context.request_id.clone().unwrap_or_default(),
        http_method: context.http_method.to_string(),
        resource_path: context.resource_path.clone().unwrap_or_default(),
        authorizer: Some(landslide_edge::Authorizer {
            issuer: field("issuer"),
            subject: field("subject"),
            kind: field("kind"),
            expires_at: field("expires_at"),
            tenant_kind: field("tenant_kind"),
            tenant: field("tenant"),
            role: field("role"),
            poll_id: field("poll_id"),
            released_claims: field("released_claims"),
        }),
    }
}

#[cfg(test)]
mod tests;
