use landslide_aws::testing::{Answer, Calls, stub};
use landslide_domain::testing::{at, poll_asked_for};
use serde_json::{Value, json};

use super::*;
use crate::current::UNKNOWN_MAX;

/// A table in which `p1` is the only poll. Nobody changes it.
fn polls() -> (CurrentPolls, Calls) {
    let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
    let poll = poll_asked_for(json!({"question": "Q", "options": ["a", "b"]}), at(0)).unwrap();
    run(PollStore::new(&aws, "polls".to_owned()).create(&poll, &[])).unwrap();
    let items = items_written(&calls);
    let (aws, calls) = stub(move |call, _| match call.body["ExpressionAttributeValues"][":poll_id"]["S"].as_str() {
        Some("p1") => Answer::Ok(json!({"Items": items})),
        _ => Answer::Ok(json!({"Items": []})),
    });
    (CurrentPolls::new(PollStore::new(&aws, "polls".to_owned())), calls)
}

fn items_written(calls: &Calls) -> Vec<Value> {
    let written = calls.all()[0].body["TransactItems"].as_array().unwrap().clone();
    written.iter().map(|write| write["Put"]["Item"].clone()).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn run<T>(future: impl Future<Output = T>) -> T {
    future.await
}

fn id(text: &str) -> PollId {
    PollId::parse(text).unwrap()
}

#[test]
fn that_there_is_no_poll_is_believed_for_a_second() {
    let (polls, calls) = polls();
    let is_unknown = |ms: u64| {
        let found = run(polls.poll(&id("nobody"), at(0).plus_millis(ms)));
        found.is_err_and(|error| error == Error::NoSuchPoll)
    };
    assert!([0, 1, 999].into_iter().all(is_unknown));
    assert_eq!(calls.all().len(), 1);
    assert!([1_000, 1_999].into_iter().all(is_unknown));
    assert_eq!(calls.all().len(), 2);
}

#[test]
fn ids_that_no_poll_has_push_out_no_poll() {
    let (polls, calls) = polls();
    assert!(run(polls.poll(&id("p1"), at(0))).is_ok());
    for number in 0..=UNKNOWN_MAX {
        assert!(run(polls.poll(&id(&format!("nobody-{number}")), at(0))).is_err());
    }
    let before = calls.all().len();
    assert!(run(polls.poll(&id("p1"), at(0))).is_ok());
    assert_eq!(calls.all().len(), before);
}
