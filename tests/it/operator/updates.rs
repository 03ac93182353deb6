//! New code that goes live, and goes back, while people vote.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::{StreamExt, stream};
use http::Method;
use serde_json::{Value, json};

use crate::support::{
    App, CONNECTIONS, OwnProcess, event, eventually, in_ms, now_ms, someone, votes_by_option, while_changed,
};

/// The functions on the way of a vote and of its count, who reads what is new before who writes it. Back, it is the other way
/// round.
const UPDATED: [&str; 5] = ["get-results", "authorizer", "tally-votes", "relay-votes", "cast-vote"];
/// How many votes are answered between two updates, at least.
const VOTES_BETWEEN: u64 = 20;

/// A zip with a comment: other code for Lambda, the same program.
fn with_comment(mut zip: Vec<u8>, comment: &str) -> Vec<u8> {
    // Its last record, of 20 bytes, is followed by the comment's length and the comment, which an earlier run may have left.
    let last = zip.windows(4).rposition(|bytes| bytes == b"PK\x05\x06").unwrap();
    zip.truncate(last + 20);
    zip.extend(u16::try_from(comment.len()).unwrap().to_le_bytes());
    zip.extend(comment.as_bytes());
    zip
}

/// A function as it is before.
struct Former {
    function: String,
    version: String,
    code: Vec<u8>,
}

impl Former {
    async fn of(app: &App, folder: &str) -> Self {
        let function = app.stack.function(folder);
        let (version, code) = tokio::join!(app.aws.live_version(&function), app.aws.code(&function));
        Self { function, version, code }
    }
}

/// Makes one version after the other live: of new code for each function, then the former ones, in a rollback's order.
async fn update_and_go_back(app: &App, functions: &[Former], answered: &AtomicU64) {
    let votes_come_in = async || {
        let before = answered.load(Ordering::Relaxed);
        eventually("votes", async || match answered.load(Ordering::Relaxed) - before {
            more if more >= VOTES_BETWEEN => Ok(()),
            few => Err(few.to_string()),
        })
        .await;
    };
    for Former { function, version, code } in functions {
        votes_come_in().await;
        app.aws.set_code(function, &with_comment(code.clone(), &now_ms().to_string())).await;
        assert_ne!(app.aws.live_version(function).await, *version, "{function} has no new version");
    }
    for Former { function, version, .. } in functions.iter().rev() {
        votes_come_in().await;
        app.aws.set_live_version(function, version).await;
    }
    votes_come_in().await;
}

/// Voters who vote once each until the updates are done: the options of their votes.
async fn votes_during(app: &App, poll: &str, updates: impl Future<Output = ()>, answered: &AtomicU64) -> Vec<u64> {
    let updated = AtomicBool::new(false);
    let vote = async |option: u64| {
        // Once, and not again: it must be taken, whichever version it meets.
        let answer = app.vote(poll, &app.account(&someone()), &[option]).await;
        assert_eq!(answer.status, 201, "{answer}");
        answered.fetch_add(1, Ordering::Relaxed);
        app.results(poll).await;
        option
    };
    let voters = stream::iter(0..).take_while(|_| std::future::ready(!updated.load(Ordering::Relaxed)));
    let votes = voters.map(|n| vote(n % 3)).buffer_unordered(CONNECTIONS).collect();
    let (votes, ()) = tokio::join!(votes, async {
        updates.await;
        updated.store(true, Ordering::Relaxed);
    });
    votes
}

#[tokio::test]
async fn an_update_of_code_under_load_loses_no_vote_and_answers_no_5xx() {
    let app = App::alone();
    let poll = app.single_choice_poll().await;
    let functions: Vec<Former> = stream::iter(UPDATED).then(|folder| Former::of(&app, folder)).collect().await;
    let answered = AtomicU64::new(0);
    let updates = update_and_go_back(&app, &functions, &answered);
    let restored = async {
        for Former { function, code, .. } in &functions {
            app.aws.set_code(function, code).await;
        }
    };
    let votes = while_changed(std::future::ready(()), votes_during(&app, &poll, updates, &answered), restored).await;
    let app = app.share();
    let cast = votes.len() as u64;
    eprintln!("{cast} votes during {} updates", 2 * UPDATED.len());
    let by_option = [0, 1, 2].map(|option| votes.iter().filter(|vote| **vote == option).count() as u64);
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, cast).await), by_option);
    let results = app.nothing_more_is_counted_than(&poll, cast).await;
    app.assert_recounted(&poll, &results).await;
    app.assert_no_dead_letter_of(&poll).await;
}

/// The outcome of a request to a function in a deployment that takes plain polls alone.
async fn asked_of_a_plain_deployment(app: &App, owner: &str, function: &str, mut request: Value) -> (u64, Value) {
    let process = OwnProcess::start_with(app, function, &[("BALLOT_KINDS", "plain")]).await;
    request["requestContext"]["authorizer"] = app.issuer.authorized(owner);
    process.hand(request).await
}

fn creation(body: &Value) -> Value {
    event(&Method::POST, "/v1/polls", "", Value::Null, Some(body.to_string()))
}

fn copy_of(poll: &str, body: &Value) -> Value {
    event(&Method::POST, "/v1/polls/{poll_id}/copy", poll, Value::Null, Some(body.to_string()))
}

fn edit_of(poll: &str, body: &Value) -> Value {
    let mut edit = event(&Method::PATCH, "/v1/polls/{poll_id}", poll, Value::Null, Some(body.to_string()));
    edit["headers"]["if-match"] = json!("\"1\"");
    edit
}

#[tokio::test]
async fn between_both_steps_of_a_deploy_plain_polls_are_taken_and_no_others_made_in_any_way() {
    let app = App::new();
    if app.stack.lacks("plain-http") {
        return;
    }
    let owner = someone();
    let asked = async |function, request| asked_of_a_plain_deployment(&app, &owner, function, request).await;
    let account = app.account(&owner);
    let single = json!({"question": "Which?", "options": ["a", "b"], "opens_at": in_ms(3_600_000)});
    let ranked = json!({"question": "Which?", "options": ["a", "b"], "kind": "ranked"});
    let (plain, more) = (app.poll_of(&account, single.clone()).await, app.poll_of(&account, ranked.clone()).await);
    for (function, request) in [
        ("create-poll", creation(&ranked)),
        ("copy-poll", copy_of(&more, &json!({}))),
        ("update-poll", edit_of(&plain, &json!({"write_in": true}))),
    ] {
        let (status, problem) = asked(function, request).await;
        assert_eq!((status, &problem["code"]), (422, &json!("kind_not_taken")), "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], "/kind", "{problem}");
    }
    for (function, request, status) in [
        ("create-poll", creation(&single), 201),
        ("copy-poll", copy_of(&more, &json!({"kind": "single"})), 201),
        ("update-poll", edit_of(&plain, &json!({"question": "What?"})), 200),
    ] {
        let (answered, poll) = asked(function, request).await;
        assert_eq!((answered, &poll["kind"]), (status, &json!("single")), "{poll}");
    }
}
