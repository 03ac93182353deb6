//! Wiring of `close-poll`.

use close_poll::handle;
use landslide_shared::{editing::Editing, http::Edge, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_http::run(Edge::from_env()?, Editing::from_env().await?, handle).await
}
