//! An in-memory stack for the demo, which misbehaves as a test asks: as a gateway may (throttling, errors, lost
//! responses), and as Landslide must never (votes counted wrong).

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use landslide_domain::time::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How long a vote waits before it is counted.
const COUNT_LAG: Duration = Duration::from_millis(300);

/// What goes wrong: every `n`th request, from the `n`th on.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// Refused with 429, without effect.
    pub throttle_every: Option<u64>,
    /// Carried out, then answered with 503.
    pub unavailable_every: Option<u64>,
    /// Carried out, then the connection closes without a response.
    pub drop_every: Option<u64>,
    /// Answered with 500.
    pub internal_every: Option<u64>,
    /// How the count is wrong.
    pub miscount: Option<Miscount>,
    /// Whether second votes are stored, with 200.
    pub second_votes_pass: bool,
}

/// How one vote may be miscounted.
#[derive(Clone, Copy)]
pub enum Miscount {
    Lost,
    Twice,
    Moved,
    MovedInSeries,
}

/// A running fake.
pub struct FakeStack {
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    requests: u64,
    devices: u64,
    connections: u64,
    labels: Vec<String>,
    has_series: bool,
    votes: HashMap<String, (u64, Instant)>,
}

impl FakeStack {
    /// Starts one on a free port. It ends with the test's process.
    pub fn start(faults: Faults) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { serve(TcpListener::from_std(listener).unwrap(), shared, faults).await });
        });
        Self { url: format!("http://{address}/stage/"), state }
    }

    /// How many connections were opened to it so far.
    pub fn connections(&self) -> u64 {
        self.state.lock().unwrap().connections
    }

    /// Votes stored by option.
    pub fn stored(&self) -> Vec<u64> {
        let state = self.state.lock().unwrap();
        let mut votes = vec![0; state.labels.len()];
        for (choice, _) in state.votes.values() {
            votes[*choice as usize] += 1;
        }
        votes
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, faults: Faults) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        state.lock().unwrap().connections += 1;
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&state), faults));
            // An error here means a connection that a test asked to drop, or that the client closed.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

/// Closes the connection without a response if this fails.
async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
    faults: Faults,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut state = state.lock().unwrap();
    state.requests += 1;
    let number = state.requests;
    let is_due = |every: Option<u64>| every.is_some_and(|every| number.is_multiple_of(every));

    if is_due(faults.throttle_every) {
        // Half of them name a wait: zero, so that the test is quick.
        return Ok(problem(429, "throttled", number.is_multiple_of(2).then_some(0)));
    }
    if is_due(faults.internal_every) {
        return Ok(problem(500, "internal", None));
    }
    if parts.method == Method::POST {
        assert_eq!(parts.headers[CONTENT_TYPE], "application/json");
    }
    let token = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    let response = match (parts.method.as_str(), parts.uri.path()) {
        ("POST", "/stage/v1/polls") => {
            assert!(parts.headers.contains_key("idempotency-key"));
            state.create_poll(token, &body)
        }
        ("POST", "/stage/v1/devices") => state.register_device(&body),
        ("POST", "/stage/v1/polls/p1/votes") => state.cast_vote(token, &body, faults.second_votes_pass),
        ("GET", "/stage/v1/polls/p1/results") => state.results(faults.miscount),
        ("GET", "/stage/v1/polls/p1/results/series") => state.series(faults.miscount),
        _ => problem(404, "not_found", None),
    };
    if is_due(faults.drop_every) {
        return Err(io::Error::other("the answer is lost"));
    }
    if is_due(faults.unavailable_every) {
        return Ok(problem(503, "unavailable", Some(0)));
    }
    Ok(response)
}

impl State {
    fn create_poll(&mut self, token: Option<&str>, body: &Value) -> Response<Full<Bytes>> {
        let is_account =
            |token: &str| token == "account" || (token.starts_with("ey") && token.matches('.').count() == 2);
        if !token.is_some_and(is_account) {
            return problem(401, "unauthorized", None);
        }
        assert_eq!(body["identity"], "device");
        self.labels = serde_json::from_value(body["options"].clone()).unwrap();
        self.has_series = body["series"] == true && body["closes_at"].is_string();
        reply(201, &json!({"poll_id": "p1"}))
    }

    fn register_device(&mut self, body: &Value) -> Response<Full<Bytes>> {
        assert_eq!(*body, json!({}));
        self.devices += 1;
        reply(201, &json!({"token": format!("device-{}", self.devices), "expires_at": "2030-01-01T00:00:00Z"}))
    }

    fn cast_vote(&mut self, token: Option<&str>, body: &Value, second_votes_pass: bool) -> Response<Full<Bytes>> {
        let Some(device) = token.filter(|token| token.starts_with("device-")) else {
            return problem(401, "unauthorized", None);
        };
        let device_number: u64 = device.trim_start_matches("device-").parse().unwrap();
        // Different for each device, and the same for a repeat.
        let cast_at = Timestamp::EPOCH.plus_millis(device_number);
        let choice = body["choices"][0].as_u64().unwrap();
        assert!((choice as usize) < self.labels.len());
        let stored = json!({"poll_id": "p1", "choices": [choice], "revision": 1, "cast_at": cast_at});
        match self.votes.get(device) {
            None => {
                self.votes.insert(device.to_owned(), (choice, Instant::now()));
                reply(201, &stored)
            }
            Some((before, _)) if *before == choice || second_votes_pass => reply(200, &stored),
            Some(_) => problem(409, "already_voted", None),
        }
    }

    fn counted(&self) -> Vec<u64> {
        let mut votes = vec![0_u64; self.labels.len()];
        for (choice, _) in self.votes.values().filter(|(_, cast_at)| cast_at.elapsed() > COUNT_LAG) {
            votes[*choice as usize] += 1;
        }
        votes
    }

    /// Two slots: all votes for the first option are in the first, all others in the second.
    fn series(&self, miscount: Option<Miscount>) -> Response<Full<Bytes>> {
        if !self.has_series {
            return problem(404, "not_found", None);
        }
        let mut votes = self.counted();
        let mut first = vec![0; votes.len()];
        std::mem::swap(&mut first[0], &mut votes[0]);
        if let Some(Miscount::MovedInSeries) = miscount {
            first[0] -= 1;
            votes[1] += 1;
        }
        let points = [first, votes].map(|votes| json!({"ballots": votes.iter().sum::<u64>(), "votes": votes}));
        let ballots: u64 = self.counted().iter().sum();
        reply(200, &json!({"step_seconds": 60, "ballots": ballots, "points": points}))
    }

    fn results(&self, miscount: Option<Miscount>) -> Response<Full<Bytes>> {
        let mut votes = self.counted();
        match miscount {
            Some(Miscount::Lost) => votes[0] = votes[0].saturating_sub(1),
            Some(Miscount::Twice) => votes[0] += 1,
            Some(Miscount::Moved) if votes[0] > 0 => {
                votes[0] -= 1;
                votes[1] += 1;
            }
            Some(Miscount::Moved | Miscount::MovedInSeries) | None => {}
        }
        let options: Vec<Value> = (0..)
            .zip(&self.labels)
            .zip(&votes)
            .map(|((id, label), votes): ((u64, _), _)| json!({"id": id, "label": label, "votes": votes}))
            .collect();
        reply(
            200,
            &json!({"poll_id": "p1", "status": "open", "ballots": votes.iter().sum::<u64>(), "options": options, "as_of": null}),
        )
    }
}

fn reply(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let bytes = Bytes::from(serde_json::to_vec(body).unwrap());
    Response::builder().status(status).header(CONTENT_TYPE, "application/json").body(Full::new(bytes)).unwrap()
}

fn problem(status: u16, code: &str, retry_after: Option<u64>) -> Response<Full<Bytes>> {
    let mut response = reply(status, &json!({"status": status, "code": code}));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
