//! Polls to write.

use landslide_analytics::snapshot::{PollSnapshot, SegmentCount};
use landslide_domain::{
    ids::PollId,
    tenant::{Tenant, TenantKey},
    time::Timestamp,
};

use crate::database::at;

pub fn id(text: &str) -> PollId {
    PollId::parse(text).unwrap()
}

pub fn tenant(subject: &str) -> TenantKey {
    Tenant::account("https://id.example.org", subject).key()
}

/// A poll of a tenant, at this version, with these votes counted at that time.
pub fn snapshot(poll: &str, subject: &str, version: u64, as_of: Timestamp, votes: [i64; 2]) -> PollSnapshot {
    let ballots = votes[0] + votes[1];
    let segment = |value: Option<&str>, votes: [i64; 2]| SegmentCount {
        dimension: "region".to_owned(),
        value: value.map(str::to_owned),
        ballots: votes[0] + votes[1],
        votes: votes.to_vec(),
    };
    PollSnapshot {
        poll_id: id(poll),
        version,
        tenant: tenant(subject),
        question: format!("What of {poll}?"),
        kind: "single".to_owned(),
        identity: "device".to_owned(),
        results: "always".to_owned(),
        created_at: at("2026-10-01T00:00:00Z"),
        opens_at: None,
        closes_at: Some(at("2026-12-24T00:00:00Z")),
        ballots: ballots.unsigned_abs(),
        as_of: Some(as_of),
        is_final: false,
        labels: vec!["yes".to_owned(), "no".to_owned()],
        votes: votes.to_vec(),
        segments: vec![segment(Some("north"), [votes[0], 0]), segment(None, [0, votes[1]])],
    }
}
