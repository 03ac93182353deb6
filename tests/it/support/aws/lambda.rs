//! Lambda: invocations, settings and event sources of functions.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use super::client::Aws;
use crate::support::time::eventually;

/// The alias of each function that everything calls.
const ALIAS: &str = "live";

/// What a function failed with.
#[derive(Debug)]
pub struct FunctionError(#[expect(dead_code, reason = "shown by Debug where a test fails")] pub Value);

impl Aws {
    /// Calls the live version of a function with an event; what it answers.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, FunctionError> {
        let path = format!("/2015-03-31/functions/{function}/invocations?Qualifier={ALIAS}");
        let (headers, answer) = self.call("lambda", "POST", &path, &[], event.to_string()).await;
        let answer = serde_json::from_str(&answer).unwrap_or(Value::String(answer));
        if headers.contains_key("x-amz-function-error") { Err(FunctionError(answer)) } else { Ok(answer) }
    }

    /// A function's settings.
    pub async fn function(&self, function: &str) -> Value {
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let (_, answer) = self.call("lambda", "GET", &path, &[], String::new()).await;
        serde_json::from_str(&answer).unwrap()
    }

    /// The variables of a function's environment.
    pub async fn variables(&self, function: &str) -> Value {
        self.function(function).await["Environment"]["Variables"].take()
    }

    /// Gives a function other variables, all of them, and makes a version that has them live.
    pub async fn set_variables(&self, function: &str, variables: &Value) {
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let body = json!({"Environment": {"Variables": variables}});
        self.call("lambda", "PUT", &path, &[("content-type", "application/json")], body.to_string()).await;
        self.publish(function).await;
    }

    /// A function's code, as a zip.
    pub async fn code(&self, function: &str) -> Vec<u8> {
        let (_, answer) =
            self.call("lambda", "GET", &format!("/2015-03-31/functions/{function}"), &[], String::new()).await;
        let described: Value = serde_json::from_str(&answer).unwrap();
        let location = described["Code"]["Location"].as_str().unwrap_or_else(|| panic!("{described}"));
        let response = self.http.get(location).send().await.unwrap().error_for_status().unwrap();
        response.bytes().await.unwrap().to_vec()
    }

    /// Gives a function other code, and makes a version of it live.
    pub async fn set_code(&self, function: &str, zip: &[u8]) {
        let path = format!("/2015-03-31/functions/{function}/code");
        let body = json!({"ZipFile": BASE64_STANDARD.encode(zip)});
        self.call("lambda", "PUT", &path, &[("content-type", "application/json")], body.to_string()).await;
        self.publish(function).await;
    }

    /// Makes a function's code and settings live once it has them, as a deploy does.
    async fn publish(&self, function: &str) {
        eventually("update of the function", async || {
            let settings = self.function(function).await;
            if settings["LastUpdateStatus"] == "InProgress" { Err(settings.to_string()) } else { Ok(()) }
        })
        .await;
        let path = format!("/2015-03-31/functions/{function}/versions");
        let (_, answer) =
            self.call("lambda", "POST", &path, &[("content-type", "application/json")], json!({}).to_string()).await;
        let published: Value = serde_json::from_str(&answer).unwrap();
        self.set_live_version(function, published["Version"].as_str().unwrap()).await;
    }

    /// The version of a function that everything calls.
    pub async fn live_version(&self, function: &str) -> String {
        let path = format!("/2015-03-31/functions/{function}/aliases/{ALIAS}");
        let (_, answer) = self.call("lambda", "GET", &path, &[], String::new()).await;
        let alias: Value = serde_json::from_str(&answer).unwrap();
        alias["FunctionVersion"].as_str().unwrap().to_owned()
    }

    /// Has everything call that version of a function.
    pub async fn set_live_version(&self, function: &str, version: &str) {
        let path = format!("/2015-03-31/functions/{function}/aliases/{ALIAS}");
        let body = json!({"FunctionVersion": version});
        self.call("lambda", "PUT", &path, &[("content-type", "application/json")], body.to_string()).await;
    }

    /// Sets how often a failed batch of a function's stream is tried again; -1: without end.
    pub async fn set_stream_retries(&self, function: &str, retries: i64) {
        self.set_event_source(function, &json!({"MaximumRetryAttempts": retries}), "Enabled").await;
    }

    /// Lets a function get events from its queue or stream, or none.
    pub async fn enable_event_source(&self, function: &str, enabled: bool) {
        let state = if enabled { "Enabled" } else { "Disabled" };
        self.set_event_source(function, &json!({"Enabled": enabled}), state).await;
    }

    /// Changes a function's event source mapping, and waits until it has that state.
    async fn set_event_source(&self, function: &str, change: &Value, state: &str) {
        let path = "/2015-03-31/event-source-mappings/";
        let (_, answer) =
            self.call("lambda", "GET", &format!("{path}?FunctionName={function}%3A{ALIAS}"), &[], String::new()).await;
        let listed: Value = serde_json::from_str(&answer).unwrap();
        let mapping =
            listed["EventSourceMappings"][0]["UUID"].as_str().unwrap_or_else(|| panic!("{listed}")).to_owned();
        let headers = [("content-type", "application/json")];
        self.call("lambda", "PUT", &format!("{path}{mapping}"), &headers, change.to_string()).await;
        eventually("state of the mapping", async || {
            let (_, answer) = self.call("lambda", "GET", &format!("{path}{mapping}"), &[], String::new()).await;
            let mapping: Value = serde_json::from_str(&answer).unwrap();
            if mapping["State"] == state { Ok(()) } else { Err(mapping.to_string()) }
        })
        .await;
    }
}
