//! CloudWatch Logs: what functions have logged.

use serde_json::{Value, json};

use super::client::Aws;
use crate::support::time::now_ms;

/// How far back lines are looked for, in milliseconds.
const SINCE_MS: u64 = 10 * 60_000;

impl Aws {
    /// The lines that a function has logged lately.
    pub async fn log_lines(&self, function: &str) -> Vec<String> {
        let (mut lines, mut next) = (Vec::new(), Value::Null);
        loop {
            let mut read = json!({"logGroupName": format!("/aws/lambda/{function}"), "startTime": now_ms() - SINCE_MS});
            if !next.is_null() {
                read["nextToken"] = next;
            }
            let mut page = self.json("logs", "Logs_20140328.FilterLogEvents", &read).await;
            let events = page["events"].as_array().unwrap().iter();
            lines.extend(events.map(|event| event["message"].as_str().unwrap().to_owned()));
            next = page["nextToken"].take();
            if next.is_null() {
                return lines;
            }
        }
    }
}
