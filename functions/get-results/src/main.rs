//! Wiring of `get-results`.

use get_results::handle;
use landslide_aws::telemetry;
use landslide_cache::Valkey;
use landslide_edge::Edge;
use landslide_service::results::{AssemblyQueue, CurrentResults};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let (results, valkey) = tokio::join!(CurrentResults::from_env(AssemblyQueue::from_env()?), Valkey::from_env());
    landslide_edge::run(Edge::from_env()?, results?.sharing(valkey), handle).await
}
