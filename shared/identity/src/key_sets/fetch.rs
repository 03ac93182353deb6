//! Fetches key sets, and sends other requests to issuers, with the HTTP stack that the AWS clients already link.

use std::{
    error::Error,
    future::Future,
    sync::{Arc, OnceLock},
};

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{http::HttpConnector, orchestrator::HttpRequest};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::address::{AddressError, CheckedResolver, Reach, check_uri};

/// The longest body that is read, in bytes.
pub const KEY_SET_BYTES_MAX: usize = 64 * 1024;

/// Fetches from an address.
pub trait Fetch {
    /// Where it may go.
    fn reach(&self) -> Reach;

    /// Fetches a body with at most [`KEY_SET_BYTES_MAX`] bytes. It may never return; the caller sets a time limit.
    fn fetch(&self, uri: &str) -> impl Future<Output = Result<Vec<u8>, FetchError>> + Send;
}

/// Why a fetch returned no body.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address may not be asked.
    #[error("the address {0}")]
    Address(#[from] AddressError),
    /// There was no answer, or it broke off.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The status is not 200. Redirects are not followed.
    #[error("status {0}")]
    Status(u16),
    /// The body is too long for a key set.
    #[error("more than {KEY_SET_BYTES_MAX} bytes")]
    TooLarge,
}

/// Fetches over HTTP with a new connection each time. One kept for minutes in a frozen process would be dead.
#[derive(Default)]
pub struct HttpFetch {
    reach: Reach,
    connector: OnceLock<Connector>,
}

impl Fetch for HttpFetch {
    fn reach(&self) -> Reach {
        self.reach
    }

    async fn fetch(&self, uri: &str) -> Result<Vec<u8>, FetchError> {
        let request = http::Request::get(uri).header("accept", "application/json").body(vec![]);
        let (head, body) = self.send(request.map_err(|error| no_answer(&error))?).await?.into_parts();
        if head.status == http::StatusCode::OK { Ok(body) } else { Err(FetchError::Status(head.status.as_u16())) }
    }
}

/// So that key sets can be fetched by the client that also sends other requests.
impl<F: Fetch + Send + Sync> Fetch for Arc<F> {
    fn reach(&self) -> Reach {
        F::reach(self)
    }

    async fn fetch(&self, uri: &str) -> Result<Vec<u8>, FetchError> {
        F::fetch(self, uri).await
    }
}

impl HttpFetch {
    /// Fetches within this reach.
    pub fn new(reach: Reach) -> Self {
        Self { reach, connector: OnceLock::new() }
    }

    /// Sends any request, as `fetch` does, and returns the response whatever its status is.
    pub async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, FetchError> {
        let (head, body) = request.into_parts();
        let uri = head.uri.to_string();
        check_uri(&uri, self.reach)?;
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(head.method.as_str()).map_err(|error| no_answer(&error))?;
        request.set_uri(uri).map_err(|error| no_answer(&error))?;
        for (name, value) in &head.headers {
            let value = value.to_str().map_err(|error| no_answer(&error))?.to_owned();
            request.headers_mut().insert(name.as_str().to_owned(), value);
        }
        let response = self.connector().call(request).await.map_err(|error| no_answer(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), KEY_SET_BYTES_MAX).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { FetchError::TooLarge } else { no_answer(error.as_ref()) }
        })?;
        let response = http::Response::builder().status(status).body(body.to_bytes().to_vec());
        response.map_err(|error| no_answer(&error))
    }

    /// Created at the first fetch, as most processes never need it.
    fn connector(&self) -> &Connector {
        let provider = Provider::Rustls(CryptoMode::AwsLc);
        self.connector.get_or_init(|| {
            let builder = Connector::builder().pool_max_idle_per_host(0).tls_provider(provider);
            builder.build_with_resolver(CheckedResolver(self.reach))
        })
    }
}

/// Includes the error's causes, as the outermost says little.
fn no_answer(error: &(dyn Error + 'static)) -> FetchError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    FetchError::NoAnswer(text)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Serves one response verbatim. Returns the outcome of fetching it, and the request.
    async fn fetch_of(response: Vec<u8>) -> (Result<Vec<u8>, FetchError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/jwks", listener.local_addr().unwrap());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let length = stream.read(&mut request).await.unwrap();
            // A client may hang up early while this is written.
            stream.write_all(&response).await.ok();
            request.truncate(length);
            String::from_utf8(request).unwrap()
        };
        let fetch = HttpFetch::new(Reach::PublicAndLoopback);
        tokio::join!(fetch.fetch(&uri), serve)
    }

    fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        [format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n").as_bytes(), body].concat()
    }

    #[tokio::test]
    async fn a_body_of_the_longest_length_is_fetched_and_a_longer_one_is_not() {
        let (longest, longer) = (vec![b' '; KEY_SET_BYTES_MAX], vec![b' '; KEY_SET_BYTES_MAX + 1]);
        for headers in [String::new(), format!("content-length: {}\r\n", longest.len())] {
            let (body, request) = fetch_of(response("200 OK", &headers, &longest)).await;
            assert_eq!(body.unwrap(), longest);
            assert!(request.starts_with("GET /jwks HTTP/1.1\r\n"), "{request}");
        }
        for headers in [String::new(), format!("content-length: {}\r\n", longer.len())] {
            let (body, _) = fetch_of(response("200 OK", &headers, &longer)).await;
            assert!(matches!(body, Err(FetchError::TooLarge)), "{body:?}");
        }
    }

    #[tokio::test]
    async fn any_status_but_200_is_a_failure_and_a_redirect_is_not_followed() {
        for (status, code) in
            [("301 Moved Permanently", 301), ("302 Found", 302), ("204 No Content", 204), ("500 Oh", 500)]
        {
            // If it were followed, the test would hang.
            let (body, _) = fetch_of(response(status, "location: /jwks\r\ncontent-length: 0\r\n", b"")).await;
            assert!(matches!(body, Err(FetchError::Status(other)) if other == code), "{body:?}");
        }
    }

    #[tokio::test]
    async fn a_request_of_any_kind_is_sent_as_it_is_and_answered_whatever_the_status() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/token?a=1", listener.local_addr().unwrap());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with("code=x&b=%20") {
                let mut bytes = [0; 4_096];
                let length = stream.read(&mut bytes).await.unwrap();
                request.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
            }
            stream.write_all(&response("400 Bad Request", "content-length: 2\r\n", b"no")).await.unwrap();
            request
        };
        let request = http::Request::post(&uri).header("authorization", "Basic eDp5").body(b"code=x&b=%20".to_vec());
        let fetch = HttpFetch::new(Reach::PublicAndLoopback);
        let (answer, request) = tokio::join!(fetch.send(request.unwrap()), serve);
        let answer = answer.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().as_slice()), (400, b"no".as_slice()));
        assert!(request.starts_with("POST /token?a=1 HTTP/1.1\r\n"), "{request}");
        assert!(
            request.contains("\r\nauthorization: Basic eDp5\r\n") && request.contains("\r\ncontent-length: 12\r\n")
        );
    }

    #[tokio::test]
    async fn no_request_goes_where_no_key_set_may_be() {
        for uri in
            ["https://169.254.169.254/latest", "http://id.example.org/token", "https://id.example.org:8443/token"]
        {
            let request = http::Request::post(uri).body(vec![]).unwrap();
            let answer = HttpFetch::new(Reach::PublicAndLoopback).send(request).await;
            assert!(matches!(answer, Err(FetchError::Address(_))), "{uri}: {answer:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_answer() {
        let (body, _) = fetch_of(response("200 OK", "content-length: 20\r\n", b"{\"keys\":[]}")).await;
        assert!(matches!(body, Err(FetchError::NoAnswer(_))), "{body:?}");
        let (body, _) = fetch_of(b"no HTTP at all\r\n\r\n".to_vec()).await;
        assert!(matches!(body, Err(FetchError::NoAnswer(_))), "{body:?}");
    }

    #[tokio::test]
    async fn an_address_where_nobody_listens_is_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/jwks", listener.local_addr().unwrap());
        drop(listener);
        let body = HttpFetch::new(Reach::PublicAndLoopback).fetch(&uri).await;
        assert!(matches!(body, Err(FetchError::NoAnswer(_))), "{body:?}");
    }
}
