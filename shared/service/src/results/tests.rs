use landslide_aws::testing::{Answer, Calls, stub};
use landslide_domain::{
    results::reading::Version,
    testing::{at, poll_asked_for},
};
use serde_json::json;

use super::*;

/// Renews nothing.
struct Nobody;

impl Renewal for Nobody {
    async fn ask(&self, _: &PollId) -> Result<(), String> {
        Ok(())
    }
}

/// Results from empty tables.
fn no_results() -> (CurrentResults<Nobody>, Calls) {
    let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
    let store = ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned());
    let assembled = AssembledStore::new(&aws, "tallies".to_owned());
    (CurrentResults::new(store, assembled, VoteStore::new(&aws, "votes".to_owned()), Nobody), calls)
}

#[tokio::main(flavor = "current_thread")]
async fn run<T>(future: impl Future<Output = T>) -> T {
    future.await
}

#[test]
fn that_there_is_no_poll_is_believed_for_a_second() {
    let (results, calls) = no_results();
    let nobody = PollId::parse("nobody").unwrap();
    let is_unknown = |ms: u64| {
        let found = run(results.document(&nobody, None, at(0).plus_millis(ms)));
        found.is_err_and(|error| error == Error::NoSuchPoll)
    };
    assert!([0, 1, 999].into_iter().all(is_unknown));
    assert_eq!(calls.all().len(), 1);
    assert!([1_000, 1_999].into_iter().all(is_unknown));
    assert_eq!(calls.all().len(), 2);
}

/// A document of a poll that has been open for 100 s, read later by this much, with as many ballots and this text.
fn document(read_ms: u64, ballots: i64, text: &str, before: Option<&ResultsDocument>) -> ResultsDocument {
    let poll = poll_asked_for(json!({"question": "Q", "options": ["a", "b"]}), at(0)).unwrap();
    let version = Version { poll: 1, counts: 1 };
    let reading = Reading { at: at(100).plus_millis(read_ms), version, is_final: false, ballots, as_of: Some(at(98)) };
    ResultsDocument::new(text.to_owned(), poll, reading, before)
}

#[test]
fn a_document_is_kept_for_a_second_in_all_and_asked_for_as_fast_as_votes_are_counted() {
    let first = document(0, 10, "", None);
    let reuse = |document: &ResultsDocument, now_ms: u64| {
        let Reuse { max_age_seconds, poll_after_seconds } = document.reuse(at(100).plus_millis(now_ms));
        (max_age_seconds, poll_after_seconds)
    };
    assert_eq!([0, 999, 1_000, 5_000].map(|now_ms| reuse(&first, now_ms)), [(1, 2), (1, 2), (0, 2), (0, 2)]);
    assert_eq!(reuse(&document(4_000, 11, "", Some(&first)), 4_000), (1, 4), "a vote in 4 s");
    assert_eq!(reuse(&document(4_000, 10, "", Some(&first)), 4_000), (1, 6), "none since 6 s ago");
    assert_eq!(reuse(&document(40_000, 999, "", Some(&first)), 40_000), (1, 2), "nobody knows");
}

#[test]
fn a_tag_names_the_text() {
    let tags = ["a", "b", "a"].map(|text| document(0, 1, text, None).tag);
    assert_eq!(tags[0], "ca978112ca1bbdcafac231b39a23dc4d", "half of its SHA-256");
    assert!(tags[0] == tags[2] && tags[0] != tags[1]);
}
