//! Answers of the API, and what every problem must look like.

use http::HeaderMap;
use reqwest::RequestBuilder;
use serde_json::Value;

use super::gate;

/// An answer, read to its end.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Sends a request.
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends a request whose answer may not come.
    pub async fn try_of(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let _turn = gate::pass().await;
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.text().await? })
    }

    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// A header, which must be there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self}")).to_str().unwrap()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.body)
    }
}

/// The status phrase (RFC 9110, section 15; RFC 6585 for 428 and 429).
fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => panic!("no test expects {status}"),
    }
}

/// A poll as anyone sees it, of what its owner sees.
pub fn for_anyone(poll: &Value) -> Value {
    let mut shown = poll.clone();
    shown
        .as_object_mut()
        .and_then(|shown| shown.remove("offered_to"))
        .unwrap_or_else(|| panic!("no owner's view: {poll}"));
    shown
}

/// Fails unless an answer is the problem document (RFC 9457) of that status and code, whole; the document.
#[track_caller]
pub fn assert_problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{answer}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{answer}");
    let problem = answer.json();
    let text = |name: &str| problem[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}"));
    assert_eq!(text("code"), code, "{answer}");
    assert_eq!(text("type"), "about:blank", "{answer}");
    assert_eq!(text("title"), phrase(status), "{answer}");
    assert_eq!(problem["status"], status, "{answer}");
    assert!(!text("detail").is_empty() && !text("request_id").is_empty(), "{answer}");
    let known = ["type", "title", "status", "detail", "code", "request_id", "errors"];
    assert!(problem.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{answer}");
    match status {
        401 => assert_challenge(answer, text("detail")),
        429 | 503 => assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer}"),
        _ => {}
    }
    assert_headers_of_all(answer);
    problem
}

/// Fails unless a 401 says what was wrong with the token, if there was one (RFC 6750, section 3.1).
#[track_caller]
fn assert_challenge(answer: &Answer, detail: &str) {
    let without_token = ["A valid bearer token is needed.", "A valid bearer token is needed."];
    let expected = if without_token.contains(&detail) {
        "Bearer".to_owned()
    } else {
        format!("Bearer error=\"invalid_token\", error_description=\"{detail}\"")
    };
    assert_eq!(answer.header("www-authenticate"), expected, "{answer}");
}

/// Whether results that anyone may see say so, and for how long caches may keep them. What is left of their second is 0 s if
/// the answer took longer.
pub fn says_that_results_are_public(cache_control: &str) -> bool {
    let ages = ["public, max-age=1", "public, max-age=0"];
    ages.into_iter().any(|age| cache_control == format!("{age}, stale-while-revalidate=1, stale-if-error=10"))
}

/// Fails unless an answer has results that anyone may see.
#[track_caller]
pub fn assert_public_results(answer: &Answer) {
    assert!(says_that_results_are_public(answer.header("cache-control")), "{answer}");
    let after: u64 = answer.header("landslide-poll-after").parse().unwrap();
    assert!((1..=10).contains(&after), "{answer}");
}

/// Fails unless an answer has what every answer has: a page of any origin may read it, and the headers that it needs, and no
/// browser takes it for a page.
#[track_caller]
pub fn assert_headers_of_all(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), "*", "{answer}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{answer}");
    let exposed = answer.header("access-control-expose-headers").to_ascii_lowercase();
    for name in ["etag", "landslide-poll-after", "location", "ratelimit", "ratelimit-policy", "retry-after"] {
        assert!(exposed.contains(name), "{answer}");
    }
}
