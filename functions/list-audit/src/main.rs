//! Wiring of `list-audit`.

use landslide_aws::telemetry;
use landslide_edge::Edge;
use landslide_service::audit::AuditLog;
use list_audit::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    landslide_lambda_http::run_for_members(Edge::from_env()?, AuditLog::from_env()?, handle).await
}
