//! Compares all polls with their copies, each night: reports what differs, and mends it.
//!
//! It goes on from one run of the sync to the next, page by page. A page that is compared twice changes nothing more.

use landslide_analytics::{comparison::PollCopy, snapshot::PollSnapshot, writer::Writer};
use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    store::{ComparisonPlace, ComparisonState, ComparisonStore, PollStore},
};
use landslide_domain::{
    ids::PollId,
    time::{MINUTE_MS, Timestamp},
};

use crate::{
    copying::{Copied, SyncError, write},
    reading::{ReadingError, Source},
};

/// When in a day of UTC it begins, in milliseconds after midnight.
const BEGINS_MS: u64 = 2 * 60 * MINUTE_MS;
/// How many copies are compared before that is noted.
const PAGE: u32 = 200;
/// How old a poll without a copy must be for that to be no matter of the last run, in milliseconds.
const NEW_MS: u64 = 10 * MINUTE_MS;

/// What was compared in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Polls and copies.
    pub compared: usize,
    /// Copies that were older than their polls: by changes of the last minute, or as a mark was lost. They are renewed.
    pub late: usize,
    /// Copies that differed from their polls though they said to be as new, were of no poll, or were missing. They are mended.
    pub drifted: usize,
    /// Polls that could not be read or written. The next comparison tries again.
    pub failed: usize,
}

/// What compares.
pub struct Comparison {
    polls: PollStore,
    state: ComparisonStore,
    clock: SystemClock,
}

impl Comparison {
    /// Uses the tables in the environment's variables.
    pub fn from_env(aws: &aws_types::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self { polls: PollStore::from_env(aws)?, state: ComparisonStore::from_env(aws)?, clock: SystemClock })
    }

    /// Goes on until `until`, or begins one: each night, where there never was one, or now if `begin`.
    pub(crate) async fn go_on(
        &self,
        source: &Source,
        writer: &mut Writer,
        until: Timestamp,
        begin: bool,
    ) -> Result<Compared, SyncError> {
        let mut compared = Compared::default();
        let now = self.clock.now();
        let mut state = match self.state.last().await? {
            Some(last) if !begin && !begins(&last, now) => last,
            _ => {
                let place = ComparisonPlace::Polls(None);
                ComparisonState { at: now, done_at: None, place, compared: 0, drifted: 0 }
            }
        };
        while state.done_at.is_none() && self.clock.now() < until {
            let page = self.page(source, writer, &mut state).await?;
            state.compared += page.compared as u64;
            state.drifted += page.drifted as u64;
            self.state.note(&state).await?;
            compared.add(page);
        }
        if state.done_at.is_some() && compared.compared > 0 {
            let ComparisonState { compared, drifted, .. } = state;
            tracing::info!(
                compared,
                drifted,
                "compared {compared} polls and copies for analytics, {drifted} had drifted"
            );
        }
        Ok(compared)
    }

    /// Compares a page, and moves on.
    async fn page(
        &self,
        source: &Source,
        writer: &mut Writer,
        state: &mut ComparisonState,
    ) -> Result<Compared, SyncError> {
        match &state.place {
            ComparisonPlace::Polls(after) => {
                let page = self.polls.ids(after.clone()).await?;
                let unknown = writer.unknown(&page.ids).await?;
                let compared = self.copy_missing(source, writer, &unknown).await?;
                state.place = match page.next {
                    Some(next) => ComparisonPlace::Polls(Some(next)),
                    None => ComparisonPlace::Copies(None),
                };
                Ok(Compared { compared: page.ids.len(), ..compared })
            }
            ComparisonPlace::Copies(after) => {
                let copies = writer.copies(after.as_ref(), PAGE).await?;
                let compared = self.compare(source, writer, &copies).await?;
                match copies.last() {
                    Some(last) => state.place = ComparisonPlace::Copies(Some(last.poll_id.clone())),
                    None => state.done_at = Some(self.clock.now()),
                }
                Ok(compared)
            }
        }
    }

    async fn copy_missing(
        &self,
        source: &Source,
        writer: &mut Writer,
        polls: &[PollId],
    ) -> Result<Compared, SyncError> {
        let mut compared = Compared::default();
        let read = source.read_all(polls).await;
        let now = self.clock.now();
        let is_new = |read: &Result<Option<PollSnapshot>, ReadingError>| match read {
            Ok(Some(snapshot)) => now.millis_since(snapshot.created_at) < NEW_MS,
            _ => false,
        };
        let new: Vec<bool> = read.iter().map(is_new).collect();
        let outcomes = write(writer, polls, read, now).await?;
        for ((poll_id, outcome), is_new) in polls.iter().zip(outcomes).zip(new) {
            match outcome {
                Ok(Copied::Written) if is_new => compared.late += 1,
                Ok(Copied::Written) => {
                    tracing::error!(%poll_id, "poll {poll_id} had no copy for analytics; it has one now");
                    compared.drifted += 1;
                }
                Ok(Copied::Unchanged | Copied::Deleted) => {}
                Err(error) => {
                    tracing::error!(%poll_id, %error, "poll {poll_id} was not copied for analytics: {error}");
                    compared.failed += 1;
                }
            }
        }
        Ok(compared)
    }

    async fn compare(&self, source: &Source, writer: &mut Writer, copies: &[PollCopy]) -> Result<Compared, SyncError> {
        let mut compared = Compared { compared: copies.len(), ..Compared::default() };
        let polls: Vec<PollId> = copies.iter().map(|copy| copy.poll_id.clone()).collect();
        for (copy, read) in copies.iter().zip(source.read_all(&polls).await) {
            let poll_id = &copy.poll_id;
            let read = match read {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%poll_id, %error, "poll {poll_id} could not be compared: {error}");
                    compared.failed += 1;
                    continue;
                }
            };
            let verdict = Verdict::of(copy, read.as_ref());
            match verdict {
                Verdict::Same => {}
                Verdict::Late => compared.late += 1,
                Verdict::Drifted | Verdict::OfNoPoll | Verdict::DeletedThoughThere => {
                    tracing::error!(%poll_id, ?verdict, "the copy of poll {poll_id} for analytics has drifted: {verdict:?}");
                    compared.drifted += 1;
                }
            }
            let written = match (verdict, &read) {
                (Verdict::Late, Some(snapshot)) => writer.write(std::slice::from_ref(snapshot)).await?,
                (Verdict::Drifted, Some(snapshot)) => {
                    writer.reopen(copy, snapshot).await?;
                    writer.write(std::slice::from_ref(snapshot)).await?
                }
                (Verdict::OfNoPoll, _) => {
                    writer.delete(poll_id, self.clock.now()).await?;
                    Vec::new()
                }
                // Nothing overwrites the row of a deletion: an operator has to say what is right.
                _ => Vec::new(),
            };
            for error in written.into_iter().filter_map(Result::err) {
                tracing::error!(%poll_id, %error, "the copy of poll {poll_id} for analytics was not mended: {error}");
                compared.failed += 1;
            }
        }
        Ok(compared)
    }
}

impl Compared {
    fn add(&mut self, page: Compared) {
        self.compared += page.compared;
        self.late += page.late;
        self.drifted += page.drifted;
        self.failed += page.failed;
    }
}

/// Whether another comparison begins after this last one.
fn begins(last: &ComparisonState, now: Timestamp) -> bool {
    let begins_today = now.midnight().plus_millis(BEGINS_MS);
    last.done_at.is_some() && last.at < begins_today && begins_today <= now
}

/// What a copy is, by a reading of its poll that was taken later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    /// The poll has changed since.
    Late,
    /// It says to be as new as the poll, and is another; or newer than it can be.
    Drifted,
    /// There is no such poll.
    OfNoPoll,
    /// It says that the poll is deleted.
    DeletedThoughThere,
}

impl Verdict {
    fn of(copy: &PollCopy, snapshot: Option<&PollSnapshot>) -> Self {
        let Some(snapshot) = snapshot else {
            return if copy.is_deleted { Self::Same } else { Self::OfNoPoll };
        };
        match i64::try_from(snapshot.version).unwrap_or(i64::MAX).cmp(&copy.version) {
            _ if copy.is_deleted => Self::DeletedThoughThere,
            std::cmp::Ordering::Greater => Self::Late,
            std::cmp::Ordering::Equal if copy.is_of(snapshot) => Self::Same,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Less => Self::Drifted,
        }
    }
}

#[cfg(test)]
mod tests {
    use landslide_domain::testing::{at, poll_asked_for};
    use serde_json::json;

    use super::*;

    fn snapshot() -> PollSnapshot {
        let poll = poll_asked_for(json!({"question": "Q", "options": ["a", "b"]}), at(0)).unwrap();
        PollSnapshot { version: 7, ballots: 3, votes: vec![1, 2], ..PollSnapshot::new(&poll, &[]) }
    }

    fn copy() -> PollCopy {
        let PollSnapshot { poll_id, tenant, .. } = snapshot();
        PollCopy {
            poll_id,
            version: 7,
            is_deleted: false,
            tenant: Some(tenant),
            ballots: 3,
            votes: vec![1, 2],
            segments: vec![],
            newest: None,
        }
    }

    #[test]
    fn a_copy_is_judged_by_its_version_and_then_by_its_sums() {
        let poll = snapshot();
        let deleted = PollCopy { is_deleted: true, ..copy() };
        for (copy, snapshot, verdict) in [
            (copy(), Some(&poll), Verdict::Same),
            (PollCopy { version: 6, ballots: 2, ..copy() }, Some(&poll), Verdict::Late),
            (PollCopy { ballots: 2, ..copy() }, Some(&poll), Verdict::Drifted),
            (PollCopy { version: 8, ..copy() }, Some(&poll), Verdict::Drifted),
            (copy(), None, Verdict::OfNoPoll),
            (deleted.clone(), None, Verdict::Same),
            (deleted, Some(&poll), Verdict::DeletedThoughThere),
        ] {
            assert_eq!(Verdict::of(&copy, snapshot), verdict, "{copy:?}");
        }
    }

    #[test]
    fn a_comparison_begins_each_night_and_never_while_one_is_under_way() {
        let day = |hour: u64, minute: u64| at(0).midnight().plus_millis((hour * 60 + minute) * MINUTE_MS);
        let state = |at, done_at| ComparisonState {
            at,
            done_at,
            place: ComparisonPlace::Copies(None),
            compared: 0,
            drifted: 0,
        };
        let yesterday = day(2, 0);
        let done = |at: Timestamp| state(at, Some(at.plus_millis(MINUTE_MS)));
        for (last, now, begins_now) in [
            (done(yesterday), day(23, 59), false),
            (done(yesterday), day(25, 59), false),
            (done(yesterday), day(26, 0), true),
            (done(yesterday), day(30, 0), true),
            (done(day(1, 0)), day(2, 0), true),
            (state(yesterday, None), day(50, 0), false),
        ] {
            assert_eq!(begins(&last, now), begins_now, "{last:?} at {now}");
        }
    }
}
