//! Copies the changes of polls from the Polls table's stream into the audit log, and marks these polls for analytics.
//!
//! Running it twice on the same records is safe: a revision is one event, and the log has each event once; a mark says no
//! more than that a poll is to be read again. If one of them can't be written, the whole batch fails and the stream
//! delivers it again.

use lambda_runtime::LambdaEvent;
use landslide_aws::{clock, metrics};
use landslide_changes::{ChangeEvent, ChangeRelay, metrics_of};
use serde_json::value::RawValue;

/// Relays one batch, and writes its metrics.
pub async fn handle(relay: &ChangeRelay, event: LambdaEvent<Box<RawValue>>) -> Result<(), lambda_runtime::Error> {
    let changes = ChangeEvent::read(event.payload.get().as_bytes())?;
    let records = changes.records;
    let relayed = relay.relay(changes).await;
    let metrics = metrics_of(records, relayed.as_ref().ok().copied());
    metrics::write(&event.context.env_config.function_name, clock::now(), &metrics);
    relayed?;
    Ok(())
}
