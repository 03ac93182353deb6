//! Every key string and attribute name in the tables. No other module builds one.

use crate::{
    due::{Job, Slot},
    ids::PollId,
    lane::{LaneKey, Partition, Split},
    opaque_token::TokenId,
    runs::RunName,
    tally::Minute,
    time::Timestamp,
};

/// The partition key of Polls.
pub const POLL_ID: &str = "poll_id";
/// The sort key of Polls, Tallies and Tenants.
pub const ITEM: &str = "item";
/// The partition key of Votes.
pub const POLL_PARTITION: &str = "poll_partition";
/// The sort key of Votes.
pub const VOTER: &str = "voter";
/// The partition key of Tallies.
pub const POLL_LANE: &str = "poll_lane";
/// The key of the tenant that a poll belongs to. Its name is older than tenants.
pub const OWNER: &str = "owner";
/// The time to live, in seconds since the epoch, in all tables that have one.
pub const EXPIRES_AT: &str = "expires_at";

/// The partition key of Audit: a tenant's key.
pub const TENANT: &str = "tenant";

/// The partition key of Tenants: a tenant's key, or the kind and id of what is looked up by id.
pub const SCOPE: &str = "scope";

/// The poll's item with everything a vote needs.
pub const RULES: &str = "RULES";
/// The poll's item with its labels.
pub const OPTIONS: &str = "OPTIONS";
/// The poll's item with the answers that it hides. It sorts before the others, which a query leaves it out by.
pub const HIDDEN: &str = "HIDDEN";
/// The lane's item that is its truth.
pub const HEAD: &str = "HEAD";
/// The lane's item that readers read.
pub const COUNT: &str = "COUNT";

/// The attribute of RULES that says when something is due in the poll by itself, and the index by it.
pub const DUE: &str = "due";

/// `<minute>#<share>`, of fixed width: what is due then is found by it.
pub fn due(slot: Slot) -> String {
    format!("{:010}#{:02}", slot.minute, slot.share)
}

/// The partition key of Jobs.
pub const JOB: &str = "job";
/// How far the minutes were looked through.
pub const TICK: &str = "tick";

/// `<job>#<poll_id>`: the state of a job over a poll.
pub fn job(job: Job, poll: &PollId) -> String {
    format!("{}#{poll}", job.name())
}

/// Parses the key of a job's state into the job and its poll.
pub fn read_job(key: &str) -> Option<(Job, PollId)> {
    let (name, poll) = key.split_once('#')?;
    Some((Job::ALL.into_iter().find(|job| job.name() == name)?, PollId::parse(poll)?))
}

/// `event#<name>#<poll_id>`: that something is to be told of a poll.
pub fn event(name: &str, poll: &PollId) -> String {
    format!("event#{name}#{poll}")
}

/// `changed#<share>`: marks of polls that have changed.
pub fn changed(share: u8) -> String {
    format!("changed#{share:02}")
}

/// `<minute>#<poll_id>`, of fixed width, so that marks sort by minute.
pub fn mark(minute: u64, poll: &PollId) -> String {
    format!("{minute:010}#{poll}")
}

/// Parses the key of a mark into its minute and poll.
pub fn read_mark(key: &str) -> Option<(u64, PollId)> {
    let (minute, poll) = key.split_once('#')?;
    Some((minute.parse().ok()?, PollId::parse(poll)?))
}

/// How far all polls were compared with their copies.
pub const COMPARISON: &str = "compare-analytics";

/// `PART#<split>#<part>`, of fixed width: what one part of a poll's votes adds to the lane.
pub fn part(split: Split, part: u16) -> String {
    format!("PART#{:015}#{part:04}", split.at.as_millis())
}

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

/// `poll_id#results`: where what is assembled of a poll lies.
pub fn poll_results(poll: &PollId) -> String {
    format!("{poll}#results")
}

/// What is assembled of a poll for readers.
pub const RESULT: &str = "RESULT";
/// Until when nobody need renew it.
pub const LEASE: &str = "LEASE";

/// `poll_id#lane#n`: one of the `RUN_PARTITIONS` keys over which a lane's runs are spread.
pub fn run_partition(lane: &LaneKey, place: usize) -> String {
    format!("{lane}#{place}")
}

/// Over how many keys a lane's runs are spread.
pub const RUN_PARTITIONS: usize = 16;

/// On which of them a row of a run lies. A run's rows follow each other, and so do the first rows of runs: most runs have
/// one row, and many are deleted together.
pub fn run_place(name: RunName, number: usize) -> usize {
    (name.version as usize % RUN_PARTITIONS + number) % RUN_PARTITIONS
}

/// `RUN#<version>-<attempt>#<number>`, of fixed width: a row of a run.
pub fn run(name: RunName, number: usize) -> String {
    format!("{RUN_PREFIX}{:020}-{:016x}#{number:05}", name.version, name.attempt)
}

/// The prefix that all rows of runs share.
pub const RUN_PREFIX: &str = "RUN#";

/// Parses the key of a run's row into the run's name and the row's number.
pub fn read_run(key: &str) -> Option<(RunName, usize)> {
    let (name, number) = key.strip_prefix(RUN_PREFIX)?.split_once('#')?;
    let (version, attempt) = name.split_once('-')?;
    let name = RunName { version: version.parse().ok()?, attempt: u64::from_str_radix(attempt, 16).ok()? };
    Some((name, number.parse().ok()?))
}

/// `ROW#<number>`, of fixed width: a row of the audit log.
pub fn audit_row(sequence: u64) -> String {
    format!("{AUDIT_ROW_PREFIX}{sequence:015}")
}

/// The prefix that all rows of the audit log share.
const AUDIT_ROW_PREFIX: &str = "ROW#";
/// The last number that a row of the audit log can have.
pub const AUDIT_ROW_MAX: u64 = 999_999_999_999_999;

/// Parses the number of a row of the audit log from its key.
pub fn read_audit_row(key: &str) -> Option<u64> {
    key.strip_prefix(AUDIT_ROW_PREFIX)?.parse().ok()
}

/// `EVENT#<name>`: says that the audit log has the event.
pub fn audit_event(event: &str) -> String {
    format!("EVENT#{event}")
}

/// `key#<id>`: where an API key is looked up. A tenant's key has a space or a tab, which this has not.
pub fn key_scope(key: TokenId) -> String {
    format!("key#{key}")
}

/// `view#<id>`: where a view link is looked up.
pub fn view_scope(view: TokenId) -> String {
    format!("view#{view}")
}

/// `poll#<poll_id>`: where a poll's view links are listed.
pub fn poll_scope(poll: &PollId) -> String {
    format!("poll#{poll}")
}

/// The one item of a scope by id.
pub const TOKEN: &str = "TOKEN";

/// `KEY#<id>`: an API key as its tenant's list shows it.
pub fn listed_key(key: TokenId) -> String {
    format!("{KEY_PREFIX}{key}")
}

/// The prefix that all of a tenant's API keys share.
pub const KEY_PREFIX: &str = "KEY#";

/// `VIEW#<id>`: a view link as its poll's list shows it.
pub fn listed_view(view: TokenId) -> String {
    format!("{VIEW_PREFIX}{view}")
}

/// The prefix that all of a poll's view links share.
pub const VIEW_PREFIX: &str = "VIEW#";

/// The tenant's own limits.
pub const LIMITS: &str = "LIMITS";

/// `DAY#<date of UTC>`: what a tenant has used on a day.
pub fn day_use(at: Timestamp) -> String {
    format!("{DAY_USE_PREFIX}{}", at.day())
}

/// The prefix that all days of a tenant share.
pub const DAY_USE_PREFIX: &str = "DAY#";

/// `created_at#poll_id`, of fixed width: the order of an owner's polls.
pub fn owner_order(created_at: Timestamp, poll: &PollId) -> String {
    format!("{}#{poll}", owner_order_from(created_at))
}

/// Where in the order of an owner's polls those begin that were created at a time or later.
pub fn owner_order_from(created_at: Timestamp) -> String {
    format!("{:015}", created_at.as_millis())
}

/// Parses the poll's id from a key `poll_id#sss`.
pub fn poll_of_partition(key: &str) -> Option<PollId> {
    key.split_once('#').and_then(|(poll, _)| PollId::parse(poll))
}

/// Parses the poll's id from a key `poll_id#lane`.
pub fn poll_of_lane(key: &str) -> Option<PollId> {
    let (poll, lane) = key.split_once('#')?;
    lane.parse::<u8>().ok().and_then(|_| PollId::parse(poll))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::VoterKey,
        lane::Partitions,
        tenant::{Tenant, TenantKey},
    };

    fn poll() -> PollId {
        PollId::parse("p-1").unwrap()
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    #[test]
    fn the_key_of_a_partition_names_its_poll() {
        let partition = Partitions::Few.of(&VoterKey::from_bytes([0; 16]));
        let key = poll_partition(&poll(), partition);
        assert_eq!(key, format!("p-1#{partition}"));
        assert_eq!(poll_of_partition(&key), Some(poll()));
        assert_eq!(poll_of_partition("p-1"), None);
    }

    #[test]
    fn the_key_of_a_lane_is_its_poll_and_number() {
        assert_eq!(poll_lane(&LaneKey { poll: poll(), lane: 7 }), "p-1#7");
        assert_eq!(poll_of_lane("p-1#7"), Some(poll()));
        assert_eq!(["p-1", "p-1#results", "p-1#7#3", "#7"].map(poll_of_lane), [None, None, None, None]);
    }

    #[test]
    fn marks_sort_by_minute_and_are_read_as_written() {
        let keys = [9, 10, 29_834_567].map(|minute| mark(minute, &poll()));
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(keys[2], "0029834567#p-1");
        assert_eq!(keys.each_ref().map(|key| read_mark(key)), [9, 10, 29_834_567].map(|minute| Some((minute, poll()))));
        assert_eq!(["STATE", "x#p-1", "7#"].map(read_mark), [None, None, None]);
        assert_eq!(changed(7), "changed#07");
        assert_eq!(read_job(&changed(7)), None, "no job's state");
    }

    #[test]
    fn keys_of_rows_are_read_as_written_and_sort_by_minute_and_version() {
        let places = [(0, 1), (1_790_000_000_000, 9), (1_790_000_000_000, 10), (1_790_000_060_000, 2)];
        let places = places.map(|(millis, version)| (Minute::of(at(millis)), version));
        let keys = places.map(|(minute, version)| seen(minute, version));
        assert!(keys.is_sorted() && keys.iter().all(|key| key.starts_with(SEEN_PREFIX)), "{keys:?}");
        assert_eq!(keys.each_ref().map(|key| read_seen(key)), places.map(Some));
        assert_eq!(read_seen(HEAD), None);
    }

    #[test]
    fn keys_are_as_the_tables_hold_them() {
        let id = TokenId::from_bytes([7; 10]);
        assert_eq!(key_scope(id), "key#07070707070707070707");
        assert_eq!(view_scope(id), "view#07070707070707070707");
        assert_eq!(poll_scope(&poll()), "poll#p-1");
        assert_eq!(listed_key(id), "KEY#07070707070707070707");
        assert_eq!(listed_view(id), "VIEW#07070707070707070707");
        assert_eq!(day_use(at(1_790_000_000_000)), "DAY#2026-09-21");
        assert_eq!(audit_event("p-1#2"), "EVENT#p-1#2");
        assert_eq!(poll_results(&poll()), "p-1#results");
    }

    #[test]
    fn a_runs_rows_are_spread_and_read_as_written() {
        let lane = LaneKey { poll: poll(), lane: 7 };
        let name = RunName { version: 12, attempt: u64::MAX - 1 };
        assert_eq!([0, 3, 4, 33].map(|number| run_place(name, number)), [12, 15, 0, 13]);
        assert_eq!(run_place(RunName { version: u64::MAX, ..name }, 1), 0);
        assert_eq!(run_partition(&lane, 12), "p-1#7#12");
        let key = run(name, 3);
        assert_eq!(key, "RUN#00000000000000000012-fffffffffffffffe#00003");
        assert_eq!(read_run(&key), Some((name, 3)));
        assert_eq!(read_run(HEAD), None);
    }

    #[test]
    fn what_is_looked_up_by_id_is_no_tenants() {
        let id = TokenId::from_bytes([7; 10]);
        for scope in [key_scope(id), view_scope(id), poll_scope(&poll())] {
            assert!(!scope.contains(char::is_whitespace), "{scope}");
            assert_eq!(TenantKey::stored(&scope).tenant(), None, "{scope}");
            let issuer = scope.as_str();
            assert!(
                [Tenant::account(issuer, ""), Tenant::account("", issuer)].iter().all(|it| it.key().as_str() != scope)
            );
        }
    }

    #[test]
    fn rows_of_the_audit_log_sort_by_their_number_and_are_no_events() {
        let keys = [1, 2, 10, AUDIT_ROW_MAX].map(audit_row);
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(keys.each_ref().map(|key| read_audit_row(key)), [1, 2, 10, AUDIT_ROW_MAX].map(Some));
        assert_eq!(read_audit_row(&audit_event("p1#1")), None);
    }

    #[test]
    fn an_owners_polls_sort_by_their_creation() {
        let keys = [9, 10, 1_790_000_000_000].map(|millis| owner_order(at(millis), &poll()));
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(keys[2], "001790000000000#p-1");
        let from = [10, 11].map(|millis| owner_order_from(at(millis)));
        assert!(keys[0] < from[0] && from[0] < keys[1] && keys[1] < from[1], "{keys:?} {from:?}");
    }
}
