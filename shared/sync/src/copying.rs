//! Writes what was read of polls, and says what became of each.

use landslide_analytics::{
    error::Error as AnalyticsError,
    snapshot::PollSnapshot,
    writer::{Writer, Written},
};
use landslide_aws::store::StoreError;
use landslide_domain::{ids::PollId, time::Timestamp};

use crate::reading::ReadingError;

/// Why a run ended early. The next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// PostgreSQL did not answer, or is not what it should be.
    #[error(transparent)]
    Analytics(#[from] AnalyticsError),
}

/// What became of one poll.
pub(crate) type Outcome = Result<Copied, CopyError>;

/// How a poll was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    Written,
    Unchanged,
    Deleted,
}

/// Why a poll was not copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    #[error(transparent)]
    Reading(#[from] ReadingError),
    #[error(transparent)]
    Writing(#[from] AnalyticsError),
}

/// Writes what was read of some polls, and that others are gone. Fails if the database is away.
pub(crate) async fn write(
    writer: &mut Writer,
    polls: &[PollId],
    read: Vec<Result<Option<PollSnapshot>, ReadingError>>,
    now: Timestamp,
) -> Result<Vec<Outcome>, SyncError> {
    let there: Vec<PollSnapshot> = read.iter().filter_map(|read| read.as_ref().ok()?.clone()).collect();
    let mut written = writer.write(&there).await?.into_iter();
    let mut outcomes = Vec::with_capacity(polls.len());
    for (poll, read) in polls.iter().zip(read) {
        outcomes.push(match read {
            Err(error) => Err(error.into()),
            Ok(None) => writer.delete(poll, now).await.map(|()| Copied::Deleted).map_err(CopyError::from),
            Ok(Some(_)) => match written.next() {
                Some(Ok(Written::Written)) => Ok(Copied::Written),
                Some(Ok(Written::Older | Written::Deleted)) => Ok(Copied::Unchanged),
                Some(Err(error)) => Err(error.into()),
                None => Err(AnalyticsError::Query("it was not said what became of a poll".to_owned()).into()),
            },
        });
    }
    Ok(outcomes)
}
