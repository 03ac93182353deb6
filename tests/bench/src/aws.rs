//! AWS as the processes call it: an HTTP server that knows all answers beforehand.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use landslide_paths::cloud::Answers;
use landslide_runtime::{ANY_PORT, Server};

/// The server, and how often it was called.
pub struct Aws {
    server: Server,
    calls: Arc<AtomicU64>,
}

impl Aws {
    /// A server that answers every call.
    pub async fn start() -> Self {
        let (answers, calls) = (Arc::new(Answers::new()), Arc::new(AtomicU64::new(0)));
        let counted = calls.clone();
        let server = Server::start(ANY_PORT, move |request| {
            counted.fetch_add(1, Ordering::Relaxed);
            let answering = answer(answers.clone(), request);
            async { Ok(answering.await) }
        })
        .await
        .unwrap();
        Self { server, calls }
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn answer(answers: Arc<Answers>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let answer = answers.to(target, &body);
    Response::builder().header("content-type", "application/x-amz-json-1.0").body(answer.into()).unwrap()
}
