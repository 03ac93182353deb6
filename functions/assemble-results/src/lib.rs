//! Assembles ranked polls' results from their lanes, once for all readers. A reader asks for it when it finds them old.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use landslide_aws::queue::batch::QueueEvent;
use landslide_counting::assembly::Assembly;
use landslide_domain::ids::PollId;

/// Renews each poll that is asked for. What fails is asked for again by the next reader whose lease it is, so no message
/// returns to the queue.
pub async fn handle(assembly: &Assembly, event: QueueEvent) {
    let bodies = event.records.into_iter().map(|message| message.into_parts().1);
    let polls: BTreeSet<String> = bodies.collect();
    join_all(polls.iter().map(|poll| renew(assembly, poll))).await;
}

async fn renew(assembly: &Assembly, poll: &str) {
    let Some(poll_id) = PollId::parse(poll) else {
        tracing::error!(poll, "asked to assemble {poll:?}, which is no poll's id");
        return;
    };
    if let Err(error) = assembly.renew(&poll_id).await {
        tracing::error!(%poll_id, %error, "results of poll {poll_id} were not assembled: {error}");
    }
}
