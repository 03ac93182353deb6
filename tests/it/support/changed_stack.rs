//! A stack that is changed for a while, and changed back also where a test fails meanwhile.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::app::App;

/// How often a message is tried in these tests before it is a dead letter.
const RECEIVES_MAX: u64 = 3;

/// Runs `body` on a changed stack, and changes it back also where that fails.
pub async fn while_changed<T>(change: impl Future, body: impl Future<Output = T>, change_back: impl Future) -> T {
    change.await;
    let outcome = AssertUnwindSafe(body).catch_unwind().await;
    change_back.await;
    outcome.unwrap_or_else(|failure| resume_unwind(failure))
}

/// A function with another value of a variable, while `body` runs.
pub async fn while_set<T>(app: &App, function: &str, variable: &str, value: &str, body: impl Future<Output = T>) -> T {
    let function = app.stack.function(function);
    let before = app.aws.variables(&function).await;
    let mut changed = before.clone();
    changed[variable] = json!(value);
    while_changed(app.aws.set_variables(&function, &changed), body, app.aws.set_variables(&function, &before)).await
}

/// The tally queue with so few tries, while `body` runs, that they run out within seconds: tally-votes has them come again after 1, 2 and 4 s.
pub async fn while_tries_run_out_soon<T>(app: &App, body: impl Future<Output = T>) -> T {
    let queue = app.stack.output("TallyQueueUrl");
    let (visibility, redrive) = tokio::join!(
        app.aws.queue_attribute(queue, "VisibilityTimeout"),
        app.aws.queue_attribute(queue, "RedrivePolicy"),
    );
    let mut soon: Value = serde_json::from_str(&redrive).unwrap();
    soon["maxReceiveCount"] = json!(RECEIVES_MAX);
    let (soon, before) = (
        json!({"VisibilityTimeout": "1", "RedrivePolicy": soon.to_string()}),
        json!({"VisibilityTimeout": visibility, "RedrivePolicy": redrive}),
    );
    while_changed(app.aws.set_queue_attributes(queue, &soon), body, app.aws.set_queue_attributes(queue, &before)).await
}
