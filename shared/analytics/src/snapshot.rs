//! A reading of one poll with its counts: what the tables hold of it.

use landslide_domain::{
    ids::PollId,
    poll::Poll,
    results::reading::Version,
    tally::{Count, Counters},
    tenant::TenantKey,
    time::Timestamp,
};
use serde::Serialize;

/// A poll with its counts, read at one time past every cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollSnapshot {
    /// The poll.
    pub poll_id: PollId,
    /// Of two readings, the later one has the greater.
    pub version: u64,
    /// Whose it is.
    pub tenant: TenantKey,
    /// Its question.
    pub question: String,
    /// Its kind, by the API's word.
    pub kind: String,
    /// Who may vote, by the API's word.
    pub identity: String,
    /// Who may see its results, by the API's word.
    pub results: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it opens, if that was said.
    pub opens_at: Option<Timestamp>,
    /// When it closes, if that was said.
    pub closes_at: Option<Timestamp>,
    /// How many votes stand.
    pub ballots: u64,
    /// `cast_at` of the newest vote counted.
    pub as_of: Option<Timestamp>,
    /// Whether the counts are final.
    pub is_final: bool,
    /// The labels, by option id. Empty in a poll of texts.
    pub labels: Vec<String>,
    /// The votes, by option id.
    pub votes: Vec<i64>,
    /// The rows of its dimensions, as its tenant sees them.
    pub segments: Vec<SegmentCount>,
}

/// Ballots of the voters who have one value in a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentCount {
    /// The dimension's name.
    pub dimension: String,
    /// The value. `None` for voters who have none of the dimension's.
    pub value: Option<String>,
    /// How many votes stand.
    pub ballots: i64,
    /// The votes, by option id.
    pub votes: Vec<i64>,
}

impl PollSnapshot {
    /// A poll and all its lanes. Counts that are negative for a while, as votes came out of order, are 0.
    pub fn new(poll: &Poll, counts: &[Count]) -> Self {
        let (settings, spec) = (&poll.rules.settings, &poll.rules.settings.spec);
        let mut total = Counters::default();
        counts.iter().for_each(|count| total.merge(&count.counters));
        let is_final = poll.rules.is_final_by(counts);
        let version = Version::of_counts(settings, counts);
        Self {
            poll_id: settings.poll_id.clone(),
            // That counts are final has no revision: it would look like a repeat.
            version: version.poll + version.counts + u64::from(is_final),
            tenant: poll.rules.tenant.clone(),
            question: storable(&spec.question),
            kind: word(&spec.kind),
            identity: word(&spec.identity),
            results: word(&spec.results),
            created_at: settings.created_at,
            opens_at: spec.opens_at,
            closes_at: spec.closes_at,
            ballots: total.ballots().max(0).unsigned_abs(),
            as_of: counts.iter().filter_map(|count| count.as_of).max(),
            is_final,
            labels: poll.options.iter().map(|label| storable(label)).collect(),
            votes: (0..).zip(&poll.options).map(|(id, _)| total.option(id).max(0)).collect(),
            segments: Vec::new(),
        }
    }
}

/// PostgreSQL has no text with a zero byte; polls from before that was refused may have one.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The word that the API has for it. Empty if it has none, which no setting's type allows.
fn word(setting: &impl Serialize) -> String {
    serde_json::to_value(setting).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use landslide_domain::{
        poll::Finality,
        testing::{at, poll_asked_for},
    };
    use serde_json::json;

    use super::*;

    fn lane(version: u64, seconds: u64, counters: [(&str, i64); 3]) -> Count {
        let counters = Counters::from_entries(counters.map(|(name, count)| (name.to_owned(), count)));
        Count { version, as_of: Some(at(seconds)), counters, ..Count::default() }
    }

    fn poll() -> Poll {
        let body = json!({"question": "Q", "kind": "multiple", "max_choices": 2, "options": ["a", "b"]});
        poll_asked_for(body, at(0)).unwrap()
    }

    #[test]
    fn a_snapshot_sums_up_the_lanes_and_shows_nothing_below_zero() {
        let lanes =
            [lane(3, 12, [("ballots", 4), ("o0", 5), ("o1", -2)]), lane(7, 11, [("ballots", 2), ("o0", 1), ("o1", 1)])];
        let snapshot = PollSnapshot::new(&poll(), &lanes);
        assert_eq!((snapshot.version, snapshot.ballots, snapshot.as_of), (11, 6, Some(at(12))));
        assert_eq!((snapshot.labels, snapshot.votes), (vec!["a".to_owned(), "b".to_owned()], vec![6, 0]));
        assert_eq!([snapshot.kind, snapshot.identity, snapshot.results], ["multiple", "device", "always"]);
    }

    #[test]
    fn what_becomes_final_is_newer_than_the_same_counts_before() {
        let lanes = [lane(3, 12, [("ballots", 4), ("o0", 5), ("o1", 2)])];
        let before = PollSnapshot::new(&poll(), &lanes);
        let mut sealed = poll();
        sealed.rules.finality = Some(Finality { versions: vec![3], ..Finality::default() });
        let after = PollSnapshot::new(&sealed, &lanes);
        assert_eq!((before.version, before.is_final, after.version, after.is_final), (4, false, 5, true));
    }

    #[test]
    fn a_text_that_the_database_would_refuse_is_mended() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
    }
}
