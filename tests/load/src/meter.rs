//! What counting costs, read on the way: `relay-votes` and `tally-votes` are led through a proxy, which asks DynamoDB for
//! each call's `ConsumedCapacity` and counts messages. It signs such calls anew, as whoever runs it, since their body
//! is another one then.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use landslide_cli::signing::Signer;
use landslide_runtime::{Answer, NoAnswer, Server};
use serde_json::{Value, json};

use crate::proxy::{Call, Cloud};

/// Of a database's calls, those that may be asked for their capacity, and whether they write.
const METERED: [(&str, bool); 3] = [("PutItem", true), ("GetItem", false), ("Query", false)];

/// Calls of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calls {
    /// How many succeeded.
    pub number: u64,
    /// The units that they consumed.
    pub units: f64,
    /// How many were refused by their condition. AWS bills these too; what they consume is not told.
    pub refused: u64,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Writes of the Tallies table by the kind of item: `HEAD`, `COUNT`, `SEEN`.
    pub writes: BTreeMap<String, Calls>,
    /// Reads of that table.
    pub reads: Calls,
    /// Messages that were sent.
    pub messages: u64,
    /// Their bytes.
    pub message_bytes: u64,
    /// Calls that sent them, with one message or up to ten.
    pub sends: u64,
}

impl Reading {
    /// Write units, all kinds of items together.
    pub fn write_units(&self) -> f64 {
        self.writes.values().map(|calls| calls.units).sum()
    }
}

/// A proxy that reads the meter.
pub struct Meter {
    reading: Arc<Mutex<Reading>>,
    _server: Server,
}

impl Meter {
    /// Listens at an address, and passes calls on to the cloud at `endpoint`.
    pub async fn start(address: &str, endpoint: &str, signer: Signer) -> Result<Self> {
        let reading = Arc::new(Mutex::default());
        let way = Arc::new(Way { cloud: Cloud::at(endpoint), signer, reading: Arc::clone(&reading) });
        let server = Server::start(address, move |request| Arc::clone(&way).pass_on(request)).await;
        Ok(Self { reading, _server: server.with_context(|| format!("listen at {address}"))? })
    }

    /// What was seen until now.
    pub fn reading(&self) -> Reading {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Way {
    cloud: Cloud,
    signer: Signer,
    reading: Arc<Mutex<Reading>>,
}

impl Way {
    async fn pass_on(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, NoAnswer> {
        let call = Call::of(request).await.map_err(|_| NoAnswer)?;
        let operation = call.operation().to_owned();
        let Some((_, writes)) = METERED.into_iter().find(|(metered, _)| *metered == operation) else {
            let answer = self.cloud.answer(call.clone()).await?;
            if answer.status().is_success() {
                self.see_messages(&call.body);
            }
            return Ok(answer);
        };
        let item = item_of(&call.body);
        let (answer, body) = read(self.cloud.answer_anew(self.asking(&call).map_err(|_| NoAnswer)?).await?).await?;
        self.see_capacity(writes.then_some(item), answer.status().is_success(), &body);
        Ok(answer)
    }

    /// The same call, which asks for its capacity, signed anew.
    fn asking(&self, call: &Call) -> Result<Request<Bytes>> {
        let mut body: Value = serde_json::from_slice(&call.body)?;
        body.as_object_mut()
            .context("a call without a body")?
            .insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
        let request = Request::builder()
            .method(call.method.clone())
            .uri(self.cloud.url(call))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", call.target())
            .body(Bytes::from(body.to_string()))?;
        self.signer.sign("dynamodb", request)
    }

    fn see_capacity(&self, item: Option<String>, succeeded: bool, answer: &[u8]) {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = match item {
            Some(item) => reading.writes.entry(item).or_default(),
            None => &mut reading.reads,
        };
        if succeeded {
            calls.number += 1;
            calls.units +=
                answer.pointer("/ConsumedCapacity/CapacityUnits").and_then(Value::as_f64).unwrap_or(f64::NAN);
        } else if text(&answer, "__type").is_some_and(|kind| kind.ends_with("ConditionalCheckFailedException")) {
            calls.refused += 1;
        }
    }

    fn see_messages(&self, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let bodies: Vec<&str> = match body.get("Entries").and_then(Value::as_array) {
            Some(entries) => entries.iter().filter_map(|entry| text(entry, "MessageBody")).collect(),
            None => text(&body, "MessageBody").into_iter().collect(),
        };
        if bodies.is_empty() {
            return;
        }
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.sends += 1;
        reading.messages += bodies.len() as u64;
        reading.message_bytes += bodies.iter().map(|body| body.len() as u64).sum::<u64>();
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// The kind of item that a call writes: its sort key up to the first `#`.
fn item_of(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let key = body.pointer("/Item/item/S").and_then(Value::as_str).unwrap_or_default();
    key.split('#').next().unwrap_or_default().to_owned()
}

/// An answer, and what it says.
async fn read(answer: Answer) -> Result<(Answer, Bytes), NoAnswer> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
    Ok((Answer::from_parts(parts, body.clone().into()), body))
}
