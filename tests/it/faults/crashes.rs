//! Functions that are killed (SIGKILL) while votes come in.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use http::Method;
use serde_json::json;

use crate::support::{Answer, App, CONNECTIONS, Process, assert_problem, someone, votes_by_option};

/// How often a voter who gets no 2xx sends the vote again.
const TRIES_MAX: u32 = 200;
/// How long the voter waits before that, in milliseconds.
const RETRY_MS: std::ops::Range<u64> = 50..250;
const VOTERS: u64 = 150;
/// The functions on a vote's way.
const VICTIMS: [&str; 4] = ["relay-votes", "tally-votes", "cast-vote", "authorizer"];
/// How long one is left alone, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 50..250;

/// Votes until it is answered with a 2xx, as a client does whose answers get lost; how often it was sent.
async fn vote_stubbornly(app: &App, poll: &str, choice: u64) -> u32 {
    let voter = app.account(&someone());
    for n in 1..=TRIES_MAX {
        let request = app.request(Method::POST, &format!("/v1/polls/{poll}/votes")).bearer_auth(&voter);
        match Answer::try_of(request.json(&json!({"choices": [choice]}))).await {
            Ok(answer) if matches!(answer.status, 200 | 201) => return n,
            Ok(answer) => drop(assert_problem(&answer, 503, "unavailable")),
            Err(lost) => eprintln!("no answer: {lost}"),
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(RETRY_MS))).await;
    }
    panic!("no 2xx in {TRIES_MAX} tries");
}

#[tokio::test]
async fn a_vote_counts_once_whatever_functions_are_killed_while_votes_come_in() {
    let app = App::alone();
    if app.stack.lacks("function-processes") {
        return;
    }
    let poll = app.single_choice_poll().await;
    let done = AtomicBool::new(false);
    let vote = async {
        let votes = (0..VOTERS).map(|n| vote_stubbornly(&app, &poll, n % 3));
        let sent: Vec<u32> = stream::iter(votes).buffer_unordered(CONNECTIONS).collect().await;
        done.store(true, Ordering::Relaxed);
        sent.into_iter().sum::<u32>()
    };
    let kill = async {
        let mut killed = BTreeMap::new();
        // One function after another, at whatever it is doing.
        let mut victims = VICTIMS.into_iter().cycle();
        while let Some(victim) = victims.next().filter(|_| !done.load(Ordering::Relaxed)) {
            let processes = Process::of(&app.stack);
            let victims = processes.iter().filter(|process| process.function == app.stack.function(victim));
            *killed.entry(victim).or_insert(0) += victims.filter(|process| process.kill()).count();
            tokio::time::sleep(Duration::from_millis(fastrand::u64(PAUSE_MS))).await;
        }
        killed
    };
    let (sent, killed) = tokio::join!(vote, kill);
    let app = app.share();
    eprintln!("killed {killed:?}; {VOTERS} votes were sent {sent} times");
    assert!(VICTIMS.iter().all(|victim| killed.get(victim).is_some_and(|count| *count > 0)), "{killed:?}");
    let results = app.results_settle_at(&poll, VOTERS).await;
    assert_eq!(votes_by_option(&results), [VOTERS / 3; 3]);
    let results = app.nothing_more_is_counted_than(&poll, VOTERS).await;
    app.assert_recounted(&poll, &results).await;
    app.assert_no_dead_letter_of(&poll).await;
}
