//! The API as voters and owners use it: requests with bounded retries, responses that are checked.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use landslide_domain::time::Timestamp;
use reqwest::header::{AUTHORIZATION, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The most attempts for one request, unless more are asked for.
const ATTEMPTS_MAX: u32 = 12;
/// The very first request fails sooner, since a wrong URL is the likeliest cause.
const FIRST_REQUEST_ATTEMPTS_MAX: u32 = 3;
/// A longer Retry-After is an error rather than a wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// The first wait without a Retry-After. It doubles each time.
const BACKOFF_BASE: Duration = Duration::from_millis(100);
/// The longest wait without a Retry-After.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// After this time without a response, the outcome is unknown. API Gateway responds within 29 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(35);
/// How many characters of an unexpected body a message shows.
const BODY_SHOWN_CHARS: usize = 300;

/// A stack's API, and counts of what calling it took.
pub struct Api {
    http: reqwest::Client,
    base: String,
    account: String,
    attempts_max: u32,
    retries: Retries,
}

/// Requests that were retried, by cause.
#[derive(Default)]
pub struct Retries {
    /// 429: the request was refused and had no effect.
    pub throttled: Cell<u64>,
    /// 503: the request may have taken effect.
    pub unavailable: Cell<u64>,
    /// No response: the request may have taken effect.
    pub unanswered: Cell<u64>,
}

impl Retries {
    /// All retries.
    pub fn total(&self) -> u64 {
        self.throttled.get() + self.unavailable.get() + self.unanswered.get()
    }
}

/// What a vote for one option says.
pub fn choice(option: usize) -> Value {
    json!({"choices": [option]})
}

/// What a ranked vote says: option ids, best first.
pub fn ranking(options: &[u8]) -> Value {
    json!({"ranking": options})
}

/// A stored vote, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Vote {
    poll_id: String,
    revision: u64,
    /// When it was cast, by the function's clock.
    pub cast_at: Timestamp,
    /// What it says, in the fields in which it was sent.
    #[serde(flatten)]
    ballot: Value,
}

/// A vote that was just cast.
#[derive(Debug)]
pub struct Cast {
    /// The vote as stored.
    pub vote: Vote,
    /// Whether it was 200 on a retry instead of 201: an earlier attempt with an unknown outcome had stored it.
    pub found_on_retry: bool,
    /// From sending the successful attempt to its response.
    pub took: Duration,
}

/// A poll's results.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Results {
    /// Ballots counted.
    pub ballots: u64,
    /// Votes by option.
    pub options: Vec<OptionResult>,
}

/// One option's votes.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct OptionResult {
    /// The option's label.
    pub label: String,
    /// Votes counted for it.
    pub votes: u64,
}

/// A poll's votes by the time at which they were cast.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Series {
    /// How long a slot is.
    pub step_seconds: u64,
    /// Ballots in all slots.
    pub ballots: u64,
    /// The slots, from the first to that of the newest vote.
    pub points: Vec<Point>,
}

/// The votes of one slot.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Point {
    /// Votes by option.
    pub votes: Vec<u64>,
}

struct Answer {
    what: &'static str,
    status: StatusCode,
    body: Vec<u8>,
    took: Duration,
    /// An earlier attempt may have taken effect.
    outcome_was_unknown: bool,
}

impl Api {
    /// `url` is the stack's `ApiUrl`, `account` an account token. Keeps `connections` open, and one more for the
    /// results.
    pub fn new(url: &str, account: &str, connections: usize) -> Result<Self> {
        let base = url.trim().trim_end_matches('/').to_owned();
        let parsed = reqwest::Url::parse(&base).with_context(|| format!("the URL {base:?} is not valid"))?;
        ensure!(matches!(parsed.scheme(), "http" | "https"), "the URL {base:?} is neither http nor https");
        let mut http = reqwest::Client::builder()
            .http1_only()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(connections.saturating_add(1))
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("landslide/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&parsed) {
            // A proxy for outgoing traffic must not see what stays on this machine.
            http = http.no_proxy();
        }
        let http = http.build().context("set up the HTTP client")?;
        Ok(Self {
            http,
            base,
            account: account.trim().to_owned(),
            attempts_max: ATTEMPTS_MAX,
            retries: Retries::default(),
        })
    }

    /// Sends each request at most this often, instead of 12 times.
    #[must_use]
    pub fn with_attempts_max(self, attempts_max: u32) -> Self {
        Self { attempts_max, ..self }
    }

    /// What was retried so far.
    pub fn retries(&self) -> &Retries {
        &self.retries
    }

    /// Creates a poll and returns its id. With the same `key`, a retry finds the poll that an earlier attempt created.
    pub async fn create_poll(&self, poll: &Value, key: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Poll {
            poll_id: String,
        }
        let request =
            self.request(Method::POST, "/v1/polls", Some(&self.account)).header("idempotency-key", key).json(poll);
        let answer = self.send("create the poll", request, FIRST_REQUEST_ATTEMPTS_MAX).await?;
        match answer.status {
            StatusCode::CREATED => Ok(answer.parse::<Poll>()?.poll_id),
            StatusCode::OK if answer.outcome_was_unknown => Ok(answer.parse::<Poll>()?.poll_id),
            _ => Err(answer.unexpected("201")),
        }
    }

    /// Registers a device and returns its token.
    pub async fn register_device(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct Device {
            token: String,
        }
        let request = self.request(Method::POST, "/v1/devices", None).json(&json!({}));
        let answer = self.send("register a device", request, self.attempts_max).await?;
        match answer.status {
            StatusCode::CREATED => Ok(answer.parse::<Device>()?.token),
            _ => Err(answer.unexpected("201")),
        }
    }

    /// Casts a voter's first vote, and checks that exactly this vote was stored, at revision 1.
    pub async fn cast_vote(&self, poll_id: &str, voter: &str, ballot: &Value) -> Result<Cast> {
        self.cast_revision(1, poll_id, voter, ballot).await
    }

    /// Changes a stored vote, and checks that exactly the change was stored.
    pub async fn change_vote(&self, poll_id: &str, voter: &str, ballot: &Value, stored: &Vote) -> Result<Cast> {
        self.cast_revision(stored.revision + 1, poll_id, voter, ballot).await
    }

    async fn cast_revision(&self, revision: u64, poll_id: &str, voter: &str, ballot: &Value) -> Result<Cast> {
        let request = self.vote_request(poll_id, voter, ballot);
        let answer = self.send("cast a vote", request, self.attempts_max).await?;
        let found_on_retry = match answer.status {
            StatusCode::CREATED => false,
            StatusCode::OK if answer.outcome_was_unknown => true,
            _ => return Err(answer.unexpected("201")),
        };
        let vote: Vote = answer.parse()?;
        ensure!(
            vote.poll_id == poll_id && vote.ballot == *ballot && vote.revision == revision,
            "cast a vote: sent {ballot} to poll {poll_id}, but the answer says {vote:?}"
        );
        Ok(Cast { vote, found_on_retry, took: answer.took })
    }

    /// Reads a ranked poll's tally by a method, without a token. Null until one is assembled.
    pub async fn tally(&self, poll_id: &str, method: &str) -> Result<Value> {
        let results: Value = self.read(&format!("/v1/polls/{poll_id}/results?method={method}")).await?;
        Ok(results.get("tally").cloned().unwrap_or_default())
    }

    /// Reads how many votes a poll got in each slot, without a token.
    pub async fn series(&self, poll_id: &str) -> Result<Series> {
        self.read(&format!("/v1/polls/{poll_id}/results/series")).await
    }

    /// Sends a stored vote again. The response must be the stored vote.
    pub async fn repeat_vote(&self, poll_id: &str, device: &str, ballot: &Value, stored: &Vote) -> Result<()> {
        let request = self.vote_request(poll_id, device, ballot);
        let answer = self.send("repeat a vote", request, self.attempts_max).await?;
        if answer.status != StatusCode::OK {
            return Err(answer.unexpected("200"));
        }
        let vote: Vote = answer.parse()?;
        ensure!(vote == *stored, "repeat a vote: stored is {stored:?}, but the answer says {vote:?}");
        Ok(())
    }

    /// Tries to cast another vote after a first one. The response must be 409 `already_voted`.
    pub async fn try_second_vote(&self, poll_id: &str, device: &str, ballot: &Value) -> Result<()> {
        let request = self.vote_request(poll_id, device, ballot);
        let answer = self.send("try a second vote", request, self.attempts_max).await?;
        if answer.status == StatusCode::CONFLICT && answer.code().as_deref() == Some("already_voted") {
            return Ok(());
        }
        Err(answer.unexpected("409 already_voted"))
    }

    /// Reads the poll's results without a token.
    pub async fn results(&self, poll_id: &str) -> Result<Results> {
        self.read(&format!("/v1/polls/{poll_id}/results")).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.send("read the results", self.request(Method::GET, path, None), self.attempts_max).await?;
        match answer.status {
            StatusCode::OK => answer.parse(),
            _ => Err(answer.unexpected("200")),
        }
    }

    fn vote_request(&self, poll_id: &str, voter: &str, ballot: &Value) -> RequestBuilder {
        self.request(Method::POST, &format!("/v1/polls/{poll_id}/votes"), Some(voter)).json(ballot)
    }

    fn request(&self, method: Method, path: &str, token: Option<&str>) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    /// Sends a request until its response is neither 429 nor 503. Every request here can be retried safely: a poll has
    /// an idempotency key, a vote is idempotent by itself, and a device costs nothing.
    async fn send(&self, what: &'static str, request: RequestBuilder, attempts_max: u32) -> Result<Answer> {
        let mut outcome_was_unknown = false;
        let mut attempt = 1;
        loop {
            let request = request.try_clone().context("a request with a streamed body can't be sent again")?;
            let sent = Instant::now();
            let (failure, retries, wait) = match exchange(request).await {
                Ok((StatusCode::TOO_MANY_REQUESTS, retry_after, _)) => {
                    ("429".to_owned(), &self.retries.throttled, retry_after)
                }
                Ok((StatusCode::SERVICE_UNAVAILABLE, retry_after, _)) => {
                    outcome_was_unknown = true;
                    ("503".to_owned(), &self.retries.unavailable, retry_after)
                }
                Ok((status, _, body)) => {
                    return Ok(Answer { what, status, body, took: sent.elapsed(), outcome_was_unknown });
                }
                Err(error) => {
                    outcome_was_unknown |= !error.is_connect();
                    (causes(&error), &self.retries.unanswered, None)
                }
            };
            if attempt == attempts_max {
                bail!("{what}: gave up after {attempts_max} attempts; the last one got {failure}");
            }
            let wait = wait.unwrap_or_else(|| backoff(attempt));
            ensure!(
                wait <= RETRY_AFTER_MAX,
                "{what}: got {failure} with a Retry-After of {} s, over the limit of {} s",
                wait.as_secs(),
                RETRY_AFTER_MAX.as_secs()
            );
            // Adds up to a fifth, so that requests refused together do not return together.
            tokio::time::sleep(wait.mul_f64(1.0 + fastrand::f64() / 5.0)).await;
            retries.set(retries.get() + 1);
            attempt += 1;
        }
    }
}

impl Answer {
    fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("{}: {} with a body that can't be read: {}", self.what, self.status, self.shown()))
    }

    /// The `code` in a problem document.
    fn code(&self) -> Option<String> {
        let problem: Value = serde_json::from_slice(&self.body).ok()?;
        problem.get("code")?.as_str().map(str::to_owned)
    }

    fn unexpected(&self, expected: &str) -> anyhow::Error {
        anyhow::anyhow!("{}: expected {expected}, got {}: {}", self.what, self.status, self.shown())
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(BODY_SHOWN_CHARS).collect()
    }
}

/// One attempt: status, Retry-After in seconds (a date there counts as absent), and body.
async fn exchange(request: RequestBuilder) -> reqwest::Result<(StatusCode, Option<Duration>, Vec<u8>)> {
    let response = request.send().await?;
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse().ok())
        .map(Duration::from_secs);
    let body = response.bytes().await?;
    Ok((status, retry_after, body.to_vec()))
}

/// The wait after attempt 1, 2, … if the server named none.
fn backoff(attempt: u32) -> Duration {
    BACKOFF_BASE.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(BACKOFF_MAX)
}

/// A client error with its causes. The last one says what happened.
fn causes(error: &reqwest::Error) -> String {
    let mut text = format!("no answer ({error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.push(')');
    text
}

fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address: Option<std::net::IpAddr> = host.parse().ok();
        host == "localhost" || host.ends_with(".localhost") || address.is_some_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit() {
        assert_eq!(backoff(1), Duration::from_millis(100));
        assert_eq!(backoff(4), Duration::from_millis(800));
        assert_eq!(backoff(ATTEMPTS_MAX), BACKOFF_MAX);
        assert_eq!(backoff(40), BACKOFF_MAX);
    }

    #[test]
    fn a_url_without_http_is_refused() {
        assert!(Api::new("localhost:4566", "token", 1).is_err());
        assert!(Api::new("ftp://example.org", "token", 1).is_err());
        assert!(Api::new("http://localhost:4566/stage/", "token", 1).is_ok());
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, expected) in [
            ("http://localhost:4566", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:80", true),
            ("http://abc.localhost", true),
            ("https://example.org", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
