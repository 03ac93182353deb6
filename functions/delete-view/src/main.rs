//! Wiring of `delete-view`.

use delete_view::handle;
use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::views::ViewDeletion;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_lambda_http::run_for_members(Edge::from_env()?, ViewDeletion::from_env()?, handle).await
}
