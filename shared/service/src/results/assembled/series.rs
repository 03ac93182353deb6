//! A poll's votes by the time at which they were cast.

use landslide_domain::{
    error::Error,
    field_error::shortened,
    ids::PollId,
    poll::Status,
    results::{cells::Row, reading::Version},
    series::{SLOTS_MAX, SlotWidth},
    time::Timestamp,
};
use serde::Serialize;

use super::{
    AssembledPoll, NO_SERIES, broken,
    segments::{CountsView, is_false},
};

/// Which part of a series is asked for, and how coarse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesQuery {
    /// From when on. If `None`, from the opening.
    pub from: Option<Timestamp>,
    /// Until when. If `None`, until the newest vote.
    pub to: Option<Timestamp>,
    /// How many seconds a point sums up. If `None`, one slot.
    pub step_seconds: Option<u64>,
}

#[derive(Serialize)]
struct SeriesView<'a> {
    poll_id: &'a PollId,
    status: Status,
    /// What the poll is counted by.
    slot: &'static str,
    step_seconds: u64,
    /// The sum of all points.
    ballots: i64,
    points: Vec<PointView>,
    #[serde(skip_serializing_if = "is_false")]
    settling: bool,
    as_of: Option<Timestamp>,
    #[serde(rename = "final")]
    is_final: bool,
    version: Version,
    unavailable: Option<&'a str>,
}

#[derive(Serialize)]
struct PointView {
    at: Timestamp,
    #[serde(flatten)]
    counts: CountsView,
}

impl AssembledPoll {
    /// The series as JSON. Fails if the poll has none, or can't be shown in such steps.
    pub(in crate::results) fn series(&self, query: &SeriesQuery) -> Result<String, Error> {
        let settings = &self.poll.rules.settings;
        let width = settings.slot_width.ok_or_else(|| Error::NoSuchCount(NO_SERIES.to_owned()))?;
        let per_point = slots_per_point(query, width)?;
        let document = self.document()?;
        let (first, last) = self.slots(query, width);
        let points: Vec<(u16, Row)> =
            (first..last).step_by(per_point).map(|slot| self.point(slot, per_point, last)).collect();
        let view = SeriesView {
            poll_id: &settings.poll_id,
            status: settings.status(self.read_at),
            slot: width.name(),
            step_seconds: per_point as u64 * width.millis() / 1_000,
            ballots: points.iter().map(|(_, row)| row.ballots.max(0)).sum(),
            settling: points.iter().any(|(_, row)| row.is_settling()),
            points: points.iter().map(|(slot, row)| self.point_view(*slot, row, width)).collect(),
            as_of: document.as_ref().and_then(|document| document.as_of),
            is_final: self.further.is_final,
            version: self.version,
            unavailable: self.cells_unavailable(),
        };
        serde_json::to_string(&view).map_err(broken)
    }

    /// The first slot that is asked for, and the one after the last.
    fn slots(&self, query: &SeriesQuery, width: SlotWidth) -> (u16, u16) {
        let start = self.poll.rules.settings.start();
        let passed = |at: Timestamp| at.as_millis().saturating_sub(start.as_millis());
        let newest = self.further.cells.as_ref().and_then(|cells| cells.slots.keys().next_back());
        let after_newest = newest.map_or(0, |slot| slot + 1);
        let bounded = |slots: u64| slots.min(u64::from(SLOTS_MAX)) as u16;
        let first = query.from.map_or(0, |from| bounded(passed(from) / width.millis()));
        let last = query.to.map_or(after_newest, |to| bounded(passed(to).div_ceil(width.millis())));
        (first, last)
    }

    fn point(&self, first: u16, slots: usize, end: u16) -> (u16, Row) {
        let mut sum = Row::zero(self.columns());
        let last = usize::from(first).saturating_add(slots).min(usize::from(end)) as u16;
        if let Some(cells) = &self.further.cells {
            cells.slots.range(first..last).for_each(|(_, row)| sum.add(row));
        }
        (first, sum)
    }

    fn columns(&self) -> usize {
        let rules = &self.poll.rules;
        rules.settings.spec.columns(usize::from(rules.options))
    }

    fn point_view(&self, slot: u16, row: &Row, width: SlotWidth) -> PointView {
        let at = width.start_of(slot, self.poll.rules.settings.start());
        PointView { at, counts: self.counts(row) }
    }
}

/// How many slots a point sums up.
fn slots_per_point(query: &SeriesQuery, width: SlotWidth) -> Result<usize, Error> {
    let slot_seconds = width.millis() / 1_000;
    let step = query.step_seconds.unwrap_or(slot_seconds);
    if step == 0 || !step.is_multiple_of(slot_seconds) {
        let name = shortened(step.to_string(), 20);
        let detail = format!("The query's step of {name} s is no multiple of the poll's slots of {slot_seconds} s.");
        return Err(Error::NoSuchCount(detail));
    }
    Ok(usize::try_from(step / slot_seconds).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use landslide_aws::store::{Assembled, AssembledSnapshot};
    use landslide_domain::testing::{at, poll_asked_for};
    use serde_json::{Value, json};

    use super::*;

    /// A poll of an hour with votes in its first, second and fifth minute.
    fn poll() -> AssembledPoll {
        let body = json!({"question": "Q", "options": ["a", "b"], "series": true, "closes_at": at(3_600)});
        let row = |votes: [i64; 2]| json!({"ballots": votes[0] + votes[1], "columns": votes});
        let slots = json!({"0": row([3, 0]), "1": row([0, 2]), "4": row([1, -1])});
        let document = json!({"ballots": 5, "votes": [4, 1], "as_of": at(250), "seats": 1, "summary": null, "counts": {},
            "unavailable": null, "cells": {"segments": [], "slots": slots, "levels": []}, "blurred": []});
        let assembled = Assembled { generation: 1, versions: vec![1, 2], document: document.to_string() };
        let snapshot = AssembledSnapshot {
            poll: poll_asked_for(body, at(0)).unwrap(),
            assembled: Some(assembled),
            lease_until: None,
        };
        AssembledPoll::new(snapshot, at(300)).unwrap()
    }

    fn points(query: &SeriesQuery) -> Vec<(u64, i64)> {
        let shown: Value = serde_json::from_str(&poll().series(query).unwrap()).unwrap();
        let points = shown["points"].as_array().unwrap().iter();
        let points: Vec<(u64, i64)> = points
            .map(|point| {
                let at_ms = Timestamp::parse(point["at"].as_str().unwrap()).unwrap().as_millis();
                ((at_ms - at(0).as_millis()) / 1_000, point["ballots"].as_i64().unwrap())
            })
            .collect();
        assert_eq!(
            shown["ballots"],
            points.iter().map(|(_, ballots)| ballots).sum::<i64>(),
            "the parts sum to the total"
        );
        points
    }

    #[test]
    fn all_slots_until_the_newest_vote_are_points() {
        let all = SeriesQuery::default();
        assert_eq!(points(&all), [(0, 3), (60, 2), (120, 0), (180, 0), (240, 0)]);
        let shown: Value = serde_json::from_str(&poll().series(&all).unwrap()).unwrap();
        assert_eq!(
            (&shown["slot"], &shown["step_seconds"], &shown["settling"]),
            (&json!("minute"), &json!(60), &json!(true))
        );
        assert_eq!(shown["points"][4]["votes"], json!([1, 0]), "none below zero");
    }

    #[test]
    fn a_part_may_be_asked_for_in_wider_steps() {
        let step = |seconds| SeriesQuery { step_seconds: Some(seconds), ..SeriesQuery::default() };
        assert_eq!(points(&step(120)), [(0, 5), (120, 0), (240, 0)]);
        assert_eq!(points(&step(60_000)), [(0, 5)]);
        let part = SeriesQuery { from: Some(at(60)), to: Some(at(121)), ..SeriesQuery::default() };
        assert_eq!(points(&part), [(60, 2), (120, 0)]);
        let outside = SeriesQuery { from: Some(at(9_999)), ..SeriesQuery::default() };
        assert_eq!(points(&outside), []);
    }

    #[test]
    fn a_step_between_slots_is_refused() {
        for step in [1, 90] {
            let query = SeriesQuery { step_seconds: Some(step), ..SeriesQuery::default() };
            assert!(matches!(poll().series(&query), Err(Error::NoSuchCount(_))), "{step}");
        }
    }
}
