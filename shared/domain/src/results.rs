//! Results: a poll and its lanes' tallies, summed up for readers.

pub mod answers;
pub mod assembled;
pub mod blurred;
pub mod cells;

use serde::Serialize;

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
    }
}

/// The results' entity tag: the poll's revision and status, and each lane's version.
pub fn results_tag(poll: &Poll, counts: &[Count], now: Timestamp) -> String {
    let versions: Vec<String> = counts.iter().map(|count| count.version.to_string()).collect();
    let status = match poll.rules.status(now) {
        Status::Scheduled => "s",
        Status::Open => "o",
        Status::Paused => "p",
        Status::Closed => "c",
    };
    format!("{}-{status}-{}", poll.rules.settings.revision, versions.join("."))
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
            json!({"poll_id": "p1", "status": "open", "ballots": 6, "as_of": at(12),
                "options": [{"id": 0, "label": "a", "votes": 6}, {"id": 1, "label": "b", "votes": 0}]})
        );
    }

    #[test]
    fn the_tag_holds_revision_status_and_each_lanes_version() {
        let lanes = [lane(3, at(12), [("ballots", 0), ("o0", 0), ("o1", 0)]), Count::default()];
        let tags = [9, 10, 20].map(|seconds| results_tag(&poll(), &lanes, at(seconds)));
        assert_eq!(tags, ["1-s-3.0", "1-o-3.0", "1-c-3.0"]);
        let mut paused = poll();
        paused.rules.settings.paused_from = Some(at(12));
        assert_eq!(results_tag(&paused, &lanes, at(12)), "1-p-3.0");
    }
}
