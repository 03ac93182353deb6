use std::sync::{Arc, Mutex};

use landslide_aws::testing::{Answer, Call, VirtualClock, item_written, stub};
use landslide_domain::{
    ballot::Ballot,
    ids::VoterKey,
    lane::LaneKey,
    testing::{at, poll_asked_for},
    time::DAY_MS,
    vote::Vote,
};
use serde_json::{Map, Value, json};

use super::*;

/// When the poll closes, and when its counts may be final, in seconds.
const CLOSED: u64 = 1_000;
const DUE: u64 = CLOSED + 300;
const KEYS: [&str; 6] = ["poll_id", "poll_partition", "voter", "poll_lane", "job", "item"];

/// The tables in memory. Only what the job's calls need of conditions and updates.
#[derive(Clone, Default)]
struct Tables(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    items: Vec<(String, Map<String, Value>)>,
    /// Whether the next transaction meets another.
    has_a_conflict: bool,
    /// Whether the answer to the next write of a HEAD is lost.
    loses_a_head: bool,
}

impl Tables {
    fn answer(&self, call: &Call) -> Answer {
        let stored = &mut *self.0.lock().unwrap();
        let body = &call.body;
        match call.operation.as_str() {
            "GetItem" => Answer::Ok(json!({"Item": stored.find(body, &body["Key"])})),
            "PutItem" => {
                if !stored.holds(body, &body["Item"]) {
                    return Answer::condition_failed(json!({}));
                }
                stored.put(body, &body["Item"]);
                let is_head = body["Item"]["item"]["S"] == "HEAD";
                if is_head && std::mem::take(&mut stored.loses_a_head) { Answer::Lost } else { Answer::Ok(json!({})) }
            }
            "UpdateItem" if !stored.holds(body, &body["Key"]) => Answer::condition_failed(json!({})),
            "UpdateItem" => {
                stored.update(body);
                Answer::Ok(json!({}))
            }
            "Query" => Answer::Ok(json!({"Items": stored.queried(&body["ExpressionAttributeValues"])})),
            "TransactWriteItems" if std::mem::take(&mut stored.has_a_conflict) => {
                let reasons = ["TransactionConflict", "None"].map(|code| json!({"Code": code}));
                Answer::Refused("TransactionCanceledException", json!({"CancellationReasons": reasons}))
            }
            "TransactWriteItems" => {
                for write in body["TransactItems"].as_array().unwrap() {
                    match (&write["Put"], &write["Update"]) {
                        (Value::Null, update) => stored.update(update),
                        (put, _) => stored.put(put, &put["Item"]),
                    }
                }
                Answer::Ok(json!({}))
            }
            other => panic!("{other}"),
        }
    }

    /// The item of this kind, or of this job.
    fn of(&self, name: &str, value: &str) -> Map<String, Value> {
        let stored = self.0.lock().unwrap();
        let found = stored.items.iter().find(|(_, item)| item.get(name) == Some(&json!({"S": value})));
        found.map(|(_, item)| item.clone()).unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut Stored)) {
        change(&mut self.0.lock().unwrap());
    }
}

impl Stored {
    fn find(&self, call: &Value, key: &Value) -> Option<&Map<String, Value>> {
        let same = |item: &Map<String, Value>| KEYS.iter().all(|name| item.get(*name) == key.get(*name));
        self.items.iter().find(|(table, item)| call["TableName"] == **table && same(item)).map(|(_, item)| item)
    }

    /// The votes of a partition, or the items of a lane whose names are in a range.
    fn queried(&self, values: &Value) -> Vec<&Map<String, Value>> {
        let items = self.items.iter().map(|(_, item)| item);
        let name = |item: &Map<String, Value>| item["item"]["S"].as_str().unwrap().to_owned();
        let is_between = |item: &Map<String, Value>| {
            (values[":first"]["S"].as_str().unwrap()..=values[":last"]["S"].as_str().unwrap()).contains(&&*name(item))
        };
        match values.get(":partition") {
            Some(partition) => items.filter(|item| item.get("poll_partition") == Some(partition)).collect(),
            None => items.filter(|item| item.get("poll_lane") == Some(&values[":lane"]) && is_between(item)).collect(),
        }
    }

    fn put(&mut self, call: &Value, item: &Value) {
        let (table, item) = (call["TableName"].as_str().unwrap().to_owned(), item.as_object().unwrap().clone());
        let same = |other: &Map<String, Value>| KEYS.iter().all(|name| other.get(*name) == item.get(*name));
        self.items.retain(|(of, other)| *of != table || !same(other));
        self.items.push((table, item));
    }

    fn update(&mut self, call: &Value) {
        let of_table = self.items.iter().filter(|(table, _)| call["TableName"] == **table);
        let stands: Vec<Value> = of_table.map(|(_, item)| Value::Object(item.clone())).collect();
        self.put(call, &item_written(call, &stands));
    }

    /// Whether one of the alternatives of a call's condition holds.
    fn holds(&self, call: &Value, key: &Value) -> bool {
        let Some(condition) = call["ConditionExpression"].as_str() else { return true };
        let none = Map::new();
        let item = self.find(call, key).unwrap_or(&none);
        let number = |value: &Value| value["N"].as_str().and_then(|number| number.parse::<u64>().ok());
        let holds = |part: &str| {
            let part = part.trim_matches(['(', ' ']);
            if let Some(name) = part.strip_prefix("attribute_not_exists(") {
                return !item.contains_key(&name_of(call, name.trim_end_matches(')')));
            }
            let part = part.trim_end_matches(')');
            let operator = if part.contains(" = ") { " = " } else { " < " };
            let (name, value) = part.split_once(operator).unwrap();
            let (stored, value) = (item.get(&name_of(call, name)), &call["ExpressionAttributeValues"][value]);
            stored
                .is_some_and(|stored| if operator == " = " { stored == value } else { number(stored) < number(value) })
        };
        condition.split(" AND ").all(|all| all.split(" OR ").any(holds))
    }
}

fn name_of(call: &Value, alias: &str) -> String {
    call["ExpressionAttributeNames"][alias].as_str().unwrap().to_owned()
}

/// The queue of steps.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<Step>>>);

impl Steps for Sent {
    async fn send(&self, steps: &[Step]) -> Result<(), SendError> {
        self.0.lock().unwrap().extend_from_slice(steps);
        Ok(())
    }
}

struct Fixture {
    finalise: Finalise<DynamoDbClient, Sent, VirtualClock>,
    tables: Tables,
    sent: Sent,
    clock: VirtualClock,
}

fn poll_id() -> PollId {
    PollId::parse("p1").unwrap()
}

/// A poll with this many votes for its first option, none of which is counted.
async fn fixture(votes: u8, votes_a_step: u64) -> Fixture {
    let tables = Tables::default();
    let answers = tables.clone();
    let (aws, _) = stub(move |call, _| answers.answer(call));
    let body = json!({"question": "Q", "options": ["a", "b"], "closes_at": at(CLOSED)});
    let poll = poll_asked_for(body, at(0)).unwrap();
    let polls = PollStore::new(&aws, "polls".to_owned());
    polls.create(&poll, &[]).await.unwrap();
    let store = VoteStore::new(&aws, "votes".to_owned());
    for number in 0..votes {
        // Half of them in the first partition, which says how many there are.
        let mut voter = [0; 16];
        (voter[1], voter[2]) = (number % 2, number);
        let vote = Vote { ballot: Ballot::of_options(&[0]), revision: 1, cast_at: at(5), lane: 0, nonce: 1 };
        store.put(&poll.rules, &VoterKey::from_bytes(voter), &vote).await.unwrap();
    }
    let jobs = JobStore::new(&aws, "jobs".to_owned());
    let tallies = TallyStore::new(&aws, "tallies".to_owned());
    let (sent, clock) = (Sent::default(), VirtualClock::new(at(DUE)));
    let limits = FinaliseLimits { votes_a_step, ..FinaliseLimits::default() };
    let finalise = Finalise::over((polls, store, tallies, jobs), sent.clone(), clock.clone(), limits);
    Fixture { finalise, tables, sent, clock }
}

impl Fixture {
    async fn begin(&self) -> Result<Finalised, FinaliseError> {
        self.finalise.step(&Step::first(poll_id())).await
    }

    /// Begins, and does the steps that this sends until the counts are final.
    async fn begin_and_do_all(&self) -> Finality {
        assert_eq!(self.begin().await.unwrap(), Finalised::Further);
        loop {
            let steps = std::mem::take(&mut *self.sent.0.lock().unwrap());
            assert!(!steps.is_empty(), "the job has ended, and its counts are not final");
            for step in steps {
                if let Finalised::Final(finality) = self.finalise.step(&step).await.unwrap() {
                    return finality;
                }
            }
        }
    }

    fn go_to(&mut self, now: Timestamp) {
        self.finalise.clock = VirtualClock::new(now);
    }

    fn job(&self) -> Map<String, Value> {
        self.tables.of("job", "finalise#p1")
    }

    fn is_final(&self) -> bool {
        self.tables.of("item", "RULES").contains_key("final")
    }
}

fn finality(outcome: Result<Finalised, FinaliseError>) -> Finality {
    match outcome {
        Ok(Finalised::Final(finality)) => finality,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn few_votes_are_counted_in_one_step_and_once_final_nothing_is_done() {
    let fixture = fixture(6, 100_000).await;
    let finality = finality(fixture.begin().await);
    // Six ballots, and six for the first option, were not counted before.
    assert_eq!((finality.ballots, finality.off.missing, finality.off.surplus), (6, 12, 0));
    assert_eq!(fixture.tables.of("item", "COUNT")["ballots"], json!({"N": "6"}));
    assert!(fixture.is_final() && !fixture.tables.of("item", "RULES").contains_key("due"));
    assert!(fixture.job().contains_key("done_at") && !fixture.job().contains_key("until"));
    let before = fixture.tables.of("item", "COUNT");
    assert_eq!(fixture.begin().await.unwrap(), Finalised::Nothing);
    assert_eq!(fixture.tables.of("item", "COUNT"), before);
}

#[tokio::test]
async fn a_step_that_comes_a_little_early_comes_again_and_one_of_a_poll_that_was_moved_does_not() {
    let mut fixture = fixture(1, 100_000).await;
    fixture.go_to(at(DUE - 59));
    assert!(matches!(fixture.begin().await, Err(FinaliseError::NotYet(_))));
    fixture.go_to(at(DUE - 60));
    assert_eq!(fixture.begin().await.unwrap(), Finalised::Nothing);
    assert!(!fixture.is_final());
}

#[tokio::test]
async fn a_poll_that_closed_sixty_days_ago_is_given_up_with_the_reason() {
    let fixture = fixture(1, 100_000).await;
    fixture.clock.go_on(60 * DAY_MS);
    assert!(matches!(fixture.begin().await, Err(FinaliseError::Never(_))));
    let job = fixture.job();
    assert!(
        job.contains_key("failed_at") && job["error"]["S"].as_str().unwrap().contains("closed too long ago"),
        "{job:?}"
    );
    assert!(!fixture.is_final());
}

#[tokio::test]
async fn what_was_given_up_nobody_begins_until_it_is_asked_for() {
    let fixture = fixture(1, 100_000).await;
    fixture.finalise.give_up(&poll_id(), "it failed five times").await.unwrap();
    assert_eq!(fixture.begin().await.unwrap(), Finalised::Nothing);
    assert!(!fixture.is_final());
    fixture.finalise.jobs.try_again(Job::Finalise, &poll_id(), at(DUE)).await.unwrap();
    assert_eq!(finality(fixture.begin().await).ballots, 1);
}

#[tokio::test]
async fn a_job_that_another_process_has_is_left_to_it_until_its_lease_ends() {
    let fixture = fixture(1, 100_000).await;
    let taken = fixture.finalise.jobs.take(Job::Finalise, &poll_id(), at(DUE - 1), at(DUE + 60)).await;
    assert_eq!(taken.unwrap(), Taken::Yes);
    for _ in 0..2 {
        assert!(matches!(fixture.begin().await, Err(FinaliseError::Busy)), "and its lease stays");
        assert!(!fixture.is_final());
    }
    fixture.clock.go_on(LEASE_MS);
    assert_eq!(fixture.begin_and_do_all().await.ballots, 1);
    assert_eq!(fixture.job()["parts"], json!({"N": "16"}), "who had it before did not get through");
}

#[tokio::test]
async fn a_head_whose_answer_was_lost_is_known_as_ones_own() {
    let fixture = fixture(3, 100_000).await;
    let lane = LaneKey { poll: poll_id(), lane: 0 };
    landslide_counting::tallies::rebuild::seal(&fixture.finalise.tallies, &lane).await.unwrap();
    fixture.tables.change(|stored| stored.loses_a_head = true);
    assert_eq!(finality(fixture.begin().await).ballots, 3);
}

#[tokio::test]
async fn votes_in_a_lane_that_the_poll_does_not_have_are_never_final() {
    let fixture = fixture(2, 100_000).await;
    fixture.tables.change(|stored| {
        for (_, vote) in stored.items.iter_mut().filter(|(table, _)| table == "votes") {
            vote.insert("lane".to_owned(), json!({"N": "7"}));
        }
    });
    assert!(matches!(fixture.begin().await, Err(FinaliseError::Never(_))));
    assert!(!fixture.is_final() && fixture.job()["error"]["S"].as_str().unwrap().contains("lanes"));
}

#[tokio::test]
async fn a_second_try_keeps_how_far_counts_were_off_before_the_first() {
    let fixture = fixture(4, 100_000).await;
    fixture.tables.change(|stored| stored.has_a_conflict = true);
    assert!(matches!(fixture.begin().await, Err(FinaliseError::NotYet(_))));
    assert_eq!(fixture.tables.of("item", "COUNT")["ballots"], json!({"N": "4"}), "they are right by now");
    assert_eq!(finality(fixture.begin().await).off.missing, 8);
}

#[tokio::test]
async fn many_votes_are_counted_part_by_part_and_final_after_the_last() {
    let fixture = fixture(6, 513).await;
    assert_eq!(fixture.begin().await.unwrap(), Finalised::Further);
    let parts = std::mem::take(&mut *fixture.sent.0.lock().unwrap());
    assert_eq!(parts.len(), 3, "3 votes in the first of 512 partitions: 171 of these a step");
    let What::Part { split, .. } = parts[0].what else { panic!("{parts:?}") };
    let finish = Step { poll_id: poll_id(), what: What::Finish { split } };
    for part in &parts {
        assert_eq!(fixture.finalise.step(&finish).await.unwrap(), Finalised::Nothing, "a part is missing");
        assert_eq!(fixture.finalise.step(part).await.unwrap(), Finalised::Further);
    }
    assert_eq!(*fixture.sent.0.lock().unwrap(), std::slice::from_ref(&finish));
    assert_eq!(finality(fixture.finalise.step(&finish).await).ballots, 6);
}

#[tokio::test]
async fn of_two_splits_at_once_the_last_is_done() {
    let fixture = fixture(6, 513).await;
    fixture.begin().await.unwrap();
    fixture.clock.go_on(1);
    fixture.begin().await.unwrap();
    let parts = std::mem::take(&mut *fixture.sent.0.lock().unwrap());
    assert_eq!(parts.len(), 6);
    // Those of the first split come last.
    for part in parts.iter().rev() {
        assert_eq!(fixture.finalise.step(part).await.unwrap(), Finalised::Further);
    }
    let [finish] = &fixture.sent.0.lock().unwrap().clone()[..] else { panic!("one split is done") };
    assert_eq!(finality(fixture.finalise.step(finish).await).ballots, 6);
}
