//! What processes share of the counts that they read, so that few of them have to read.
//!
//! A process takes only counts from others, never a poll: rules and labels it has read itself, and it knows by a digest whether
//! those that the counts were read with are the same. So a poll's secrets stay in its table, and a change of a poll is seen as
//! soon as without sharing. Whatever does not fit is left alone, and the tables are read.

use std::future::Future;

use landslide_aws::{
    clock,
    store::{AssembledSnapshot, PollDigest, RowsRead, Snapshot},
};
use landslide_domain::{
    error::Error,
    ids::PollId,
    results::{
        early::is_renewed_early,
        reading::{CURRENT_MS, Version},
    },
    time::Timestamp,
};

use super::{CurrentResults, Renewal, ResultsDocument, assembled, counted};

/// A poll's counts as a process has read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedCounts {
    /// When, by the wall clock, sampled before the read was sent.
    pub read_at: Timestamp,
    /// How long reading them lasted, in milliseconds.
    pub took_ms: u64,
    /// Which state they are.
    pub version: Version,
    /// The digest of the poll's own items, which were read with them.
    pub poll: PollDigest,
    /// The items that hold them, packed.
    pub items: Vec<u8>,
}

/// Where processes share counts. It may lose them, and anything that it returns is checked; it never fails, and returns within
/// some milliseconds.
pub trait SharedCache {
    /// Whether there is one.
    fn is_on(&self) -> bool;

    /// The newest counts of a poll that are not a second old.
    fn read(&self, poll: &PollId, now: Timestamp) -> impl Future<Output = Option<SharedCounts>> + Send;

    /// Hands a poll's counts to other processes, for what is left of their second.
    fn write(&self, poll: &PollId, counts: &SharedCounts) -> impl Future<Output = ()> + Send;
}

/// Each process reads for itself.
pub struct NotShared;

impl SharedCache for NotShared {
    fn is_on(&self) -> bool {
        false
    }

    async fn read(&self, _: &PollId, _: Timestamp) -> Option<SharedCounts> {
        None
    }

    async fn write(&self, _: &PollId, _: &SharedCounts) {}
}

/// How a document is shared.
pub(super) struct Sharing {
    poll: PollDigest,
    took_ms: u64,
}

impl Sharing {
    /// Whether this reader renews what was read at a time, for all.
    pub(super) fn is_due(&self, read_at: Timestamp, now: Timestamp, draw: Draw) -> bool {
        is_renewed_early(now.millis_since(read_at), self.took_ms, draw.0)
    }
}

/// A random number above 0 and at most 1, one a request.
#[derive(Clone, Copy)]
pub(super) struct Draw(f64);

impl Draw {
    pub(super) fn new() -> Self {
        Self(1.0 - fastrand::f64())
    }
}

impl<R: Renewal, C: SharedCache> CurrentResults<R, C> {
    /// A newer document than the one that is cached, from counts that another process has read. `None` if there are none that
    /// may be used, or if this process is to read for all.
    pub(super) async fn of_others(
        &self,
        poll_id: &PollId,
        kept: &ResultsDocument,
        now: Timestamp,
        draw: Draw,
    ) -> Option<ResultsDocument> {
        let known = kept.sharing.as_ref()?;
        let counts = self.shared.read(poll_id, now).await?;
        let sharing = Sharing { poll: counts.poll, took_ms: counts.took_ms };
        let is_of_use = counts.poll == known.poll
            && counts.read_at > kept.reading.at
            && !is_older(counts.version, kept.reading.version)
            && !sharing.is_due(counts.read_at, now, draw)
            && kept.poll.rules.status(counts.read_at) == kept.poll.rules.status(now);
        if !is_of_use {
            return None;
        }
        match shown(kept, &counts) {
            Ok(document) if document.reading.version == counts.version => {
                Some(ResultsDocument { sharing: Some(sharing), ..document })
            }
            Ok(_) => {
                tracing::warn!(%poll_id, "the shared cache says another version of poll {poll_id} than its counts are");
                None
            }
            Err(error) => {
                tracing::warn!(%poll_id, ?error, "the shared cache's counts of poll {poll_id} can't be read: {error:?}");
                None
            }
        }
    }

    /// Hands on what a document was made from, and marks the document as shared.
    pub(super) async fn share(&self, document: ResultsDocument, rows: &RowsRead) -> ResultsDocument {
        let (Some(poll), Some(items)) = (rows.poll_digest(), rows.packed()) else { return document };
        let (read_at, version) = (document.reading.at, document.reading.version);
        let took_ms = clock::now().millis_since(read_at);
        let counts = SharedCounts { read_at, took_ms, version, poll, items };
        if took_ms < CURRENT_MS {
            self.shared.write(&document.poll.rules.settings.poll_id, &counts).await;
        }
        ResultsDocument { sharing: Some(Sharing { poll, took_ms }), ..document }
    }
}

/// Whether a state is behind another one. Neither number of a version ever goes down.
fn is_older(version: Version, than: Version) -> bool {
    version.poll < than.poll || version.counts < than.counts
}

/// A document of the poll that this process knows, with counts that another one has read.
fn shown(kept: &ResultsDocument, counts: &SharedCounts) -> Result<ResultsDocument, Error> {
    let poll = kept.poll.clone();
    if kept.assembled.is_some() {
        assembled(AssembledSnapshot::of_packed(poll, &counts.items)?, Some(kept), counts.read_at)
    } else {
        counted(Snapshot::of_packed(poll, &counts.items)?, Some(kept), counts.read_at)
    }
}

#[cfg(test)]
mod tests;
