//! What counting costs, read on the way: `relay-votes` and `tally-votes` are led through a proxy, which asks DynamoDB for
//! each call's `ConsumedCapacity` and counts messages. That changes the call's body, so the proxy signs the call again,
//! with the credentials of the person who runs it.

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
    server: Server,
}

impl Meter {
    /// Listens at an address, and passes calls on to the cloud at `endpoint`.
    pub async fn start(address: &str, endpoint: &str, signer: Signer) -> Result<Self> {
        let reading = Arc::new(Mutex::default());
        let way = Arc::new(Way { cloud: Cloud::at(endpoint), signer, reading: Arc::clone(&reading) });
        let server = Server::start(address, move |request| Arc::clone(&way).pass_on(request)).await;
        Ok(Self { reading, server: server.with_context(|| format!("listen at {address}"))? })
    }

    /// Where it listens: host and port.
    pub fn address(&self) -> &str {
        self.server.address()
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
        let call = Call::of(request).await?;
        let operation = call.operation().to_owned();
        let Some((_, writes)) = METERED.into_iter().find(|(metered, _)| *metered == operation) else {
            let answer = self.cloud.answer(call.clone()).await?;
            if answer.status().is_success() {
                self.see_messages(&call.body);
            }
            return Ok(answer);
        };
        let item = item_of(&call.body);
        let (answer, body) = read(self.cloud.answer_changed(self.asking(&call).map_err(|_| NoAnswer)?).await?).await?;
        self.see_capacity(writes.then_some(item), answer.status().is_success(), &body);
        Ok(answer)
    }

    /// The same call with a request for its consumed capacity, signed again.
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

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use http::{Response, StatusCode};
    use landslide_runtime::ANY_PORT;

    use super::*;

    /// A cloud on which each call takes two units and a half, if it is asked, and whose conditions fail where there is one.
    async fn take(request: Request<Incoming>) -> Result<Answer, NoAnswer> {
        let call = Call::of(request).await?;
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let (status, answer) = match call.operation() {
            "PutItem" if body["ConditionExpression"].is_string() => (
                StatusCode::BAD_REQUEST,
                json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}),
            ),
            "PutItem" | "Query" if body["ReturnConsumedCapacity"] == "TOTAL" => {
                (StatusCode::OK, json!({"ConsumedCapacity": {"CapacityUnits": 2.5}}))
            }
            "SendMessageBatch" => (StatusCode::OK, json!({"Successful": []})),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, json!({})),
        };
        Ok(Response::builder().status(status).body(answer.to_string().into()).unwrap())
    }

    async fn call(to: &Meter, target: &str, body: Value) -> u16 {
        let request = reqwest::Client::new().post(format!("http://{}/", to.address())).header("x-amz-target", target);
        request.json(&body).send().await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn units_and_refusals_are_read_by_the_kind_of_item_and_messages_are_counted() {
        let cloud = Server::start(ANY_PORT, take).await.unwrap();
        let signer = Signer::new(Credentials::new("id", "secret", None, None, "test"), "us-east-1".to_owned());
        let meter = Meter::start(ANY_PORT, &format!("http://{}", cloud.address()), signer).await.unwrap();
        let put = |item: &str| json!({"Item": {"item": {"S": item}}});
        for item in ["HEAD", "SEEN#1#1", "SEEN#1#2"] {
            assert_eq!(call(&meter, "DynamoDB_20120810.PutItem", put(item)).await, 200);
        }
        let mut refused = put("HEAD");
        refused["ConditionExpression"] = json!("version = :version");
        assert_eq!(call(&meter, "DynamoDB_20120810.PutItem", refused).await, 400);
        assert_eq!(call(&meter, "DynamoDB_20120810.Query", json!({})).await, 200);
        let batch = json!({"Entries": [{"MessageBody": "four"}, {"MessageBody": "words"}]});
        assert_eq!(call(&meter, "AmazonSQS.SendMessageBatch", batch).await, 200);

        let reading = meter.reading();
        let calls = |number, units, refused| Calls { number, units, refused };
        assert_eq!(reading.writes["HEAD"], calls(1, 2.5, 1));
        assert_eq!(reading.writes["SEEN"], calls(2, 5.0, 0));
        assert_eq!((reading.reads, reading.write_units()), (calls(1, 2.5, 0), 7.5));
        assert_eq!((reading.messages, reading.message_bytes, reading.sends), (2, 9, 1));
    }
}
