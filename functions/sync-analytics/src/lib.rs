//! Copies polls that have changed into PostgreSQL, every minute.
//!
//! Running it twice, or two at once, is safe: a poll is read after its marks, and of two readings the later is kept. What
//! it did not get to, it does in the next minute.

use lambda_runtime::LambdaEvent;
use landslide_aws::metrics::{self, Metric};
use landslide_domain::time::Timestamp;
use landslide_sync::{copying::SyncError, sync::Sync};
use serde::Deserialize;

/// For how long it copies, in milliseconds: two thirds of its timeout.
const COPY_MS: u64 = 40_000;

/// What invokes it: the rule, or an operator.
#[derive(Deserialize)]
pub struct Wanted {
    /// Whether a comparison of all polls is to begin now.
    #[serde(default)]
    compare: bool,
}

/// Copies once, and writes its metrics. `now` must be sampled before this call.
pub async fn handle(sync: &mut Sync, event: LambdaEvent<Wanted>, now: Timestamp) -> Result<(), SyncError> {
    let synced = sync.run(now.plus_millis(COPY_MS), event.payload.compare).await?;
    let metrics = [
        Metric::count("Written", synced.written),
        Metric::count("Unchanged", synced.unchanged),
        Metric::count("Deleted", synced.deleted),
        Metric::count("Failed", synced.failed + synced.compared.failed),
        Metric::millis("Behind", synced.behind_ms),
        Metric::count("Compared", synced.compared.compared),
        Metric::count("Late", synced.compared.late),
        Metric::count("Drifted", synced.compared.drifted),
    ];
    metrics::write(&event.context.env_config.function_name, now, &metrics);
    Ok(())
}
