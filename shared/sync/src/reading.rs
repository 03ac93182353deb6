//! Reads polls as the sync copies them: strongly consistent, past every cache.

use futures_util::{StreamExt, stream};
use landslide_analytics::snapshot::{PollSnapshot, SegmentCount};
use landslide_aws::{
    config::ConfigError,
    store::{ResultsStore, Snapshot, StoreError, TallyStore},
};
use landslide_counting::{assembly::Sums, tallies::reading::ReadError};
use landslide_domain::{
    entries::Set,
    ids::PollId,
    poll::Rules,
    results::cells::{Cells, Row},
    runs::Dropped,
    tally::Count,
};

/// How many polls are read at once.
const AT_ONCE: usize = 32;

/// Why a poll could not be read. Trying again is safe.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// A table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A lane's cells could not be read.
    #[error(transparent)]
    Lane(#[from] ReadError),
}

/// The tables that polls are read from.
pub struct Source {
    results: ResultsStore,
    sums: Sums<TallyStore>,
}

impl Source {
    /// The tables in the environment's variables.
    pub fn from_env(aws: &aws_types::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self { results: ResultsStore::from_env(aws)?, sums: Sums::new(TallyStore::from_env(aws)?) })
    }

    /// Reads polls, in their order. `None` for one that is not there.
    pub async fn read_all(&self, polls: &[PollId]) -> Vec<Result<Option<PollSnapshot>, ReadingError>> {
        stream::iter(polls).map(|poll| self.read(poll)).buffered(AT_ONCE).collect().await
    }

    async fn read(&self, poll_id: &PollId) -> Result<Option<PollSnapshot>, ReadingError> {
        let Some(Snapshot { poll, counts }) = self.results.read(poll_id, 1).await? else { return Ok(None) };
        if poll.rules.settings.spec.segments.is_empty() {
            return Ok(Some(PollSnapshot::new(&poll, &counts)));
        }
        // Cells alone: whole ballots may be many megabytes.
        let counts = counts.into_iter().map(without_ballots).collect();
        let summed = self.sums.sum(poll_id, poll.rules.options, counts).await?;
        let mut snapshot = PollSnapshot::new(&poll, &summed.counts);
        if let Ok(entries) = &summed.entries.cells {
            snapshot.segments = segments(&poll.rules, &Cells::of(&poll.rules, entries));
        }
        Ok(Some(snapshot))
    }
}

fn without_ballots(count: Count) -> Count {
    let entries = count.entries.without(Set::Ballots, Dropped::TooMany);
    Count { entries, ..count }
}

/// A row for each value of each dimension, as the poll's tenant sees them: unblurred, and nothing below zero.
fn segments(rules: &Rules, cells: &Cells) -> Vec<SegmentCount> {
    let spec = &rules.settings.spec;
    let of_dimension = spec.segments.iter().zip(&cells.segments).flat_map(|(dimension, rows)| {
        let values = std::iter::once(None).chain(dimension.values.iter().map(Some));
        values.zip(rows).map(|(value, row)| SegmentCount {
            dimension: dimension.name.clone(),
            value: value.cloned(),
            ballots: row.ballots.max(0),
            votes: votes(row, usize::from(rules.options)),
        })
    });
    of_dimension.collect()
}

/// Votes by option. In a poll with a scale a row has a column for each level of an option.
fn votes(row: &Row, options: usize) -> Vec<i64> {
    if options == 0 {
        return Vec::new();
    }
    let levels = (row.columns.len() / options).max(1);
    row.columns.chunks(levels).map(|levels| levels.iter().sum::<i64>().max(0)).collect()
}

#[cfg(test)]
mod tests {
    use landslide_domain::testing::{at, poll_asked_for};
    use serde_json::json;

    use super::*;

    fn row(ballots: i64, columns: &[i64]) -> Row {
        Row { ballots, columns: columns.to_vec() }
    }

    #[test]
    fn each_value_of_a_dimension_has_a_row_and_so_have_those_who_are_unknown() {
        let region = json!({"name": "region", "values": ["north", "south"], "from": "vote"});
        let body = json!({"question": "Q", "options": ["a", "b"], "segments": [region]});
        let rules = poll_asked_for(body, at(0)).unwrap().rules;
        let rows = vec![row(1, &[1, 0]), row(5, &[2, 3]), row(-1, &[-1, 0])];
        let cells = Cells { segments: vec![rows], ..Cells::default() };
        let of = |value: Option<&str>, ballots, votes: &[i64]| SegmentCount {
            dimension: "region".to_owned(),
            value: value.map(str::to_owned),
            ballots,
            votes: votes.to_vec(),
        };
        let expected = [of(None, 1, &[1, 0]), of(Some("north"), 5, &[2, 3]), of(Some("south"), 0, &[0, 0])];
        assert_eq!(segments(&rules, &cells), expected);
    }

    #[test]
    fn levels_of_a_scale_add_up_to_the_votes_of_their_option() {
        assert_eq!(votes(&row(3, &[2, 0, 0, 0, 1, 2]), 2), [2, 3]);
        assert_eq!(votes(&row(3, &[2, 1]), 2), [2, 1]);
        assert_eq!(votes(&row(3, &[]), 0), [0; 0]);
    }
}
