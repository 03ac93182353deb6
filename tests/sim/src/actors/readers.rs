//! Who looks at results around a poll's closing, where these are public only then.

use std::rc::Rc;

use landslide_domain::poll::{Poll, ResultsVisibility};

use crate::{cloud::Cloud, events::Event};

/// How often somebody looks in all.
const LOOKS_MAX: u64 = 12;
/// How near to the closing, in milliseconds.
const NEAR_MS: u64 = 2_000;
/// The longest pause between two looks, in milliseconds.
const PAUSE_MS: u64 = 700;

/// Looks at a poll's results until they are public, from shortly before its closing on.
pub async fn look(cloud: Rc<Cloud>, poll: Rc<Poll>) {
    let (world, settings) = (&cloud.world, &poll.rules.settings);
    if settings.spec.results != ResultsVisibility::AfterClose {
        return;
    }
    world.executor.sleep(world.draw(world.scenario.span_ms)).await;
    for _ in 0..LOOKS_MAX {
        let closes_at = world.ledger().poll(settings.poll_id.as_str()).times_now().closes_at;
        let left = closes_at.map_or(0, |closes_at| closes_at.saturating_sub(NEAR_MS + world.executor.now_ms()));
        world.executor.sleep(left + world.draw(PAUSE_MS)).await;
        let (id, again) = (settings.poll_id.clone(), world.clone());
        let shown = cloud.request(&cloud.showing, async move |showing| {
            let is_public = showing.results_are_public(&id).await?;
            if is_public {
                again.observe(&Event::ResultsShown { poll: id.as_str(), at: again.executor.now_ms() });
            }
            Ok(is_public)
        });
        if let Some(Ok(true)) = shown.await {
            return;
        }
    }
}
