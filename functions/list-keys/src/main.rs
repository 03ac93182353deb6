//! Wiring of `list-keys`.

use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::keys::KeyList;
use list_keys::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_lambda_http::run_for_members(Edge::from_env()?, KeyList::from_env()?, handle).await
}
