//! A poll's votes by the values of a dimension.

use landslide_domain::{
    error::Error,
    ids::PollId,
    poll::{Dimension, Source, Status},
    results::{blurred::Blurred, cells::Row},
    time::Timestamp,
};
use serde::Serialize;

use super::{AssembledPoll, broken};

#[derive(Serialize)]
struct SegmentsView<'a> {
    poll_id: &'a PollId,
    status: Status,
    by: &'a str,
    /// The sum of all rows.
    ballots: i64,
    rows: Vec<RowView<'a>>,
    /// The rows of few ballots together.
    others: Option<CountsView>,
    blurred: bool,
    #[serde(skip_serializing_if = "is_false")]
    settling: bool,
    as_of: Option<Timestamp>,
    unavailable: Option<&'a str>,
}

#[derive(Serialize)]
struct RowView<'a> {
    /// `None`: unknown.
    value: Option<&'a str>,
    #[serde(flatten)]
    counts: CountsView,
}

/// The counts of a row. None is shown below zero.
#[derive(Serialize)]
pub(super) struct CountsView {
    pub(super) ballots: i64,
    /// By option id; in a poll with a scale, how many ratings.
    votes: Vec<i64>,
    /// By option id, by level.
    #[serde(skip_serializing_if = "Option::is_none")]
    levels: Option<Vec<Vec<i64>>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

impl AssembledPoll {
    /// The votes of each value of a dimension as JSON: as they are to the poll's tenant, unless a token's claim says whose
    /// they are; else blurred. Fails if the poll does not have the dimension.
    pub(in crate::results) fn segments(&self, by: Option<&str>, is_own: bool) -> Result<String, Error> {
        let dimensions = &self.poll.rules.settings.spec.segments;
        let found = (0..).zip(dimensions).find(|(_, dimension)| by.is_none_or(|by| dimension.name == by));
        let (place, dimension) = found.ok_or_else(|| no_such(by.unwrap_or_default(), dimensions))?;
        let is_exact = is_own && dimension.from == Source::Vote;
        let document = self.document()?;
        let exact = self.further.cells.as_ref().and_then(|cells| cells.segments.get(place));
        let blurred = self.further.blurred.get(place);
        let rows: Vec<(usize, &Row)> = match (is_exact, exact, blurred) {
            (true, Some(rows), _) => rows.iter().enumerate().collect(),
            (false, _, Some(blurred)) => shown(blurred).collect(),
            _ => Vec::new(),
        };
        let others =
            blurred.filter(|_| !is_exact).and_then(|blurred| blurred.others.as_ref()).map(|others| &others.row);
        let all = || rows.iter().map(|(_, row)| *row).chain(others);
        let as_of = document.as_ref().and_then(|document| document.as_of);
        let view = SegmentsView {
            poll_id: &self.poll.rules.settings.poll_id,
            status: self.poll.rules.status(self.read_at),
            by: &dimension.name,
            ballots: all().map(|row| row.ballots.max(0)).sum(),
            rows: rows.iter().map(|(place, row)| self.row(dimension, *place, row)).collect(),
            others: others.map(|row| self.counts(row)),
            blurred: !is_exact,
            settling: all().any(Row::is_settling),
            as_of: if is_exact { as_of } else { as_of.map(Timestamp::minute) },
            unavailable: self.cells_unavailable(),
        };
        serde_json::to_string(&view).map_err(broken)
    }

    fn row<'a>(&self, dimension: &'a Dimension, place: usize, row: &Row) -> RowView<'a> {
        let value = place.checked_sub(1).and_then(|place| dimension.values.get(place)).map(String::as_str);
        RowView { value, counts: self.counts(row) }
    }

    /// A row's counts.
    pub(super) fn counts(&self, row: &Row) -> CountsView {
        let shown: Vec<i64> = row.columns.iter().map(|count| (*count).max(0)).collect();
        let levels = self
            .poll
            .rules
            .settings
            .spec
            .scale
            .map(|scale| shown.chunks(scale.levels().max(1)).map(<[i64]>::to_vec).collect::<Vec<_>>());
        let votes = match &levels {
            Some(levels) => levels.iter().map(|levels| levels.iter().sum()).collect(),
            None => shown,
        };
        CountsView { ballots: row.ballots.max(0), votes, levels }
    }
}

/// The rows that are not shown as one, by their places.
fn shown(blurred: &Blurred) -> impl Iterator<Item = (usize, &Row)> {
    blurred.rows.iter().enumerate().filter_map(|(place, moving)| Some((place, &moving.as_ref()?.row)))
}

fn no_such(by: &str, dimensions: &[Dimension]) -> Error {
    let names: Vec<&str> = dimensions.iter().map(|dimension| dimension.name.as_str()).collect();
    Error::NoSuchCount(match &names[..] {
        [] => "The poll has no segments.".to_owned(),
        names => format!("The poll has no dimension {by:?}. It has {}.", names.join(", ")),
    })
}
