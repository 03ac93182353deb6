//! Every key string and attribute name in the tables. No other module builds one.

use crate::{
    ids::PollId,
    lane::{LaneKey, Partition},
    tally::Minute,
    time::Timestamp,
};

/// The partition key of Polls.
pub const POLL_ID: &str = "poll_id";
/// The sort key of Polls and of Tallies.
pub const ITEM: &str = "item";
/// The partition key of Votes.
pub const POLL_PARTITION: &str = "poll_partition";
/// The sort key of Votes.
pub const VOTER: &str = "voter";
/// The partition key of Tallies.
pub const POLL_LANE: &str = "poll_lane";
/// The time to live, in seconds since the epoch, in all tables that have one.
pub const EXPIRES_AT: &str = "expires_at";

/// The poll's item with everything a vote needs.
pub const RULES: &str = "RULES";
/// The poll's item with its labels.
pub const OPTIONS: &str = "OPTIONS";
/// The lane's item that is its truth.
pub const HEAD: &str = "HEAD";
/// The lane's item that readers read.
pub const COUNT: &str = "COUNT";

/// `poll_id#sss`: where all votes of a logical partition lie.
pub fn poll_partition(poll: &PollId, partition: Partition) -> String {
    format!("{poll}#{partition}")
}

/// `poll_id#lane`: where a lane's tally lies.
pub fn poll_lane(lane: &LaneKey) -> String {
    lane.to_string()
}

/// `SEEN#<minute>#<version>`, of fixed width, so that rows sort by minute and version.
pub fn seen(minute: Minute, version: u64) -> String {
    format!("{SEEN_PREFIX}{:015}#{version:020}", minute.start().as_millis())
}

/// The prefix that all SEEN rows share.
pub const SEEN_PREFIX: &str = "SEEN#";

/// Parses the key of a SEEN row into its minute and version.
pub fn read_seen(key: &str) -> Option<(Minute, u64)> {
    let (minute, version) = key.strip_prefix(SEEN_PREFIX)?.split_once('#')?;
    Some((Minute::of(Timestamp::from_millis(minute.parse().ok()?)?), version.parse().ok()?))
}

/// `created_at#poll_id`, of fixed width: the order of an owner's polls.
pub fn owner_order(created_at: Timestamp, poll: &PollId) -> String {
    format!("{:015}#{poll}", created_at.as_millis())
}

/// Parses the poll's id from a key `poll_id#sss`.
pub fn poll_of_partition(key: &str) -> Option<PollId> {
    key.split_once('#').and_then(|(poll, _)| PollId::parse(poll))
}
