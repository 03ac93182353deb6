//! Relays the votes' stream to the tally queue: folds a batch of records into one message per poll and lane.
//!
//! Running it twice on the same records is safe: every change carries its vote id, and tally-votes applies each id
//! once. A batch fails whole or not at all: if the queue does not take every message, the stream delivers it again.

use lambda_runtime::Context;
use landslide_aws::{clock, metrics};
use landslide_counting::relay::{Relay, metrics_of};
use landslide_stream::StreamEvent;

pub mod event_bytes;

/// Relays one batch, and writes its metrics.
pub async fn handle(relay: &Relay, event: &[u8], context: Context) -> Result<(), lambda_runtime::Error> {
    let event = StreamEvent::read(event)?;
    let records = event.records;
    let relayed = relay.relay(event).await;
    let now = clock::now();
    metrics::write(&context.env_config.function_name, now, &metrics_of(records, relayed.as_ref().ok().copied(), now));
    relayed?;
    Ok(())
}
