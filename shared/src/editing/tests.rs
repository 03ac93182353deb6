use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use super::*;
use crate::{
    clock,
    store::PollStore,
    testing::{Answer, Call, poll_asked_for, stub},
};

/// What becomes of a write.
#[derive(Clone, Copy)]
enum Fate {
    Lands,
    LandsAndTheAnswerIsLost,
    IsLost,
    /// And somebody else raises the peak to 2,000.
    IsLostWhileAnotherLands,
    LandsWhileLanesAreDoubled,
}

/// Editing over a table of one poll that closes in so many seconds; changes meet their fates in turn, then land.
fn editing(closes_in: Option<u64>, fates: &[Fate]) -> Editing {
    let items: Arc<Mutex<Vec<Value>>> = Arc::default();
    let fates: Mutex<Vec<Fate>> = Mutex::new(fates.iter().rev().copied().collect());
    let (aws, _) = {
        let items = items.clone();
        stub(move |call, _| match call.operation.as_str() {
            "Query" => Answer::Ok(json!({"Items": *items.lock().unwrap()})),
            _ => write(&items, call, fates.lock().unwrap().pop().unwrap_or(Fate::Lands)),
        })
    };
    let closes_at = closes_in.map(|seconds| clock::now().plus_millis(seconds * 1_000));
    let (seed, _) = stub(move |call, _| write(&items, call, Fate::Lands));
    run(PollStore::new(&seed, "polls".to_owned()).create(&poll(closes_at))).unwrap();
    Editing::new(PollStore::new(&aws, "polls".to_owned()))
}

fn write(items: &Mutex<Vec<Value>>, call: &Call, fate: Fate) -> Answer {
    let mut items = items.lock().unwrap();
    let puts = call.body["TransactItems"].as_array().unwrap();
    let before = &puts[0]["Put"]["ExpressionAttributeValues"][":before"]["N"];
    if !before.is_null() && items[0]["revision"]["N"] != *before {
        let reasons = json!([{"Code": "ConditionalCheckFailed"}, {"Code": "None"}]);
        return Answer::Refused("TransactionCanceledException", json!({"CancellationReasons": reasons}));
    }
    match fate {
        Fate::Lands | Fate::LandsAndTheAnswerIsLost => {
            *items = puts.iter().map(|put| put["Put"]["Item"].clone()).collect();
        }
        Fate::LandsWhileLanesAreDoubled => {
            *items = puts.iter().map(|put| put["Put"]["Item"].clone()).collect();
            items[0]["lanes"] = json!({"N": "2"});
        }
        Fate::IsLost => {}
        Fate::IsLostWhileAnotherLands => {
            items[0]["peak_votes_per_second"] = json!({"N": "2000"});
            items.iter_mut().for_each(|item| item["revision"] = json!({"N": "2"}));
        }
    }
    if matches!(fate, Fate::Lands) { Answer::Ok(json!({})) } else { Answer::Lost }
}

fn poll(closes_at: Option<Timestamp>) -> Poll {
    poll_asked_for(json!({"question": "Q", "options": ["a", "b"], "closes_at": closes_at}), clock::now()).unwrap()
}

fn id() -> PollId {
    PollId::parse("p1").unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Closes the poll; what `edit` was told of earlier tries, and the poll then.
fn close_it<C: Clock>(editing: &Editing<Client, C>) -> (Vec<bool>, Result<Poll, Error>) {
    let told = Mutex::new(Vec::new());
    let outcome = run(editing.change(&id(), |poll, now, again| {
        told.lock().unwrap().push(again);
        Ok(close(poll, now, again))
    }));
    (told.into_inner().unwrap(), outcome)
}

#[test]
fn a_change_that_lands_is_written_once() {
    let (told, closed) = close_it(&editing(None, &[]));
    assert_eq!((told, closed.unwrap().rules.settings.revision), (vec![false], 2));
}

#[test]
fn a_change_whose_answer_was_lost_is_known_again_and_written_with_new_times() {
    let (told, closed) = close_it(&editing(None, &[Fate::LandsAndTheAnswerIsLost]));
    assert_eq!((told, closed.unwrap().rules.settings.revision), (vec![false, true], 3));
}

#[test]
fn a_change_that_did_not_land_is_as_if_it_had_not_been() {
    let (told, closed) = close_it(&editing(Some(10), &[Fate::IsLost]));
    let closed = closed.unwrap();
    assert_eq!((told, closed.rules.settings.revision), (vec![false, false], 2));
    assert!(closed.rules.settings.closes_at.unwrap().millis_since(clock::now()) <= 9_000);
}

#[test]
fn what_somebody_else_wrote_is_not_taken_for_ours() {
    let (told, closed) = close_it(&editing(None, &[Fate::IsLostWhileAnotherLands]));
    let closed = closed.unwrap();
    assert_eq!((told, closed.rules.settings.revision), (vec![false, false], 3));
    assert_eq!(closed.rules.settings.peak_votes_per_second, 2_000);
}

#[test]
fn an_earlier_try_is_known_again_though_lanes_were_doubled_meanwhile() {
    let editing = editing(None, &[Fate::LandsWhileLanesAreDoubled]);
    let (told, closed) = close_it(&editing);
    let closed = closed.unwrap();
    assert_eq!((told, closed.rules.settings.revision, closed.rules.lanes), (vec![false, true], 3, 2));
}

#[test]
fn a_change_that_never_lands_is_unavailable_in_the_end() {
    let (told, closed) = close_it(&editing(None, &[Fate::IsLost; 4]));
    assert_eq!(told.len(), 4);
    assert!(matches!(closed, Err(Error::Unavailable(_))));
}

/// A clock that goes on only when told to.
#[derive(Clone, Default)]
struct Standing(Arc<AtomicU64>);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH.plus_millis(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, _: Duration) {}
}

#[test]
fn a_look_that_takes_long_leaves_a_closing_as_much_time_to_be_felt() {
    let made = poll(None);
    let items: Arc<Mutex<Vec<Value>>> = Arc::default();
    let clock = Standing(Arc::new(made.rules.settings.created_at.as_millis().into()));
    let (aws, _) = {
        let (items, clock) = (items.clone(), clock.clone());
        stub(move |call, _| match call.operation.as_str() {
            "Query" => {
                clock.0.fetch_add(4_000, Ordering::Relaxed);
                Answer::Ok(json!({"Items": *items.lock().unwrap()}))
            }
            _ => write(&items, call, Fate::Lands),
        })
    };
    run(PollStore::new(&aws, "polls".to_owned()).create(&made)).unwrap();
    let (_, closed) = close_it(&Editing::over(PollStore::new(&aws, "polls".to_owned()), clock.clone()));
    let closed = closed.unwrap();
    assert_eq!(closed.rules.settings.closes_at.unwrap().millis_since(clock.now()), 9_000);
    assert_eq!(closed.rules.settings.revision, 2);
}
