use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use landslide_aws::testing::{Answer, Call, Calls, VirtualClock, stub};
use landslide_domain::{due::SHARES, keys, testing::at, time::MINUTE_MS};
use serde_json::{Value, json};

use super::*;

/// How many polls of a slot are on a page.
const PAGE: usize = 50;

/// The queue of steps: what it has taken, and whether it takes more.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<(Vec<String>, bool)>>);

impl Sent {
    fn polls(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }

    fn refuses(&self, refuses: bool) {
        self.0.lock().unwrap().1 = refuses;
    }
}

impl Steps for Sent {
    async fn send(&self, steps: &[Step]) -> Result<(), SendError> {
        let mut sent = self.0.lock().unwrap();
        if sent.1 {
            return Err(SendError("the queue is away".to_owned()));
        }
        sent.0.extend(steps.iter().map(|step| step.poll_id.to_string()));
        Ok(())
    }
}

/// A tick at `at(0)`, the polls in its index, and what it did.
struct Fixture {
    tick: Tick<landslide_aws::store::DynamoDbClient, Sent, VirtualClock>,
    sent: Sent,
    clock: VirtualClock,
    calls: Calls,
}

fn now() -> u64 {
    minute_of(at(0))
}

fn until() -> Timestamp {
    at(3_600)
}

/// With polls by minute and share, after the minute that was looked through last.
fn fixture(due: BTreeMap<(u64, u8), Vec<String>>, last: Option<u64>) -> Fixture {
    let due: BTreeMap<String, Vec<String>> =
        due.into_iter().map(|((minute, share), polls)| (keys::due(Slot { minute, share }), polls)).collect();
    let looked_through = Mutex::new(last);
    let (aws, calls) = stub(move |call, _| match call.operation.as_str() {
        "GetItem" => Answer::Ok(match *looked_through.lock().unwrap() {
            Some(minute) => json!({"Item": {"minute": {"N": minute.to_string()}}}),
            None => json!({}),
        }),
        "UpdateItem" => {
            *looked_through.lock().unwrap() = Some(noted(call));
            Answer::Ok(json!({}))
        }
        "Query" => Answer::Ok(page(&due, &call.body)),
        other => panic!("{other}"),
    });
    let (sent, clock) = (Sent::default(), VirtualClock::new(at(0)));
    let (polls, jobs) = (PollStore::new(&aws, "polls".to_owned()), JobStore::new(&aws, "jobs".to_owned()));
    Fixture { tick: Tick::over(polls, jobs, sent.clone(), clock.clone()), sent, clock, calls }
}

fn noted(call: &Call) -> u64 {
    call.body["ExpressionAttributeValues"][":minute"]["N"].as_str().unwrap().parse().unwrap()
}

fn page(due: &BTreeMap<String, Vec<String>>, query: &Value) -> Value {
    let polls = due.get(slot_of(query)).cloned().unwrap_or_default();
    let after = query["ExclusiveStartKey"]["poll_id"]["S"].as_str();
    let begin = after.map_or(0, |after| polls.iter().position(|poll| poll == after).unwrap() + 1);
    let item = |poll: &String| json!({"poll_id": {"S": poll}});
    let items: Vec<Value> = polls.iter().skip(begin).take(PAGE).map(item).collect();
    let last = items.last().filter(|_| begin + PAGE < polls.len()).cloned();
    json!({"Items": items, "LastEvaluatedKey": last})
}

fn slot_of(query: &Value) -> &str {
    query["ExpressionAttributeValues"][":due"]["S"].as_str().unwrap()
}

fn polls(number: u64) -> Vec<String> {
    (0..number).map(|poll| format!("p{poll}")).collect()
}

fn one_poll(minute: u64, share: u8) -> ((u64, u8), Vec<String>) {
    ((minute, share), vec![format!("p{minute}-{share}")])
}

impl Fixture {
    async fn look(&self) -> Result<Looked, TickError> {
        self.tick.look(until()).await
    }

    fn noted(&self) -> Vec<u64> {
        self.calls.all().iter().filter(|call| call.operation == "UpdateItem").map(noted).collect()
    }
}

#[tokio::test]
async fn after_an_outage_of_an_hour_each_minute_is_looked_through_once() {
    let due = (0..60).map(|ago| one_poll(now() - ago, (ago % 16) as u8)).collect();
    let fixture = fixture(due, Some(now() - 60));
    assert_eq!(fixture.look().await.unwrap(), Looked { minutes: 60, jobs: 60 });
    let sent = fixture.sent.polls();
    assert_eq!((sent.len(), sent.iter().collect::<BTreeSet<_>>().len()), (60, 60));
    assert_eq!(fixture.noted(), (now() - 59..=now()).collect::<Vec<_>>());
    let calls = fixture.calls.all();
    let slots: Vec<&str> =
        calls.iter().filter(|call| call.operation == "Query").map(|call| slot_of(&call.body)).collect();
    assert_eq!(slots.len(), 60 * 3 * usize::from(SHARES));
    assert_eq!(slots.iter().collect::<BTreeSet<_>>().len(), slots.len(), "no slot twice");
}

#[tokio::test]
async fn two_thousand_polls_that_are_due_in_a_minute_are_all_sent() {
    let all = polls(2_000);
    let due = all.chunks(125).enumerate().map(|(share, polls)| ((now(), share as u8), polls.to_vec())).collect();
    let fixture = fixture(due, Some(now() - 1));
    assert_eq!(fixture.look().await.unwrap(), Looked { minutes: 1, jobs: 2_000 });
    assert_eq!(fixture.sent.polls().into_iter().collect::<BTreeSet<_>>(), all.into_iter().collect());
}

#[tokio::test]
async fn a_tick_that_comes_twice_sends_nothing_more() {
    let fixture = fixture([one_poll(now(), 3)].into(), Some(now() - 1));
    assert_eq!(fixture.look().await.unwrap(), Looked { minutes: 1, jobs: 1 });
    assert_eq!(fixture.look().await.unwrap(), Looked::default());
    assert_eq!(fixture.sent.polls().len(), 1);
}

#[tokio::test]
async fn a_tick_that_runs_out_of_time_goes_on_at_the_next_minute() {
    let fixture = fixture([one_poll(now() - 1, 0), one_poll(now(), 0)].into(), Some(now() - 2));
    for _ in 0..2 {
        assert_eq!(fixture.tick.look(at(0)).await.unwrap(), Looked { minutes: 1, jobs: 1 });
    }
    assert_eq!(fixture.noted(), [now() - 1, now()]);
    assert_eq!(fixture.sent.polls(), [format!("p{}-0", now() - 1), format!("p{}-0", now())]);
}

#[tokio::test]
async fn a_queue_that_refuses_leaves_the_minute_to_the_next_look() {
    let fixture = fixture([one_poll(now(), 3)].into(), Some(now() - 2));
    fixture.sent.refuses(true);
    assert!(matches!(fixture.look().await, Err(TickError::Send(_))));
    assert_eq!(fixture.noted(), [now() - 1], "the minute before had nothing to send");
    fixture.sent.refuses(false);
    fixture.clock.go_on(MINUTE_MS);
    assert_eq!(fixture.look().await.unwrap(), Looked { minutes: 2, jobs: 1 });
}

#[tokio::test]
async fn the_first_look_goes_back_an_hour() {
    let fixture = fixture([one_poll(now() - 60, 0)].into(), None);
    // The poll is found at its own minute, and as one of an hour before now.
    assert_eq!(fixture.look().await.unwrap(), Looked { minutes: 61, jobs: 2 });
    assert_eq!(fixture.noted().first(), Some(&(now() - 60)));
}

#[tokio::test]
async fn a_poll_that_is_still_due_is_found_again_after_an_hour_and_a_day() {
    for ago in AGAIN_MINUTES {
        for (more, jobs) in [(0, 1), (1, 0)] {
            let fixture = fixture([one_poll(now() - ago - more, 5)].into(), Some(now() - 1));
            assert_eq!(fixture.look().await.unwrap(), Looked { minutes: 1, jobs }, "{ago} {more}");
        }
    }
}
