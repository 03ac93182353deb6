//! A poll's votes by the time at which they were cast.

use landslide_domain::{
    error::Error,
    field_error::shortened,
    ids::PollId,
    poll::Status,
    results::cells::Row,
    series::{SLOTS_MAX, SlotWidth},
    time::Timestamp,
};
use serde::Serialize;

use super::{
    AssembledPoll, broken,
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
        let width = settings.slot_width.ok_or_else(|| Error::NoSuchCount("The poll has no series.".to_owned()))?;
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
        rules.settings.spec.columns(usize::from(rules.options)) - 1
    }

    fn point_view(&self, slot: u16, row: &Row, width: SlotWidth) -> PointView {
        let at = self.poll.rules.settings.start().plus_millis(u64::from(slot) * width.millis());
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
