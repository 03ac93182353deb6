//! Looks every minute for what is due in polls, and sends it to the queue of its job.
//!
//! Running it twice, or two at once, sends jobs twice, which does nothing more. After an outage it goes on where it was.

use lambda_runtime::LambdaEvent;
use landslide_aws::metrics::{self, Metric};
use landslide_domain::time::Timestamp;
use landslide_jobs::tick::{Tick, TickError};
use serde::de::IgnoredAny;

/// For how long it looks, in milliseconds: two thirds of its timeout. The next minute goes on.
const LOOK_MS: u64 = 40_000;

/// Looks once, and writes its metrics. `now` must be sampled before this call.
pub async fn handle(tick: &Tick, event: LambdaEvent<IgnoredAny>, now: Timestamp) -> Result<(), TickError> {
    let looked = tick.look(now.plus_millis(LOOK_MS)).await?;
    let metrics = [Metric::count("Minutes", looked.minutes), Metric::count("Jobs", looked.jobs)];
    metrics::write(&event.context.env_config.function_name, now, &metrics);
    Ok(())
}
