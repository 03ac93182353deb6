//! Lambda's side of one process of a function: the Runtime API that it asks for work, and HTTP for whatever else it calls.

// Tests and benches fail by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::{Notify, mpsc, oneshot};

mod server;
pub use server::{ANY_PORT, Answer, NoAnswer, Server};

/// How long a request may take by what the process is told: longer than any test lets it sleep, so that nothing but
/// the function's own rules ends a request.
const DEADLINE_MS: u128 = 120_000;

/// What a process makes of an event: what it answers, or the error that it reports, as JSON.
pub type Outcome = Result<Bytes, Bytes>;

/// An event, and where its outcome goes.
type Handed = (Bytes, oneshot::Sender<Outcome>);

/// The Runtime API of one process.
pub struct Lambda {
    api: Arc<Api>,
    events: mpsc::UnboundedSender<Handed>,
    server: Server,
}

/// Events that the process has not taken yet, and the outcomes that are due.
struct Api {
    is_ready: Notify,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Handed>>,
    due: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
}

impl Lambda {
    /// A Runtime API on a free port.
    pub async fn start() -> Self {
        let (events, queue) = mpsc::unbounded_channel();
        let api =
            Arc::new(Api { is_ready: Notify::new(), events: tokio::sync::Mutex::new(queue), due: Mutex::default() });
        let answering = api.clone();
        let answer = move |request| {
            let answering = answering.clone();
            async { Ok(answering.answer(request).await) }
        };
        Self { api, events, server: Server::start(ANY_PORT, answer).await.unwrap() }
    }

    /// What Lambda puts into the environment of a process of a function, but for its region and credentials.
    pub fn environment(&self, function: &str) -> [(&'static str, String); 4] {
        [
            ("AWS_LAMBDA_RUNTIME_API", self.server.address().to_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ]
    }

    /// Waits until the process asks for work, once more than when this was waited for last.
    pub async fn is_ready(&self) {
        self.api.is_ready.notified().await;
    }

    /// Hands the process an event; its outcome, once it has one. The event waits until the process asks for it.
    pub fn hand(&self, event: Bytes) -> impl Future<Output = Outcome> + use<> {
        let (outcome, due) = oneshot::channel();
        self.events.send((event, outcome)).unwrap();
        async move { due.await.unwrap() }
    }
}

impl Api {
    /// The next event, and what became of it.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts[..] {
            [_, "runtime", "invocation", "next"] => self.next().await,
            [_, "runtime", "invocation", id, kind @ ("response" | "error")] => {
                let due = self.due.lock().unwrap().remove(id).unwrap();
                // Who does not wait for the outcome has dropped its end.
                due.send(if kind == "response" { Ok(body) } else { Err(body) }).unwrap_or_default();
                Response::builder().status(StatusCode::ACCEPTED).body(Full::default()).unwrap()
            }
            _ => panic!("{path}: {body:?}"),
        }
    }

    async fn next(&self) -> Answer {
        self.is_ready.notify_one();
        let Some((event, outcome)) = self.events.lock().await.recv().await else {
            return std::future::pending().await;
        };
        let id = format!("{:032x}", fastrand::u128(..));
        self.due.lock().unwrap().insert(id.clone(), outcome);
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        Response::builder()
            .header("lambda-runtime-aws-request-id", id)
            .header("lambda-runtime-deadline-ms", (now_ms + DEADLINE_MS).to_string())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:own")
            .header("content-type", "application/json")
            .body(event.into())
            .unwrap()
    }
}
