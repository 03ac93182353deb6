//! Makes the counts of closed polls final, from their vote items.
//!
//! Running a step twice, or two at once, changes nothing more.

use std::time::Duration;

use lambda_runtime::LambdaEvent;
use landslide_aws::{
    clock,
    metrics::{self, Metric},
    queue::batch::{BatchReport, QueueEvent, QueueMessage, Receipt, pause_before_next_receive},
};
use landslide_domain::poll::Finality;
use landslide_jobs::{
    finalise::{Finalise, FinaliseError, Finalised, LEASE_MS},
    step::Step,
};

/// How often a step is tried: `maxReceiveCount` of its queue.
const TRIES_MAX: u32 = 5;

/// Does one step, and writes its metrics. One that fails comes again soon; after its last try the job is given up, and the
/// message goes to the dead letters.
pub async fn handle(finalise: &Finalise, event: LambdaEvent<QueueEvent>) -> BatchReport {
    let mut failed = Vec::new();
    for message in event.payload.records {
        match done(finalise, message).await {
            Ok(Some(finality)) => write_metrics(&event.context.env_config.function_name, &finality),
            Ok(None) => {}
            Err(message_id) => failed.push(message_id),
        }
    }
    BatchReport::of(failed)
}

/// Does a step. Returns what is final now; or the id of the message, if it failed.
async fn done(finalise: &Finalise, message: QueueMessage) -> Result<Option<Finality>, String> {
    let (receipt, body) = message.into_parts();
    let Some(step) = Step::read(&body) else {
        tracing::error!(body, "{body:?} is no step of a job");
        return Err(receipt.message_id);
    };
    let poll_id = &step.poll_id;
    match finalise.step(&step).await {
        Ok(Finalised::Final(finality)) => {
            let Finality { ballots, off, .. } = &finality;
            if off.is_unexplained {
                tracing::error!(%poll_id, ?off, "the counts of poll {poll_id} were off by more than late votes: {off:?}");
            }
            tracing::info!(%poll_id, ballots, ?off, "the counts of poll {poll_id} are final");
            Ok(Some(finality))
        }
        Ok(Finalised::Nothing | Finalised::Further) => Ok(None),
        Err(FinaliseError::Busy) => {
            tracing::info!(%poll_id, "another process makes the counts of poll {poll_id} final");
            come_again(finalise, &step, &receipt, Duration::from_millis(LEASE_MS)).await;
            Err(receipt.message_id)
        }
        Err(error) => {
            tracing::error!(%poll_id, %error, ?step, "the counts of poll {poll_id} are not final yet: {error}");
            try_later(finalise, &step, &receipt, &error.to_string()).await;
            Err(receipt.message_id)
        }
    }
}

/// Has a step that failed come again soon, or gives the job up after its last try.
async fn try_later(finalise: &Finalise, step: &Step, receipt: &Receipt, error: &str) {
    if receipt.receives < TRIES_MAX {
        come_again(finalise, step, receipt, pause_before_next_receive(receipt.receives)).await;
    } else if let Err(error) = finalise.give_up(&step.poll_id, error).await {
        tracing::warn!(poll_id = %step.poll_id, %error, "the job is not noted as given up: {error}");
    }
}

async fn come_again(finalise: &Finalise, step: &Step, receipt: &Receipt, pause: Duration) {
    if let Err(error) = finalise.queue().come_again_after(pause, &[&receipt.handle]).await {
        tracing::warn!(poll_id = %step.poll_id, %error, "the step comes again at the queue's own time: {error}");
    }
}

fn write_metrics(function: &str, finality: &Finality) {
    let off = &finality.off;
    let metrics = [
        Metric::count("Final", 1),
        Metric::count("OffUnexplained", usize::from(off.is_unexplained)),
        Metric::count("OffLate", usize::from(off.is_any() && !off.is_unexplained)),
    ];
    metrics::write(function, clock::now(), &metrics);
}
