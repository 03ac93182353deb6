//! Wiring of `delete-key`.

use delete_key::handle;
use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::keys::KeyDeletion;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_lambda_http::run_for_members(Edge::from_env()?, KeyDeletion::from_env()?, handle).await
}
