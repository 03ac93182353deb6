//! Closed polls whose counts are made final, from their votes.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use landslide_aws::{clock::SystemClock, queue::SendError};
use landslide_domain::{
    due::Job,
    ids::{PollId, VoterKey},
    lane::Partitions,
    time::Timestamp,
};
use landslide_jobs::{
    finalise::{Finalise, FinaliseLimits, Finalised},
    step::{Step, Steps, What},
};
use serde_json::{Value, json};

use crate::support::{
    App, CLOSED_AGO_MS, OwnProcess, audit, close_and_begin, event_of, eventually, is_due, is_final, made_up_votes,
    message, now_ms, operator_environment, run_operator, someone, tally_queue_is_empty, votes_by_option, while_changed,
};

/// The exit code of an audit where counts are exact and votes are late, as these polls were closed before their votes were cast.
const UNTIMELY: i32 = 5;

/// A poll with these votes, all counted.
async fn counted_poll(app: &App, options: &[u64]) -> String {
    let poll = app.single_choice_poll().await;
    app.votes_for(&poll, options.iter().copied()).await;
    app.results_settle_at(&poll, options.len() as u64).await;
    poll
}

/// Sets counters in HEAD or COUNT of a poll's only lane.
async fn tamper(app: &App, poll: &str, item: &str, counters: &[(&str, u64)]) {
    let mut tally = app.aws.tally(poll, 0, item).await;
    for (name, number) in counters {
        tally[*name] = json!({"N": number.to_string()});
    }
    assert_eq!(app.aws.refusal_of_tally_item(&tally).await, None);
}

fn off(missing: u64, surplus: u64, is_unexplained: bool) -> Value {
    json!({"missing": missing, "surplus": surplus, "is_unexplained": is_unexplained})
}

/// Fails unless a final poll shows these votes, as HEAD and COUNT were left by the one that made them final.
async fn stays_at(app: &App, poll: &str, record: &Value, votes: &[u64]) {
    for item in ["HEAD", "COUNT"] {
        let tally = app.aws.tally(poll, 0, item).await;
        assert_eq!(tally["version"]["N"], record["versions"][0].to_string(), "{item}: {tally}");
        assert_eq!(tally["ballots"]["N"], record["ballots"].to_string(), "{item}: {tally}");
    }
    let ballots = record["ballots"].as_u64().unwrap();
    assert_eq!(votes_by_option(&app.results_settle_at(poll, ballots).await), votes);
}

#[tokio::test]
async fn a_poll_that_has_closed_is_final_once_the_minute_is_looked_through() {
    let app = App::new();
    let poll = counted_poll(&app, &[0, 0, 1, 1, 2]).await;
    // Due in a second: no minute that is looked through already has it.
    is_due(&app, &poll, 5 * 60_000 - 1_000).await;
    let record = is_final(&app, &poll).await;
    assert_eq!((&record["ballots"], &record["off"]), (&json!(5), &off(0, 0, false)));
    let event = json!({"event": "results.final", "poll_id": poll, "at": record["at"], "ballots": 5});
    assert_eq!(event_of(&app, &poll).await, event);
    let rules = app.aws.poll_item(&poll, "RULES").await;
    assert_eq!((&rules["due"], &rules["revision"]["N"]), (&Value::Null, &json!("1")), "it is due no more: {rules}");
    stays_at(&app, &poll, &record, &[2, 2, 1]).await;
}

#[tokio::test]
async fn counts_that_somebody_changed_are_mended_by_the_votes_and_it_is_on_record_that_this_has_no_good_reason() {
    let app = App::new();
    let poll = counted_poll(&app, &[0, 0, 1]).await;
    for item in ["HEAD", "COUNT"] {
        tamper(&app, &poll, item, &[("o0", 90), ("o1", 0)]).await;
    }
    let record = close_and_begin(&app, &poll).await;
    assert_eq!((&record["ballots"], &record["off"]), (&json!(3), &off(1, 88, true)), "{record}");
    stays_at(&app, &poll, &record, &[2, 1, 0]).await;
    let (code, document) = audit(&app, &poll, &[]);
    assert_eq!((code, &document["lanes"][0]["sealed"]), (UNTIMELY, &json!(true)), "{document}");
    let line = format!("the counts of poll {poll} were off by more than late votes");
    eventually("alarm", async || {
        let lines = app.aws.log_lines(&app.stack.function("finalise-poll")).await;
        let told = lines.iter().any(|logged| logged.contains(&line));
        let rings = lines.iter().any(|logged| logged.contains(r#""OffUnexplained":1"#));
        if told && rings { Ok(()) } else { Err(format!("{} lines, told {told}, rings {rings}", lines.len())) }
    })
    .await;
}

#[tokio::test]
async fn votes_that_the_relay_held_back_are_in_the_final_counts_and_no_message_changes_these() {
    let app = App::alone();
    let poll = counted_poll(&app, &[0, 0, 1, 1]).await;
    let relay = app.stack.function("relay-votes");
    let held = async {
        app.votes_for(&poll, [2, 2, 1]).await;
        close_and_begin(&app, &poll).await
    };
    let record =
        while_changed(app.aws.enable_event_source(&relay, false), held, app.aws.enable_event_source(&relay, true))
            .await;
    assert_eq!((&record["ballots"], &record["off"]), (&json!(7), &off(6, 0, false)), "each is a ballot and a choice");
    stays_at(&app, &poll, &record, &[2, 3, 2]).await;

    // What the relay has now, one more message of votes that nobody cast, and one that lay among the dead letters.
    let group = format!("{poll}#0");
    let message = |options| message(&poll, 0, made_up_votes(options));
    app.aws.send(app.stack.output("TallyQueueUrl"), &group, &message([0, 0])).await;
    app.aws.send(app.stack.output("TallyDlqUrl"), &group, &message([1, 2])).await;
    let redriven = run_operator(&operator_environment(&app), &["redrive"]);
    // Letters of other tests may stay, which code 3 says. That of this poll does not, see below.
    assert!([Some(0), Some(3)].contains(&redriven.status.code()), "{redriven:?}");
    // Whatever is relayed later comes behind it.
    let later = counted_poll(&app, &[1]).await;
    tally_queue_is_empty(&app).await;
    stays_at(&app, &poll, &record, &[2, 3, 2]).await;
    app.assert_no_dead_letter_of(&poll).await;
    app.assert_no_dead_letter_of(&later).await;
}

/// A poll of these settings with these ballots, whose lane loses all that it has counted of them but ballots and options.
async fn poll_that_lost_its_entries(app: &App, settings: Value, ballots: &[Value]) -> String {
    let mut body = json!({"question": "Q", "options": ["a", "b", "c"]});
    body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    if body["kind"] == "text" {
        body.as_object_mut().unwrap().remove("options");
    }
    let poll = app.poll(body).await;
    for ballot in ballots {
        let vote = app.post(&format!("/v1/polls/{poll}/votes"), &app.account(&someone()), ballot).await;
        assert_eq!(vote.status, 201, "{vote}");
    }
    app.results_settle_at(&poll, ballots.len() as u64).await;
    let mut head = app.aws.tally(&poll, 0, "HEAD").await;
    let attributes = head.as_object_mut().unwrap();
    let before = attributes.len();
    attributes.retain(|name, _| !["entries", "cells"].contains(&name.as_str()));
    assert!(attributes.len() < before, "it has entries");
    assert_eq!(app.aws.refusal_of_tally_item(&head).await, None);
    poll
}

#[tokio::test]
async fn rankings_answers_and_segments_are_final_with_all_that_is_counted_of_them() {
    let app = App::new();
    let rankings = [json!({"ranking": [0, 1]}), json!({"ranking": [1, 2]}), json!({"ranking": [1]})];
    let ranked = poll_that_lost_its_entries(&app, json!({"kind": "ranked"}), &rankings).await;
    let answers = ["Great", "great", "so so"].map(|text| json!({"text": text}));
    let text = poll_that_lost_its_entries(&app, json!({"kind": "text"}), &answers).await;
    let region = json!({"name": "region", "values": ["north", "south"], "from": "vote"});
    let votes = ["north", "south", "south"].map(|region| json!({"choices": [0], "segments": {"region": region}}));
    let segments = poll_that_lost_its_entries(&app, json!({"segments": [region], "series": true}), &votes).await;
    for poll in [&ranked, &text, &segments] {
        is_final_as_its_votes(&app, poll).await;
    }
    let top = json!([{"text": "Great", "count": 2}, {"text": "so so", "count": 1}]);
    eventually("results of all votes", async || {
        let (ranked, text) = (app.results(&ranked).await, app.results(&text).await);
        let is_whole = ranked["tally"]["ballots"] == 3 && text["answers"]["top"] == top;
        if is_whole { Ok(()) } else { Err(format!("{ranked} {text}")) }
    })
    .await;
}

/// Makes a poll of three different votes final. Fails unless all that is counted equals its votes then.
async fn is_final_as_its_votes(app: &App, poll: &str) {
    let record = close_and_begin(app, poll).await;
    assert_eq!((&record["ballots"], &record["off"]), (&json!(3), &off(0, 0, false)), "{record}");
    let (code, document) = audit(app, poll, &[]);
    let entries = &document["lanes"][0]["entries"];
    assert_eq!((code, &entries["differ"]["number"]), (UNTIMELY, &json!(0)), "{document}");
    assert!(entries["keys"].as_u64().is_some_and(|keys| keys >= 3), "{document}");
}

/// Where steps wait for this test.
#[derive(Default)]
struct Waiting(Mutex<Vec<Step>>);

impl Steps for &Waiting {
    async fn send(&self, steps: &[Step]) -> Result<(), SendError> {
        self.0.lock().unwrap().extend(steps.iter().cloned());
        Ok(())
    }
}

/// Vote items for the options, by turns, that many in each partition.
fn spread_votes(poll: &str, item: &Value, in_each_partition: usize) -> Vec<Value> {
    let partitions = usize::from(Partitions::Few.number());
    let voter = |number: usize| {
        let random = fastrand::u128(..).to_be_bytes();
        let mut bytes = random;
        bytes[..2].copy_from_slice(&u16::try_from(number % partitions).unwrap().to_be_bytes());
        VoterKey::from_bytes(bytes)
    };
    let vote = |number: usize| {
        let (voter, mut vote) = (voter(number), item.clone());
        vote["voter"] = json!({"S": voter.to_string()});
        vote["poll_partition"] = json!({"S": format!("{poll}#{}", Partitions::Few.of(&voter))});
        vote["cast_at"] = json!({"N": (now_ms() - fastrand::u64(0..60_000)).to_string()});
        vote
    };
    (0..in_each_partition * partitions).map(vote).collect()
}

fn finalise<'a>(
    app: &App,
    waiting: &'a Waiting,
    votes_a_step: u64,
) -> Finalise<impl landslide_aws::store::DynamoDb, &'a Waiting> {
    let aws = &app.aws;
    let tables = (aws.poll_store(), aws.vote_store(), aws.tally_store(), aws.job_store());
    Finalise::over(tables, waiting, SystemClock, FinaliseLimits { votes_a_step, ..FinaliseLimits::default() })
}

/// How long a step runs before it is cut off, in milliseconds; sometimes longer than it takes.
const CUT_OFF_MS: std::ops::Range<u64> = 1..400;
/// How often a step is cut off at most.
const CUT_OFFS_MAX: u32 = 3;

#[tokio::test]
async fn a_poll_that_takes_several_steps_is_final_whatever_their_order_and_wherever_they_are_cut_off() {
    let app = App::new();
    let poll = app.poll(json!({"question": "Q", "options": ["a", "b", "c"], "kind": "ranked"})).await;
    for ranking in [&[2, 0, 1][..], &[1]] {
        assert_eq!(app.rank(&poll, &app.account(&someone()), ranking).await.status, 201);
    }
    let item = app.aws.votes_of(&poll).await.remove(0).item;
    app.aws.put_vote_items(&spread_votes(&poll, &item, 1)).await;
    is_due(&app, &poll, CLOSED_AGO_MS).await;
    let ballots = app.aws.votes_of(&poll).await.len();

    let (poll_id, waiting) = (PollId::parse(&poll).unwrap(), Waiting::default());
    let finalise = finalise(&app, &waiting, 128);
    let mut steps = vec![Step::first(poll_id.clone())];
    let (mut done, mut cut_off) = (BTreeMap::<String, u32>::new(), 0);
    while !steps.is_empty() {
        let step = steps.swap_remove(fastrand::usize(..steps.len()));
        for _ in 0..fastrand::u32(0..=CUT_OFFS_MAX) {
            let until = Duration::from_millis(fastrand::u64(CUT_OFF_MS));
            cut_off += u32::from(tokio::time::timeout(until, finalise.step(&step)).await.is_err());
            // Who was cut off had the job for a minute.
            let now = Timestamp::from_millis(now_ms()).unwrap();
            app.aws.job_store().release(Job::Finalise, &poll_id, now, "cut off").await.unwrap();
        }
        let outcome = finalise.step(&step).await.unwrap();
        *done.entry(format!("{:?}", std::mem::discriminant(&outcome))).or_default() += 1;
        steps.append(&mut waiting.0.lock().unwrap());
    }
    println!("{cut_off} steps were cut off; steps by their outcome: {done:?}");
    assert!(cut_off > 0);
    let record = is_final(&app, &poll).await;
    assert_eq!(record["ballots"], ballots, "{record}");
    assert_eq!(finalise.step(&Step::first(poll_id)).await.unwrap(), Finalised::Nothing);
    let (code, document) = audit(&app, &poll, &[]);
    assert_eq!((code, &document["lanes"][0]["entries"]["differ"]["number"]), (UNTIMELY, &json!(0)), "{document}");
    assert_eq!(document["shown"]["ballots"], ballots, "{document}");
}

/// A step's message as the queue hands it to finalise-poll.
fn queue_event(poll: &str) -> Value {
    let body = Step::first(PollId::parse(poll).unwrap()).body();
    json!({"Records": [{
        "messageId": "m", "receiptHandle": "m", "body": body, "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": "1"},
    }]})
}

/// The calls at which a process is killed, one process after the other: what it writes first, second … of a kind.
const KILLED_AT: [(&str, usize); 9] = [
    ("UpdateItem", 1), // it takes the job
    ("PutItem", 1),    // it seals the lane
    ("Query", 3),
    ("UpdateItem", 2), // it notes the difference
    ("PutItem", 1),    // the lane is sealed: it replaces the counts
    ("PutItem", 2),    // it shows them
    ("TransactWriteItems", 1),
    ("UpdateItem", 3), // it ends the job
    ("GetItem", 1),
];

#[tokio::test]
async fn a_step_that_is_killed_at_any_of_its_writes_is_done_by_the_next_process() {
    let app = App::new();
    if app.stack.lacks("plain-http") {
        return;
    }
    let poll = counted_poll(&app, &[0, 0, 1]).await;
    tamper(&app, &poll, "HEAD", &[("o0", 90)]).await;
    is_due(&app, &poll, CLOSED_AGO_MS).await;
    let poll_id = PollId::parse(&poll).unwrap();
    for (operation, which) in KILLED_AT {
        let process = OwnProcess::start(&app, "finalise-poll").await;
        let mut held = process.hold(operation);
        let answer = process.invoke(queue_event(&poll));
        for _ in 1..which {
            let arrived = held.arrives().await;
            held = process.hold(operation);
            arrived.send(()).unwrap();
        }
        // Never opened: the call is lost with the process.
        std::mem::forget(held.arrives().await);
        drop((process, answer));
        // Who was killed had the job for a minute. Asked for again, so that it is in one piece as before: after a failure it
        // would be split.
        let now = Timestamp::from_millis(now_ms()).unwrap();
        app.aws.job_store().try_again(Job::Finalise, &poll_id, now).await.unwrap();
    }
    let process = OwnProcess::start(&app, "finalise-poll").await;
    assert_eq!(process.invoke(queue_event(&poll)).await, json!({"batchItemFailures": []}));
    let record = is_final(&app, &poll).await;
    assert_eq!((&record["ballots"], &record["off"]), (&json!(3), &off(0, 88, true)), "as the first has seen it");
    stays_at(&app, &poll, &record, &[2, 1, 0]).await;
    let state = app.aws.job_store().state(Job::Finalise, &poll_id).await.unwrap().unwrap();
    assert!(state.done_at.is_some(), "{state:?}");
}

/// How many votes a measurement has.
const MEASURED_VOTES: usize = 300_000;

/// `make test-it ARGS='--ignored --nocapture a_large_poll'`
#[tokio::test]
#[ignore = "a measurement, of minutes"]
async fn a_large_poll_is_final_step_by_step() {
    let app = App::alone();
    let poll = app.poll(json!({"question": "Q", "options": ["a", "b"], "peak_votes_per_second": 60_000})).await;
    app.votes_for(&poll, [1]).await;
    let relay = app.stack.function("relay-votes");
    let made_final = async {
        let item = app.aws.votes_of(&poll).await.remove(0).item;
        let votes = spread_votes(&poll, &item, MEASURED_VOTES.div_ceil(usize::from(Partitions::Few.number())));
        for votes in votes.chunks(10_000) {
            app.aws.put_vote_items(votes).await;
        }
        is_due(&app, &poll, CLOSED_AGO_MS).await;
        let poll_id = PollId::parse(&poll).unwrap();
        let waiting = Waiting::default();
        let finalise = finalise(&app, &waiting, FinaliseLimits::default().votes_a_step);
        let (began, mut step) = (std::time::Instant::now(), Some(Step::first(poll_id)));
        while let Some(next) = step {
            let began = std::time::Instant::now();
            let outcome = finalise.step(&next).await.unwrap();
            println!("{:.1} s: {} gives {outcome:?}", began.elapsed().as_secs_f64(), next.body());
            // Parts first.
            let mut waiting = waiting.0.lock().unwrap();
            let part = waiting.iter().position(|step| matches!(step.what, What::Part { .. }));
            step = if waiting.is_empty() { None } else { Some(waiting.remove(part.unwrap_or_default())) };
        }
        println!("{} votes in {:.1} s", votes.len() + 1, began.elapsed().as_secs_f64());
        assert_eq!(is_final(&app, &poll).await["ballots"], votes.len() + 1);
    };
    while_changed(app.aws.enable_event_source(&relay, false), made_final, async {}).await;
    println!("The relay is off, as the stack's stream is full of these votes: make down.");
}
