//! Counts the messages of the tally queue into the lanes' tallies.
//!
//! Running it twice on the same messages is safe: a vote id that is already counted is dropped, no matter which process
//! counted it or when.

use lambda_runtime::LambdaEvent;
use landslide_aws::{
    clock, metrics,
    queue::batch::{BatchReport, QueueEvent},
};
use landslide_counting::tally::Tally;

/// Counts one batch, and writes its metrics.
pub async fn handle(tally: &Tally, event: LambdaEvent<QueueEvent>) -> BatchReport {
    let tallied = tally.count(event.payload).await;
    let now = clock::now();
    metrics::write(&event.context.env_config.function_name, now, &tallied.metrics(now));
    tallied.report()
}
