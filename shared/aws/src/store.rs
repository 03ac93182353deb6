//! DynamoDB: one store per table (and one for results, which reads two), each call bounded in time and tries.

#[cfg(feature = "assembled")]
mod assembled;
mod audit;
mod batch;
mod change;
mod comparison;
mod dynamodb;
mod item;
mod jobs;
mod lane_store;
mod limits;
mod marks;
mod poll_cache;
mod poll_image;
mod polls;
mod results;
mod runs;
mod tallies;
mod tokens;
mod vote_ids;
mod votes;

pub use aws_sdk_dynamodb::Client as DynamoDbClient;
use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::{Put, TransactWriteItem},
};
use landslide_domain::{error::Error, keys};

use crate::sdk::describe;

#[cfg(feature = "assembled")]
pub use self::{
    assembled::{Assembled, AssembledStore, PackedDocument},
    results::AssembledSnapshot,
};
pub use self::{
    audit::{Appended, AuditPage, AuditStore, StoredRow},
    comparison::{ComparisonPlace, ComparisonState, ComparisonStore},
    dynamodb::{DynamoDb, Outcome},
    jobs::{JobState, JobStore, Taken},
    lane_store::{LaneReader, LaneStore, LaneStoreError, RunRow, SeenIds},
    limits::{Counted, LimitStore},
    marks::{Mark, MarkStore},
    poll_cache::PollCache,
    poll_image::{Labels, PollImage},
    polls::{Created, IdPage, Page, PollStore, Replaced},
    results::{ResultsStore, Snapshot},
    runs::ROWS_AT_ONCE,
    tallies::{PARTS_KEPT_MS, SeenPage, SeenPlace, TallyStore},
    tokens::{StoredKey, StoredView, TokenStore},
    votes::{PutVote, StoredVote, VotePage, VoteStore},
};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Throttled, failing or silent after all tries. The caller may retry. If it was a write, it may have taken effect.
    #[error("{0}")]
    Unavailable(String),
    /// A retry can't help: a permission, a table name, an item that is not ours.
    #[error("{0}")]
    Broken(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::Unavailable(cause),
            StoreError::Broken(cause) => Self::Internal(cause),
        }
    }
}

/// A transaction's write of an item where there is none.
fn put_new(doing: &str, table: &str, item: item::Item) -> Result<TransactWriteItem, StoreError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(#item)")
        .expression_attribute_names("#item", keys::ITEM)
        .build()
        .map_err(|error| StoreError::Broken(format!("{doing}: {error}")))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// DynamoDB's errors when it is overloaded or failing. A retry can't help with any other.
const PASSING_ERRORS: [&str; 8] = [
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// The store error for a failed call. `doing` says what was tried, in the present tense.
fn store_error<E>(doing: &str, error: SdkError<E, HttpResponse>) -> StoreError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let text = format!("{doing}: {}", describe(&error));
    let passing = match &error {
        SdkError::ServiceError(answer) => {
            answer.raw().status().is_server_error()
                || answer.err().code().is_some_and(|code| PASSING_ERRORS.contains(&code))
        }
        SdkError::ConstructionFailure(_) => false,
        // Timeouts, connection failures, responses that can't be read.
        _ => true,
    };
    if passing { StoreError::Unavailable(text) } else { StoreError::Broken(text) }
}

/// Whether a call took effect: false if its condition failed.
fn unless_refused<T, E>(doing: &str, outcome: Result<T, SdkError<E, HttpResponse>>) -> Result<bool, StoreError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match outcome {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(store_error(doing, error)),
    }
}

#[cfg(test)]
mod tests;
