//! A stand-in for AWS on this machine, that passes calls on to a cloud.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use landslide_runtime::{Answer, NoAnswer};

/// A call of AWS, read to its end.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// All headers, as they are signed.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Call {
    /// Reads a request; no answer to one that ends early.
    pub async fn of(request: Request<Incoming>) -> Result<Self, NoAnswer> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
        Ok(Self { method: parts.method, uri: parts.uri, headers: parts.headers, body })
    }

    /// The service's protocol and the operation, such as `DynamoDB_20120810.PutItem`; empty where the service names
    /// them in another way.
    pub fn target(&self) -> &str {
        self.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default()
    }

    /// The operation, such as `PutItem`.
    pub fn operation(&self) -> &str {
        self.target().rsplit('.').next().unwrap_or_default()
    }
}

/// A cloud, by its address.
#[derive(Clone)]
pub struct Cloud {
    http: reqwest::Client,
    endpoint: String,
}

impl Cloud {
    /// The cloud at an address such as `http://localhost:4566`.
    pub fn at(endpoint: &str) -> Self {
        Self { http: reqwest::Client::new(), endpoint: endpoint.trim_end_matches('/').to_owned() }
    }

    /// Where a call of this cloud goes.
    pub fn url(&self, call: &Call) -> String {
        format!("{}{}", self.endpoint, call.uri)
    }

    /// Passes a call on as it came; the answer. It is on its way whatever becomes of the caller.
    pub async fn answer(&self, call: Call) -> Result<Answer, NoAnswer> {
        let url = self.url(&call);
        // The same headers, as they are signed: `host` too.
        self.send(self.http.request(call.method, url).headers(call.headers).body(call.body)).await
    }

    /// Sends a changed request in place of the caller's.
    pub async fn answer_changed(&self, request: Request<Bytes>) -> Result<Answer, NoAnswer> {
        let request = request.try_into().map_err(|_| NoAnswer)?;
        self.send(reqwest::RequestBuilder::from_parts(self.http.clone(), request)).await
    }

    async fn send(&self, call: reqwest::RequestBuilder) -> Result<Answer, NoAnswer> {
        let exchange = tokio::spawn(async move {
            let answer = call.send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, answer.bytes().await?))
        });
        let (status, headers, body) = exchange.await.map_err(|_| NoAnswer)?.map_err(|_| NoAnswer)?;
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = status;
        for (name, value) in headers.iter().filter(|(name, _)| !is_of_connection(name.as_str())) {
            response.headers_mut().append(name, value.clone());
        }
        Ok(response)
    }
}

/// Headers that each connection sets for itself.
fn is_of_connection(name: &str) -> bool {
    ["connection", "keep-alive", "transfer-encoding", "content-length"].contains(&name)
}
