//! What a process caches about each poll for a second, for everyone who asks within it.

use std::{future::Future, sync::Arc};

use landslide_aws::cache::Cache;
use landslide_domain::{error::Error, ids::PollId, poll::Rules, results::reading::CURRENT_MS, time::Timestamp};

/// The most ids cached that no poll has.
pub(crate) const UNKNOWN_MAX: usize = 1_000;

/// A value per poll, at most a second old.
pub(crate) struct Current<V> {
    kept: Cache<PollId, Arc<V>>,
    /// Ids that no poll has. Kept apart, so that they never displace a poll.
    unknown: Cache<PollId, ()>,
}

impl<V: AsRef<Rules>> Current<V> {
    /// Caches at most `polls_max` polls.
    pub(crate) fn new(polls_max: usize) -> Self {
        Self { kept: Cache::new(polls_max), unknown: Cache::new(UNKNOWN_MAX) }
    }

    /// Returns a poll's value at `now`, which must be sampled before this call: cached, or read. `read` receives the
    /// cached value, however old, and returns `None` if no poll has the id.
    pub(crate) async fn get<R>(
        &self,
        poll_id: &PollId,
        now: Timestamp,
        read: impl FnOnce(Option<Arc<V>>) -> R,
    ) -> Result<Arc<V>, Error>
    where
        R: Future<Output = Result<Option<V>, Error>>,
    {
        if self.unknown.get(poll_id).is_some_and(|unknown| unknown.is_younger_than(CURRENT_MS, now)) {
            return Err(Error::NoSuchPoll);
        }
        let kept = self.kept.get(poll_id);
        if let Some(kept) = &kept
            && kept.is_younger_than(CURRENT_MS, now)
            // Before it opens or closes, its times may change: nobody is shown a closing that was moved.
            && kept.value.as_ref().as_ref().status(kept.read_at) == kept.value.as_ref().as_ref().status(now)
        {
            return Ok(kept.value.clone());
        }
        let Some(value) = read(kept.map(|kept| kept.value)).await?.map(Arc::new) else {
            self.unknown.put(poll_id, (), now);
            return Err(Error::NoSuchPoll);
        };
        self.kept.put(poll_id, value.clone(), now);
        Ok(value)
    }
}
