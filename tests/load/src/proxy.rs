//! A stand-in for AWS on this machine, that passes calls on to a cloud.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// What a server answers.
pub type Answer = Response<Full<Bytes>>;

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
    /// Reads a request.
    pub async fn of(request: Request<Incoming>) -> Result<Self, hyper::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
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

/// Why a call got no answer: the caller's connection breaks.
#[derive(Debug)]
pub struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer")
    }
}

impl std::error::Error for NoAnswer {}

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

    /// Sends a request that was made anew.
    pub async fn answer_anew(&self, request: Request<Bytes>) -> Result<Answer, NoAnswer> {
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

/// A server that ends when it is dropped.
pub struct Server {
    address: String,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves HTTP at an address of this machine, such as `127.0.0.1:0` for any free port. An error of `answer` breaks
    /// the connection.
    pub async fn start<Answering>(
        address: &str,
        answer: impl Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
    ) -> std::io::Result<Self>
    where
        Answering: Future<Output = Result<Answer, NoAnswer>> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?.to_string();
        let task = tokio::spawn(async move {
            // Where no more connections can be taken, callers see that nobody answers.
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap_or_default();
                let service = service_fn(answer.clone());
                tokio::spawn(async move {
                    // A process that is killed breaks its connections.
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.unwrap_or_default();
                });
            }
        });
        Ok(Self { address, task })
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
