//! The queue of a job's steps, as a function sends to it.

use landslide_aws::queue::SendError;
use landslide_jobs::step::{Step, Steps};

use super::{Client, USUAL_MS};
use crate::faults::Fault;

impl Steps for Client {
    /// Each step is delivered at least once, in any order.
    async fn send(&self, steps: &[Step]) -> Result<(), SendError> {
        let world = &self.account.world;
        for step in steps {
            world.executor.sleep(world.draw(USUAL_MS)).await;
            if world.faults.strikes(Fault::RequestLost) {
                return Err(SendError("the model lost the call".to_owned()));
            }
            if let Some(deliver) = &*self.account.deliver.borrow() {
                deliver(step.clone());
            }
            if world.faults.strikes(Fault::AnswerLost) {
                return Err(SendError("the model lost the answer".to_owned()));
            }
        }
        Ok(())
    }
}
