//! HTTP on this machine, until it is dropped.

use std::fmt;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// An address of this machine with a port that is free.
pub const ANY_PORT: &str = "127.0.0.1:0";

/// What a server answers.
pub type Answer = Response<Full<Bytes>>;

/// Why a call got no answer: the caller's connection breaks.
#[derive(Debug)]
pub struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer")
    }
}

impl std::error::Error for NoAnswer {}

/// A server that ends when it is dropped.
pub struct Server {
    address: String,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves HTTP at an address of this machine. An error of `answer` breaks the connection.
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
