//! Wiring of `relay-votes`.

use landslide_aws::telemetry;
use relay_votes::{App, event_bytes, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let app = &App::from_env()?;
    event_bytes::run(async |event, context| handle(app, event, context).await).await
}
