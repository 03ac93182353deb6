//! Wiring of `list-views`.

use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::views::ViewList;
use list_views::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_lambda_http::run_for_members(Edge::from_env()?, ViewList::from_env()?, handle).await
}
