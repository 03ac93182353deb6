//! What a process caches about each poll for a second, for everyone who asks within it.

use std::{future::Future, sync::Arc};

use landslide_aws::{
    cache::{Cache, Cached},
    clock,
};
use landslide_domain::{error::Error, ids::PollId, poll::Rules, results::reading::CURRENT_MS, time::Timestamp};

/// The most ids cached that no poll has.
pub(crate) const UNKNOWN_MAX: usize = 1_000;

/// A value, and when it was read.
pub(crate) struct Read<V> {
    pub(crate) value: V,
    /// By the wall clock, sampled before the read was sent.
    pub(crate) at: Timestamp,
}

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
        let read = async |kept| Ok(read(kept).await?.map(|value| Read { value, at: now }));
        self.get_or_renew(poll_id, now, |_| false, read).await
    }

    /// The same. A cached value that may still be used is read again if it `is_due`; if that fails, it is used. `read` says
    /// when what it returns was read.
    pub(crate) async fn get_or_renew<R>(
        &self,
        poll_id: &PollId,
        now: Timestamp,
        is_due: impl FnOnce(&V) -> bool,
        read: impl FnOnce(Option<Arc<V>>) -> R,
    ) -> Result<Arc<V>, Error>
    where
        R: Future<Output = Result<Option<Read<V>>, Error>>,
    {
        if self.unknown.get(poll_id).is_some_and(|unknown| unknown.is_younger_than(CURRENT_MS, now)) {
            return Err(Error::NoSuchPoll);
        }
        let kept = self.kept.get(poll_id);
        let usable = kept.as_ref().filter(|kept| is_usable(kept, now)).cloned();
        if let Some(usable) = &usable
            && !is_due(&usable.value)
        {
            return Ok(usable.value.clone());
        }
        match (read(kept.map(|kept| kept.value)).await, usable) {
            (Ok(Some(Read { value, at })), _) => {
                let value = Arc::new(value);
                self.kept.put(poll_id, value.clone(), at);
                Ok(value)
            }
            (Ok(None), _) => {
                self.unknown.put(poll_id, (), now);
                Err(Error::NoSuchPoll)
            }
            // The read may have lasted longer than the second had left.
            (Err(_), Some(usable)) if is_usable(&usable, clock::now()) => Ok(usable.value),
            (Err(error), _) => Err(error),
        }
    }
}

fn is_usable<V: AsRef<Rules>>(kept: &Cached<Arc<V>>, now: Timestamp) -> bool {
    let rules = kept.value.as_ref().as_ref();
    // Before it opens or closes, its times may change: nobody is shown a closing that was moved.
    kept.is_younger_than(CURRENT_MS, now) && rules.status(kept.read_at) == rules.status(now)
}
