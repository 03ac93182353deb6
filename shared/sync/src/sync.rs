//! Copies polls that have changed into PostgreSQL.
//!
//! Running it twice, or two at once, is safe: a poll is read after its marks, and of two readings the later is kept.

use std::collections::HashMap;

use landslide_analytics::{error::Error as AnalyticsError, writer::Writer};
use landslide_aws::{
    clock::{Clock, SystemClock},
    sdk,
    store::{Mark, MarkStore},
};
use landslide_domain::{
    ids::PollId,
    lease::CLOCK_SKEW_MS,
    time::{DAY_MS, MINUTE_MS, Timestamp},
};

use crate::{
    comparison::{Compared, Comparison},
    copying::{Copied, Outcome, SyncError, write},
    reading::Source,
};

/// The most marks that one run reads, about. The next run reads the rest.
const MARKS_MAX: usize = 20_000;
/// How many polls are read and written together.
const BATCH: usize = 500;
/// How many failures of a run are written to the log one by one.
const LOGGED_MAX: usize = 10;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// Polls that were replaced.
    pub written: usize,
    /// Polls that were stored as they are already.
    pub unchanged: usize,
    /// Polls that are not there any more.
    pub deleted: usize,
    /// Polls that could not be read or written. Their marks stay.
    pub failed: usize,
    /// How long the oldest mark that stays has waited, in milliseconds.
    pub behind_ms: u64,
    /// What was compared, if there was time.
    pub compared: Compared,
}

/// What syncs.
pub struct Sync {
    marks: MarkStore,
    source: Source,
    writer: Writer,
    comparison: Comparison,
    /// When this process last looked after the months.
    months_kept: Option<Timestamp>,
    clock: SystemClock,
}

impl Sync {
    /// Uses the tables and the database in the environment's variables. Says in the log what is wrong with the database,
    /// and leaves that to the first run.
    pub async fn from_env() -> Result<Self, AnalyticsError> {
        let aws = sdk::sdk_config()?;
        let (marks, source) = (MarkStore::from_env(&aws)?, Source::from_env(&aws)?);
        let comparison = Comparison::from_env(&aws)?;
        let mut writer = Writer::from_env(&aws).await?;
        if let Err(error) = writer.check().await {
            tracing::error!(%error, "analytics can't be written now: {error}");
        }
        Ok(Self { marks, source, writer, comparison, months_kept: None, clock: SystemClock })
    }

    /// Copies all polls that are marked, as far as there is time until `until`; then goes on with the comparison of all
    /// polls, which begins each night, or now if `compare`.
    pub async fn run(&mut self, until: Timestamp, compare: bool) -> Result<Synced, SyncError> {
        let started = self.clock.now();
        let marks = self.marks.all(MARKS_MAX).await?;
        let is_all = marks.len() < MARKS_MAX;
        let mut work = Work::of(marks, started);
        let mut synced = Synced::default();
        while let Some(polls) = work.next().filter(|_| self.clock.now() < until) {
            let outcomes = self.copy(&polls).await?;
            self.marks.delete(&work.done(&polls, &outcomes)).await?;
            synced.count(&polls, outcomes);
        }
        synced.behind_ms = work.behind_ms(self.clock.now());
        if self.months_kept.is_none_or(|at| at.plus_millis(DAY_MS) <= started) {
            // Here, and not with the comparison, which waits until all marks are done: a poll that can't be copied must not
            // keep the months of all others from being there.
            self.writer.keep_months(started).await?;
            self.months_kept = Some(started);
        }
        if is_all && work.is_done() {
            self.writer.read_until(started).await?;
            synced.compared = self.comparison.go_on(&self.source, &mut self.writer, until, compare).await?;
        }
        Ok(synced)
    }

    async fn copy(&mut self, polls: &[PollId]) -> Result<Vec<Outcome>, SyncError> {
        let read = self.source.read_all(polls).await;
        write(&mut self.writer, polls, read, self.clock.now()).await
    }
}

impl Synced {
    fn count(&mut self, polls: &[PollId], outcomes: Vec<Outcome>) {
        for (poll_id, outcome) in polls.iter().zip(outcomes) {
            match outcome {
                Ok(Copied::Written) => self.written += 1,
                Ok(Copied::Unchanged) => self.unchanged += 1,
                Ok(Copied::Deleted) => self.deleted += 1,
                Err(error) => {
                    self.failed += 1;
                    if self.failed <= LOGGED_MAX {
                        tracing::error!(%poll_id, %error, "poll {poll_id} was not copied for analytics: {error}");
                    }
                }
            }
        }
    }
}

/// The polls of a run, those first that were marked first, and their marks.
struct Work {
    started: Timestamp,
    /// Polls that are still to be done, the last one first.
    polls: Vec<PollId>,
    marks: HashMap<PollId, Vec<Mark>>,
}

impl Work {
    fn of(all: Vec<Mark>, started: Timestamp) -> Self {
        let (mut polls, mut marks) = (Vec::new(), HashMap::<PollId, Vec<Mark>>::new());
        for mark in all {
            let of_poll = marks.entry(mark.poll.clone()).or_default();
            if of_poll.is_empty() {
                polls.push(mark.poll.clone());
            }
            of_poll.push(mark);
        }
        polls.reverse();
        Self { started, polls, marks }
    }

    /// The next polls, `None` if all are done.
    fn next(&mut self) -> Option<Vec<PollId>> {
        let next = self.polls.split_off(self.polls.len().saturating_sub(BATCH));
        (!next.is_empty()).then(|| next.into_iter().rev().collect())
    }

    /// The marks of the polls that were copied. One of a minute that is not over stays: a process that has written it will
    /// not write it again in this minute, whatever changes.
    fn done(&mut self, polls: &[PollId], outcomes: &[Outcome]) -> Vec<Mark> {
        let copied = polls.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
        let marks = copied.filter_map(|(poll, _)| self.marks.remove(poll)).flatten();
        marks.filter(|mark| mark.is_over(self.started, CLOCK_SKEW_MS)).collect()
    }

    /// Whether all polls were copied.
    fn is_done(&self) -> bool {
        self.marks.is_empty()
    }

    /// How long ago the minute began of the oldest mark whose poll was not copied.
    fn behind_ms(&self, now: Timestamp) -> u64 {
        let oldest = self.marks.values().flatten().map(|mark| mark.minute).min();
        oldest.map_or(0, |minute| now.as_millis().saturating_sub(minute * MINUTE_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(number: u8) -> PollId {
        PollId::from_bytes([number; 16])
    }

    fn mark(minute: u64, number: u8) -> Mark {
        Mark { minute, poll: poll(number) }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    fn failed() -> Outcome {
        Err(AnalyticsError::NoSchema.into())
    }

    #[test]
    fn a_poll_is_copied_once_a_run_and_those_that_wait_longest_first() {
        let mut work = Work::of(vec![mark(1, 7), mark(1, 5), mark(2, 7), mark(3, 6)], at(0));
        assert_eq!(work.next(), Some(vec![poll(7), poll(5), poll(6)]));
        assert_eq!(work.next(), None);
    }

    #[test]
    fn many_polls_are_copied_in_batches() {
        let marks: Vec<Mark> = (0..=u8::MAX).flat_map(|number| [mark(1, number), mark(2, number)]).collect();
        let mut work = Work::of(marks.into_iter().cycle().take(3 * 512).collect(), at(0));
        let mut polls = Vec::new();
        while let Some(next) = work.next() {
            assert!(next.len() <= BATCH);
            polls.extend(next);
        }
        assert_eq!(polls.len(), 256);
        assert_eq!(polls[0], poll(0));
    }

    #[test]
    fn marks_of_a_minute_that_is_not_over_stay() {
        let mut work = Work::of(vec![mark(1, 7), mark(2, 7)], at(3 * MINUTE_MS + CLOCK_SKEW_MS - 1));
        let polls = work.next().unwrap();
        assert_eq!(work.done(&polls, &[Ok(Copied::Written)]), [mark(1, 7)]);
        assert!(work.is_done());
        assert_eq!(work.behind_ms(at(9 * MINUTE_MS)), 0);
    }

    #[test]
    fn marks_of_a_poll_that_failed_stay_and_say_how_far_behind_it_is() {
        let mut work = Work::of(vec![mark(1, 7), mark(2, 5), mark(3, 7)], at(9 * MINUTE_MS));
        let polls = work.next().unwrap();
        assert_eq!(work.done(&polls, &[failed(), Ok(Copied::Unchanged)]), [mark(2, 5)]);
        assert!(!work.is_done());
        assert_eq!(work.behind_ms(at(9 * MINUTE_MS)), 8 * MINUTE_MS);
    }

    #[test]
    fn what_was_not_reached_stays_and_counts_as_behind() {
        let work = Work::of(vec![mark(4, 7)], at(9 * MINUTE_MS));
        assert!(!work.is_done());
        assert_eq!(work.behind_ms(at(9 * MINUTE_MS)), 5 * MINUTE_MS);
    }
}
