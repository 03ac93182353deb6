//! Marks the polls whose counts changed, from the Tallies table's stream, for whatever copies them from the tables.
//!
//! Running it twice on the same records is safe: a mark says no more than that the poll is to be read again. If one can't
//! be written, the whole batch fails and the stream delivers it again.

use lambda_runtime::LambdaEvent;
use landslide_aws::{
    clock,
    metrics::{self, Metric},
};
use landslide_sync::announce::{Announcer, CountEvent};
use serde_json::value::RawValue;

/// Announces one batch, and writes its metrics.
pub async fn handle(announcer: &Announcer, event: LambdaEvent<Box<RawValue>>) -> Result<(), lambda_runtime::Error> {
    let counts = CountEvent::read(event.payload.get().as_bytes())?;
    let marks = announcer.announce(&counts).await?;
    let metrics = [
        Metric::count("Records", counts.records),
        Metric::count("Marks", marks),
        Metric::count("Unreadable", counts.unreadable),
    ];
    metrics::write(&event.context.env_config.function_name, clock::now(), &metrics);
    Ok(())
}
