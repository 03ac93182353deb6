//! Every key string and attribute name of the tables. Nothing else builds one.

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
/// The time to live of all tables that have one, in seconds since the epoch.
pub const EXPIRES_AT: &str = "expires_at";

/// The item of a poll with all that a vote needs.
pub const RULES: &str = "RULES";
/// The item of a poll with its labels.
pub const OPTIONS: &str = "OPTIONS";
/// The item of a lane that is its truth.
pub const HEAD: &str = "HEAD";
/// The item of a lane that readers read.
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

/// What the keys of all SEEN rows begin with.
pub const SEEN_PREFIX: &str = "SEEN#";

/// The minute and the version of a SEEN row, by its key.
pub fn read_seen(key: &str) -> Option<(Minute, u64)> {
    let (minute, version) = key.strip_prefix(SEEN_PREFIX)?.split_once('#')?;
    Some((Minute::of(Timestamp::from_millis(minute.parse().ok()?)?), version.parse().ok()?))
}

/// `created_at#poll_id`, of fixed width: the order of an owner's polls.
pub fn owner_order(created_at: Timestamp, poll: &PollId) -> String {
    format!("{:015}#{poll}", created_at.as_millis())
}

/// The poll of a key `poll_id#sss`.
pub fn poll_of_partition(key: &str) -> Option<PollId> {
    key.split_once('#').and_then(|(poll, _)| PollId::parse(poll))
}
