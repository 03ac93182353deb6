//! Chaos on real parts: voters vote through the running stack while all that may fail does. Then what they were told is held
//! against the table and the counts, vote by vote.
//!
//! `make test-it` runs it for `SECONDS`, `make chaos` for longer. It has the stack to itself, as other tests that kill
//! functions have. Faults are drawn from a seed, which is printed (`CHAOS_SEED`): the same seed draws the same faults in the
//! same order, but not the same run, since processes run as they like.

mod deeds;
mod faults;
mod ledger;
mod way;

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use fastrand::Rng;
use futures_util::{
    FutureExt, StreamExt,
    future::{LocalBoxFuture, join_all},
    stream,
};
use landslide_cli::api::Api;
use landslide_load::voters::{Load, Voter};
use serde_json::json;

use self::{
    deeds::Chaos,
    faults::Faults,
    ledger::{Difference, Ledger, OPTIONS},
    way::Way,
};
use crate::support::{App, Copies, now_ms, someone, while_set, while_tries_run_out_soon};

/// For how long voters come, unless `CHAOS_SECONDS` says otherwise.
const SECONDS: u64 = 30;
/// How many of each poll's voters vote at once.
const CONNECTIONS: usize = 4;
/// How often a voter without a 2xx sends the same vote, which takes minutes: nobody gives up.
const ATTEMPTS_MAX: u32 = 120;
/// How long counts may take once the last vote is in, the faults are over and the queue was empty.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// The functions that call AWS for a vote.
const CALLERS: [&str; 3] = ["cast-vote", "relay-votes", "tally-votes"];

/// A poll of the run.
struct Poll {
    id: String,
    changes: bool,
    ledger: Ledger,
}

#[tokio::test]
async fn every_acknowledged_vote_is_stored_and_counted_once_whatever_fails() {
    let app = App::alone();
    if app.stack.lacks("function-processes") || app.stack.lacks("plain-http") {
        return;
    }
    let seed = setting("CHAOS_SEED").unwrap_or_else(now_ms);
    let time = Duration::from_secs(setting("CHAOS_SECONDS").unwrap_or(SECONDS));
    println!("chaos: CHAOS_SEED={seed}, for {} s", time.as_secs());
    let mut rng = Rng::with_seed(seed);
    let polls = [poll(&app, "never").await, poll(&app, "until_close").await];
    let api = Api::new(&app.stack.api_url, "", 2 * CONNECTIONS).unwrap().with_attempts_max(ATTEMPTS_MAX);

    let endpoint = app.stack.endpoint_url.as_deref().unwrap();
    let (tallies, queue) = (app.stack.output("TalliesTable"), app.stack.output("TallyQueueUrl"));
    let faults = Faults::default();
    let (way, server) = Way::open(endpoint, tallies, queue, rng.fork(), faults.clone()).await;
    let ids: Vec<&str> = polls.iter().map(|poll| poll.id.as_str()).collect();
    let mut chaos = Chaos::new(&app, &ids, &way, faults, rng).await;
    let detour = format!("http://{}", server.address());
    let run = async {
        let is_over = Cell::new(false);
        let voters = join_all(polls.iter().map(|poll| vote(&app, &api, poll, &is_over)));
        tokio::join!(voters, async {
            chaos.go_on_for(time).await;
            is_over.set(true);
        });
    };
    while_tries_run_out_soon(&app, while_led_through(&app, &detour, run.boxed_local())).await;
    drop(server);

    chaos.mend().await;
    let first_2xx = acknowledge_again(&app, &polls).await;
    let settled_by = Instant::now() + SETTLE_MAX;
    let mut difference = Difference::default();
    for poll in &polls {
        let of_poll = poll.ledger.difference(&app, &poll.id, settled_by).await;
        difference.lost += of_poll.lost;
        difference.double += of_poll.double;
    }
    if app.stack.has("analytics") {
        Copies { app: &app }.assert_copied(&polls.each_ref().map(|poll| poll.id.clone())).await;
    }
    let sum = |number: fn(&Ledger) -> u64| polls.iter().map(|poll| number(&poll.ledger)).sum::<u64>();
    println!("{:<40}{:>8}", "voters", sum(Ledger::voters));
    println!("{:<40}{:>8}", "votes and changes", sum(Ledger::sent));
    println!("{:<40}{:>8}", "requests sent again without a 2xx", api.retries().total());
    println!("{:<40}{:>8}", "2xx", sum(Ledger::acknowledged));
    println!("{:<40}{:>8}", "first 2xx only after the faults", first_2xx);
    print!("{}", chaos.faults);
    println!("{:<40}{:>8}", "dead letters redriven", chaos.redriven());
    let wrong_letters = chaos.take_poison().await;
    println!("lost {}, double {}", difference.lost, difference.double);
    assert_eq!(difference, Difference::default(), "CHAOS_SEED={seed}");
    assert!(wrong_letters.is_empty(), "{wrong_letters:?}; CHAOS_SEED={seed}");
    assert_eq!(chaos.missing(), [], "kinds that did not happen; CHAOS_SEED={seed}");
    assert!(chaos.redriven() > 0, "no dead letter was redriven; CHAOS_SEED={seed}");
}

/// A number that the environment sets.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// A poll of two lanes.
async fn poll(app: &App, vote_change: &str) -> Poll {
    let body = json!({
        "question": "Which?", "options": ["a", "b", "c"], "vote_change": vote_change, "peak_votes_per_second": 16_000,
    });
    Poll { id: app.poll(body).await, changes: vote_change != "never", ledger: Ledger::default() }
}

/// Functions that find their cloud at the end of a detour, while `body` runs.
async fn while_led_through(app: &App, detour: &str, body: LocalBoxFuture<'_, ()>) {
    let [first, second, third] = CALLERS;
    // Boxed, since each holds the one before, and a thread's stack is small.
    let body = while_set(app, first, "AWS_ENDPOINT_URL", detour, body).boxed_local();
    let body = while_set(app, second, "AWS_ENDPOINT_URL", detour, body).boxed_local();
    while_set(app, third, "AWS_ENDPOINT_URL", detour, body).await;
}

/// New voters vote until it is over, each until the vote is acknowledged.
async fn vote(app: &App, api: &Api, poll: &Poll, is_over: &Cell<bool>) {
    let voters = (0..).take_while(|_| !is_over.get()).map(|number| {
        let subject = someone();
        let change = (poll.changes && number % 2 == 0).then_some((number + 1) % OPTIONS);
        Voter { token: app.account(&subject), subject, choice: number % OPTIONS, change }
    });
    let load = Load { api, poll_id: &poll.id, connections: CONNECTIONS, pause: Duration::ZERO };
    let voted = load.run(voters, |voter, outcome| {
        poll.ledger.write(voter, outcome);
        Ok(())
    });
    voted.await.unwrap();
}

/// All send their last choice once more, and must be told that it stands; how many had no 2xx for it before.
async fn acknowledge_again(app: &App, polls: &[Poll]) -> u64 {
    let mut first_2xx = 0;
    for poll in polls {
        let votes = poll.ledger.last_choices().into_iter().map(|(token, choice)| async move {
            let answer = app.vote(&poll.id, &token, &[choice]).await;
            assert!(matches!(answer.status, 200 | 201), "{answer}");
            u64::from(answer.status == 201)
        });
        first_2xx += stream::iter(votes).buffer_unordered(2 * CONNECTIONS).fold(0, async |sum, one| sum + one).await;
    }
    first_2xx
}
