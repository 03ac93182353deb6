//! Polls that have closed, and are made final.

use landslide_domain::{ids::PollId, keys};
use landslide_jobs::step::Step;
use serde_json::{Value, json};

use super::{app::App, time::eventually};

/// How long after closing a poll is made final, and a little more. Votes that these tests have just cast are late by it.
pub const CLOSED_AGO_MS: u64 = 6 * 60_000;

/// Has a poll be closed for so long, and found when that makes it due.
pub async fn is_due(app: &App, poll: &str, closed_ago_ms: u64) {
    app.aws.set_closed_ago(poll, closed_ago_ms).await;
    let rules = app.aws.poll_store().rules(&PollId::parse(poll).unwrap()).await.unwrap().unwrap();
    app.aws.set_poll_attribute(poll, "RULES", keys::DUE, &keys::due(rules.due_slot().unwrap())).await;
}

/// Sends the first step of making a poll final, as the tick does.
pub async fn begin(app: &App, poll: &str) {
    let first = Step::first(PollId::parse(poll).unwrap());
    app.aws.send_alone(app.stack.output("FinaliseQueueUrl"), &first.body()).await;
}

/// The record that a poll's counts are final, once it is there.
pub async fn is_final(app: &App, poll: &str) -> Value {
    eventually("final counts", async || {
        let rules = app.aws.poll_item(poll, "RULES").await;
        rules["final"]["S"].as_str().map(|text| serde_json::from_str(text).unwrap()).ok_or_else(|| rules.to_string())
    })
    .await
}

/// Has a poll be closed for long enough, and waits until it is final; the record.
pub async fn close_and_begin(app: &App, poll: &str) -> Value {
    is_due(app, poll, CLOSED_AGO_MS).await;
    begin(app, poll).await;
    is_final(app, poll).await
}

/// The event's text that a poll's counts are final; null if there is none.
pub async fn event_of(app: &App, poll: &str) -> Value {
    let key = format!("event#results.final#{poll}");
    let rows = app.aws.partition(app.stack.output("JobsTable"), ("job", &key)).await;
    rows.first().map_or(json!(null), |row| serde_json::from_str(row["event"]["S"].as_str().unwrap()).unwrap())
}
