//! The queue by which `assemble-results` is asked.

use landslide_aws::{
    config::ConfigError,
    queue::{Outgoing, Queue},
    sdk,
};
use landslide_domain::ids::PollId;

use super::Renewal;

/// The queue.
pub struct AssemblyQueue(Queue);

impl AssemblyQueue {
    /// The queue in the environment's variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::new(Queue::from_env(&sdk::sdk_config()?, "ASSEMBLY_QUEUE_URL")?))
    }

    /// This queue.
    pub fn new(queue: Queue) -> Self {
        Self(queue)
    }
}

impl Renewal for AssemblyQueue {
    async fn ask(&self, poll: &PollId) -> Result<(), String> {
        let message = Outgoing { body: poll.to_string(), group: None, reason: None };
        self.0.send_all(&[message]).await.map_err(|error| error.to_string())
    }
}
