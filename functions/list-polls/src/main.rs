//! Wiring of `list-polls`.

use landslide_shared::{http::Edge, telemetry};
use list_polls::{App, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_http::run(Edge::from_env()?, App::from_env().await?, handle).await
}
