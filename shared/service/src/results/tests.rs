use landslide_aws::testing::{Answer, Calls, stub};
use landslide_domain::testing::at;
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
