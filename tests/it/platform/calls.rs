//! What a vote costs: its calls of AWS, counted over a stub. Needs no stack.

use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use cast_vote::{App, handle};
use landslide_aws::{
    store::{PollStore, VoteStore},
    testing::{Answer, Calls, stub},
};
use landslide_domain::{testing::poll_asked_for, time::Timestamp};
use landslide_edge::Request;
use landslide_service::votes::Votes;
use serde_json::{Value, json};

use crate::support::{now_ms, vote_event};

/// The endpoint over a stub of AWS that keeps what is put, item by key, and refuses to put a key twice.
struct Scene {
    app: Arc<App>,
    calls: Calls,
}

impl Scene {
    async fn with_a_poll(body: Value) -> Self {
        let items: Mutex<Vec<Value>> = Mutex::default();
        let (aws, calls) = stub(move |call, _| {
            let mut items = items.lock().unwrap();
            let same = |key: &Value, item: &Value| {
                ["poll_id", "item", "poll_partition", "voter"].iter().all(|name| key[name] == item[name])
            };
            match call.operation.as_str() {
                "TransactWriteItems" => {
                    let puts = call.body["TransactItems"].as_array().unwrap();
                    items.extend(puts.iter().map(|put| put["Put"]["Item"].clone()));
                    Answer::Ok(json!({}))
                }
                "GetItem" => match items.iter().find(|item| same(&call.body["Key"], item)) {
                    Some(item) => Answer::Ok(json!({"Item": item})),
                    None => Answer::Ok(json!({})),
                },
                "PutItem" => match items.iter().find(|item| same(&call.body["Item"], item)) {
                    Some(item) => Answer::condition_failed(item.clone()),
                    None => {
                        items.push(call.body["Item"].clone());
                        Answer::Ok(json!({}))
                    }
                },
                other => panic!("{other} is no call of a vote"),
            }
        });
        let poll = poll_asked_for(body, Timestamp::from_millis(now_ms()).unwrap()).unwrap();
        PollStore::new(&aws, "polls".to_owned()).create(&poll, &[]).await.unwrap();
        let votes = Votes::new(PollStore::new(&aws, "polls".to_owned()), VoteStore::new(&aws, "votes".to_owned()));
        Self { app: Arc::new(App { votes, origin: Default::default() }), calls }
    }

    /// Casts a vote; its status or what it was refused with, and the calls that it took.
    async fn cast(&self, voter: &str, choices: Value) -> (String, Vec<String>) {
        let before = self.calls.all().len();
        let authorizer = json!({
            "issuer": "https://id.example.org", "subject": voter, "kind": "account",
            "expires_at": (now_ms() + 60_000).to_string(),
        });
        let event = vote_event("p1", authorizer, &choices);
        let request = Request::new(serde_json::from_value(event).unwrap(), SystemTime::now());
        let outcome = match handle(self.app.clone(), request).await {
            Ok(reply) => format!("{reply:?}").split(',').next().unwrap().replace("Reply { status: ", ""),
            Err(landslide_edge::Error::UseCase(failure)) => format!("{failure:?}"),
            Err(error) => format!("{error:?}"),
        };
        (outcome, self.calls.operations().split_off(before))
    }
}

fn colours() -> Value {
    json!({"question": "Best colour?", "options": ["Red", "Blue"]})
}

#[tokio::test]
async fn the_first_vote_of_a_process_reads_the_poll_and_writes_the_vote() {
    let scene = Scene::with_a_poll(colours()).await;
    let (outcome, calls) = scene.cast("alice", json!([0])).await;
    assert_eq!((outcome.as_str(), calls), ("201", vec!["GetItem".to_owned(), "PutItem".to_owned()]));
}

#[tokio::test]
async fn a_first_vote_a_repeat_and_a_second_vote_cost_one_call_each() {
    let scene = Scene::with_a_poll(colours()).await;
    scene.cast("who warms the cache", json!([0])).await;
    for (choice, expected) in [(0, "201"), (0, "200"), (1, "AlreadyVoted")] {
        let (outcome, calls) = scene.cast("alice", json!([choice])).await;
        assert_eq!((outcome.as_str(), calls), (expected, vec!["PutItem".to_owned()]));
    }
}

#[tokio::test]
async fn a_vote_that_is_refused_for_its_choices_costs_no_call() {
    let scene = Scene::with_a_poll(colours()).await;
    scene.cast("who warms the cache", json!([0])).await;
    for choices in [json!([7]), json!([]), json!(["0"]), json!([0, 1])] {
        let (outcome, calls) = scene.cast("alice", choices).await;
        assert!(outcome.starts_with("Invalid"), "{outcome}");
        assert!(calls.is_empty(), "{calls:?}");
    }
}

#[tokio::test]
async fn a_vote_before_the_opening_costs_no_write() {
    let mut body = colours();
    body["opens_at"] = json!("2099-01-01T00:00:00Z");
    let scene = Scene::with_a_poll(body).await;
    let (outcome, calls) = scene.cast("alice", json!([0])).await;
    assert_eq!(outcome, "PollNotOpen");
    assert!(calls.iter().all(|call| call == "GetItem"), "{calls:?}");
}
