//! Wiring of `relay-votes`.

use landslide_aws::telemetry;
use landslide_counting::relay::Relay;
use relay_votes::{event_bytes, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let relay = &Relay::from_env()?;
    event_bytes::run(async |event, context| handle(relay, event, context).await).await
}
