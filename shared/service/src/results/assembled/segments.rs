//! A poll's votes by the values of a dimension.

use landslide_domain::{
    error::Error,
    ids::PollId,
    poll::{Dimension, Status},
    results::{blurred::Blurred, cells::Row, reading::Version},
    time::Timestamp,
};
use serde::Serialize;

use super::{AssembledPoll, NO_SEGMENTS, broken};

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
    #[serde(rename = "final")]
    is_final: bool,
    version: Version,
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
        let is_exact = is_own && dimension.is_said();
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
            is_final: self.further.is_final,
            version: self.version,
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
        [] => NO_SEGMENTS.to_owned(),
        names => format!("The poll has no dimension {by:?}. It has {}.", names.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use landslide_aws::store::{Assembled, AssembledSnapshot};
    use landslide_domain::testing::{at, poll_asked_for};
    use serde_json::{Value, json};

    use super::*;

    /// A poll whose regions say this, and what others are shown of it.
    fn poll(from: &str, rows: &Value) -> AssembledPoll {
        let values = if from == "country" { ["NL", "BE"] } else { ["north", "south"] };
        let region = json!({"name": "region", "values": values, "from": from});
        let body = json!({"question": "Q", "options": ["a", "b"], "segments": [region]});
        let moving = json!({"row": rows[1], "moved_at": at(1)});
        let document = json!({"ballots": 9, "votes": [9, 0], "as_of": at(77), "seats": 1, "summary": null, "counts": {},
            "unavailable": null, "cells": {"segments": [rows], "slots": {}, "levels": []},
            "blurred": [{"rows": [null, moving, null], "others": {"row": rows[2], "moved_at": at(1)}}]});
        let assembled = Assembled { generation: 1, versions: vec![1, 2], document: document.to_string() };
        let snapshot = AssembledSnapshot {
            poll: poll_asked_for(body, at(0)).unwrap(),
            assembled: Some(assembled),
            lease_until: None,
        };
        AssembledPoll::new(snapshot, at(99)).unwrap()
    }

    fn shown(poll: &AssembledPoll, is_own: bool) -> Value {
        serde_json::from_str(&poll.segments(None, is_own).unwrap()).unwrap()
    }

    fn some_rows() -> Value {
        let row = |votes: [i64; 2]| json!({"ballots": votes[0] + votes[1], "columns": votes});
        json!([row([1, 0]), row([6, 0]), row([-1, 3])])
    }

    #[test]
    fn the_tenant_sees_rows_as_they_are_and_none_below_zero() {
        let own = shown(&poll("vote", &some_rows()), true);
        let row =
            |value: Value, votes: [i64; 2], ballots: i64| json!({"value": value, "ballots": ballots, "votes": votes});
        let rows = json!([row(Value::Null, [1, 0], 1), row(json!("north"), [6, 0], 6), row(json!("south"), [0, 3], 2)]);
        assert_eq!((&own["rows"], &own["ballots"], &own["settling"]), (&rows, &json!(9), &json!(true)));
        assert_eq!((&own["blurred"], &own["others"], &own["as_of"]), (&json!(false), &Value::Null, &json!(at(77))));
    }

    #[test]
    fn others_see_blurred_rows_and_so_does_the_tenant_where_the_voter_does_not_say_whose_they_are() {
        let others = shown(&poll("vote", &some_rows()), false);
        assert_eq!(others["rows"], json!([{"value": "north", "ballots": 6, "votes": [6, 0]}]));
        assert_eq!((&others["others"]["ballots"], &others["ballots"]), (&json!(2), &json!(8)), "the parts' sum");
        assert_eq!(others["as_of"], json!(at(77).minute()));
        assert_eq!(others["version"], json!({"poll": 1, "counts": 3}));
        for from in ["claim:region", "country"] {
            assert_eq!(shown(&poll(from, &some_rows()), true), shown(&poll(from, &some_rows()), false));
        }
    }

    #[test]
    fn a_dimension_that_is_none_is_refused_and_the_others_are_named() {
        let refused = poll("vote", &some_rows()).segments(Some("age"), true).unwrap_err();
        let said = "The poll has no dimension \"age\". It has region.";
        assert_eq!(refused, Error::NoSuchCount(said.to_owned()));
    }
}
