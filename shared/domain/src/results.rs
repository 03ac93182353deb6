//! Results: a poll and its lanes' tallies, summed up for readers.

pub mod answers;
pub mod assembled;
pub mod blurred;
pub mod cells;
pub mod early;
pub mod poll_after;
pub mod reading;

use serde::Serialize;

use self::reading::{Reading, Version};
use super::{
    ids::PollId,
    poll::{Poll, Status},
    tally::{Count, Counters},
    time::Timestamp,
};

/// Results as the API shows them.
#[derive(Debug, Serialize)]
pub struct ResultsView<'a> {
    poll_id: &'a PollId,
    status: Status,
    ballots: i64,
    options: Vec<OptionResult<'a>>,
    as_of: Option<Timestamp>,
    #[serde(rename = "final")]
    is_final: bool,
    version: Version,
}

impl ResultsView<'_> {
    /// What was read of the counts at `at`.
    pub fn reading(&self, at: Timestamp) -> Reading {
        Reading { at, version: self.version, is_final: self.is_final, ballots: self.ballots, as_of: self.as_of }
    }
}

#[derive(Debug, Serialize)]
struct OptionResult<'a> {
    id: u8,
    label: &'a str,
    votes: i64,
}

/// Sums up a poll's lanes.
pub fn results<'a>(poll: &'a Poll, counts: &[Count], now: Timestamp) -> ResultsView<'a> {
    let mut total = Counters::default();
    counts.iter().for_each(|count| total.merge(&count.counters));
    let option = |(id, label): (u8, &'a String)| OptionResult { id, label, votes: shown(total.option(id)) };
    ResultsView {
        poll_id: &poll.rules.settings.poll_id,
        status: poll.rules.status(now),
        ballots: shown(total.ballots()),
        options: (0..).zip(&poll.options).map(option).collect(),
        as_of: counts.iter().filter_map(|count| count.as_of).max(),
        is_final: poll.rules.is_final_by(counts),
        version: Version::of_counts(&poll.rules.settings, counts),
    }
}

/// A counter may be negative for a while if votes arrive out of order.
fn shown(count: i64) -> i64 {
    count.max(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, poll_asked_for};
    use serde_json::json;

    fn poll() -> Poll {
        let body = json!({"question": "Q", "options": ["a", "b"], "opens_at": at(10), "closes_at": at(20)});
        poll_asked_for(body, at(0)).unwrap()
    }

    fn lane(version: u64, as_of: Timestamp, counters: [(&str, i64); 3]) -> Count {
        let counters = Counters::from_entries(counters.map(|(name, count)| (name.to_owned(), count)));
        Count { version, as_of: Some(as_of), counters, ..Count::default() }
    }

    #[test]
    fn results_sum_up_the_lanes_and_show_nothing_below_zero() {
        let lanes = [
            lane(3, at(12), [("ballots", 4), ("o0", 5), ("o1", -2)]),
            lane(7, at(11), [("ballots", 2), ("o0", 1), ("o1", 1)]),
            Count::default(),
        ];
        let poll = poll();
        assert_eq!(
            serde_json::to_value(results(&poll, &lanes, at(15))).unwrap(),
            json!({"poll_id": "p1", "status": "open", "ballots": 6, "as_of": at(12), "final": false, "version": {"poll": 1, "counts": 10},
                "options": [{"id": 0, "label": "a", "votes": 6}, {"id": 1, "label": "b", "votes": 0}]})
        );
    }
}
