use landslide_shared::testing::{Answer, Calls, at, stub};
use serde_json::json;

use super::*;

/// The endpoint over tables in which there is nothing.
fn app() -> (App, Calls) {
    let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
    let store = ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned());
    (App::new(store, VoteStore::new(&aws, "votes".to_owned())), calls)
}

#[tokio::main(flavor = "current_thread")]
async fn run<T>(future: impl Future<Output = T>) -> T {
    future.await
}

#[test]
fn that_there_is_no_poll_is_believed_for_a_second() {
    let (app, calls) = app();
    let nobody = PollId::parse("nobody").unwrap();
    let is_unknown = |ms: u64| {
        let found = run(current(&app, &nobody, at(0).plus_millis(ms)));
        matches!(found, Err(error) if format!("{error:?}") == format!("{:?}", Error::poll_not_found()))
    };
    assert!([0, 1, 999].into_iter().all(is_unknown));
    assert_eq!(calls.all().len(), 1);
    assert!([1_000, 1_999].into_iter().all(is_unknown));
    assert_eq!(calls.all().len(), 2);
}
