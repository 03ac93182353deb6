//! Results: a poll and the tallies of its lanes, summed up for readers.

use serde::Serialize;

use super::{
    ids::PollId,
    poll::{Poll, Status},
    tally::{Counters, Head},
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

/// The results of a poll from the counts of its lanes.
pub fn results<'a>(poll: &'a Poll, counts: &[Head], now: Timestamp) -> ResultsView<'a> {
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

/// The entity tag of those results, from the poll's revision and status and each lane's version.
pub fn results_tag(poll: &Poll, counts: &[Head], now: Timestamp) -> String {
    let versions: Vec<String> = counts.iter().map(|count| count.version.to_string()).collect();
    let status = match poll.rules.status(now) {
        Status::Scheduled => "s",
        Status::Open => "o",
        Status::Closed => "c",
    };
    format!("{}-{status}-{}", poll.rules.settings.revision, versions.join("."))
}

/// With votes out of order a counter may be negative for a while.
fn shown(count: i64) -> i64 {
    count.max(0)
}
