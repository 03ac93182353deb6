//! Wiring of `get-hidden-answers`.

use get_hidden_answers::handle;
use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::polls::HiddenList;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_lambda_http::run_for_members(Edge::from_env()?, HiddenList::from_env()?, handle).await
}
