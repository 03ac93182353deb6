//! The way from functions to their cloud, on which calls are throttled, late, lost on their way back, or disowned.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fastrand::Rng;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use landslide_load::proxy::{Call, Cloud};
use landslide_runtime::{ANY_PORT, Answer, NoAnswer, Server};
use serde_json::{Value, json};

use super::faults::{Fault, Faults};

/// How late a call may be, in milliseconds: the SDK gives an attempt up after 1,500.
const LATE_MS_MAX: u64 = 2_500;
/// Of a hundred calls, how many meet each of the mishaps.
const CALM_PERCENT: u8 = 2;
const STORM_PERCENT: u8 = 18;
/// The most messages that are remembered.
const MESSAGES_MAX: usize = 256;

/// A message as a function sent it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its FIFO group; empty in a queue without groups.
    pub group: String,
    /// Its text.
    pub body: String,
}

/// What befalls one call.
enum Mishap {
    None,
    Throttled,
    Delayed(Duration),
    Unanswered,
    Disowned,
}

struct Weather {
    rng: Rng,
    storm_until: Instant,
    outage: bool,
}

/// The way, and the server at its beginning.
pub struct Way {
    cloud: Cloud,
    /// The table whose calls an outage refuses.
    tallies: String,
    /// The queue whose messages are remembered, and sometimes disowned.
    queue: String,
    weather: Mutex<Weather>,
    messages: Mutex<VecDeque<Sent>>,
    faults: Faults,
}

impl Way {
    /// A way to the cloud at `endpoint`, and the server that leads there; its mishaps are drawn from `rng`.
    pub async fn open(endpoint: &str, tallies: &str, queue: &str, rng: Rng, faults: Faults) -> (Arc<Self>, Server) {
        let way = Arc::new(Self {
            cloud: Cloud::at(endpoint),
            tallies: tallies.to_owned(),
            queue: queue.to_owned(),
            weather: Mutex::new(Weather { rng, storm_until: Instant::now(), outage: false }),
            messages: Mutex::default(),
            faults,
        });
        let server = Server::start(ANY_PORT, {
            let way = Arc::clone(&way);
            move |request| Arc::clone(&way).pass_on(request)
        });
        (way, server.await.unwrap())
    }

    /// Lets many more calls go wrong for that long.
    pub fn storm(&self, time: Duration) {
        self.weather.lock().unwrap().storm_until = Instant::now() + time;
    }

    /// Refuses all calls of the Tallies table, or no longer.
    pub fn set_outage(&self, outage: bool) {
        self.weather.lock().unwrap().outage = outage;
    }

    /// One of the messages of counts that were sent last.
    pub fn message(&self, rng: &mut Rng) -> Option<Sent> {
        let messages = self.messages.lock().unwrap();
        rng.choice(messages.iter()).cloned()
    }

    async fn pass_on(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, NoAnswer> {
        let call = Call::of(request).await?;
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        self.remember(&body);
        match self.mishap(&body) {
            Mishap::None => self.cloud.answer(call).await,
            Mishap::Throttled => {
                self.faults.happened(Fault::Throttled);
                Ok(throttled(&call))
            }
            Mishap::Delayed(time) => {
                self.faults.happened(Fault::Delayed);
                // It gets there even if the caller has given it up.
                let late = tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    self.cloud.answer(call).await
                });
                late.await.unwrap_or(Err(NoAnswer))
            }
            Mishap::Unanswered => {
                self.cloud.answer(call).await?;
                self.faults.happened(Fault::Unanswered);
                Err(NoAnswer)
            }
            Mishap::Disowned => {
                let answer = self.cloud.answer(call).await?;
                disowned(answer, &self.faults).await
            }
        }
    }

    fn remember(&self, body: &Value) {
        if body["QueueUrl"] != self.queue {
            return;
        }
        let sent = |entry: &Value| {
            // Messages are also handed back in batches, by their receipts alone.
            let (group, body) = (entry["MessageGroupId"].as_str()?, entry["MessageBody"].as_str()?);
            Some(Sent { group: group.to_owned(), body: body.to_owned() })
        };
        let mut messages = self.messages.lock().unwrap();
        messages.extend(body["Entries"].as_array().into_iter().flatten().filter_map(sent));
        while messages.len() > MESSAGES_MAX {
            messages.pop_front();
        }
    }

    fn mishap(&self, body: &Value) -> Mishap {
        let mut weather = self.weather.lock().unwrap();
        if weather.outage && body["TableName"] == self.tallies {
            return Mishap::Throttled;
        }
        let percent = if Instant::now() < weather.storm_until { STORM_PERCENT } else { CALM_PERCENT };
        let mut strikes = || weather.rng.u8(..100) < percent;
        if strikes() {
            Mishap::Throttled
        } else if strikes() {
            Mishap::Unanswered
        } else if strikes() {
            Mishap::Delayed(Duration::from_millis(weather.rng.u64(..LATE_MS_MAX)))
        } else if body["QueueUrl"] == self.queue && body["Entries"].is_array() && strikes() {
            Mishap::Disowned
        } else {
            Mishap::None
        }
    }
}

/// What a service says that has too much to do.
fn throttled(call: &Call) -> Answer {
    let kind = if call.target().starts_with("DynamoDB") {
        "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
    } else {
        "com.amazonaws.sqs#RequestThrottled"
    };
    let body = json!({"__type": kind, "message": "too much to do"}).to_string();
    Response::builder()
        .status(StatusCode::BAD_REQUEST)
        .header("content-type", "application/x-amz-json-1.0")
        .body(Full::from(body))
        .unwrap()
}

/// The answer of a batch of messages, of which the first that was taken is said to have been refused.
async fn disowned(answer: Answer, faults: &Faults) -> Result<Answer, NoAnswer> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
    let mut told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(taken) = told["Successful"].as_array_mut().filter(|taken| !taken.is_empty()) else {
        return Ok(Answer::from_parts(parts, body.into()));
    };
    let first = taken.remove(0);
    faults.happened(Fault::Disowned);
    let refusal = json!({"Id": first["Id"], "SenderFault": false, "Code": "InternalError", "Message": "try again"});
    match told["Failed"].as_array_mut() {
        Some(failed) => failed.push(refusal),
        None => told["Failed"] = json!([refusal]),
    }
    let mut response = Response::builder().status(parts.status);
    // Not of its length and its checksum, which are another's now.
    for (name, value) in parts.headers.iter().filter(|(name, _)| *name == "content-type") {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(told.to_string())).unwrap())
}
