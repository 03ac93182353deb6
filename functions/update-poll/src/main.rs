//! Wiring of `update-poll`.

use landslide_shared::{editing::Editing, http, telemetry};
use update_poll::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    http::run(http::Edge::from_env()?, Editing::from_env().await?, handle).await
}
