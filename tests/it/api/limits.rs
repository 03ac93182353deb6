//! Limits of tenants: management requests a minute, polls a day, open polls. Voters are in none of them.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, assert_headers_of_all, assert_problem, eventually, in_ms, now_ms, someone};

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

fn colours() -> Value {
    json!({"question": "Best colour?", "options": ["Red", "Blue"]})
}

async fn list(app: &App, token: &str) -> Answer {
    Answer::of(app.request(Method::GET, "/v1/polls").bearer_auth(token)).await
}

async fn create_with_key(app: &App, token: &str, key: &str) -> Answer {
    let request = app.request(Method::POST, "/v1/polls").bearer_auth(token).header("Idempotency-Key", key);
    Answer::of(request.json(&colours())).await
}

/// A new account with limits of its own, and its key as a tenant.
async fn limited(app: &App, limits: &[(&str, u32)]) -> (String, String) {
    let subject = someone();
    let tenant = app.issuer.owner(&subject);
    app.aws.set_limits(&tenant, limits).await;
    (app.account(&subject), tenant)
}

/// Runs a scene until it lies within one window of that many milliseconds.
async fn within_one<T>(window_ms: u64, mut scene: impl AsyncFnMut() -> T) -> T {
    loop {
        let began = now_ms() / window_ms;
        let outcome = scene().await;
        if now_ms() / window_ms == began {
            return outcome;
        }
    }
}

fn with_status(answers: &[Answer], status: u16) -> Vec<&Answer> {
    answers.iter().filter(|answer| answer.status == status).collect()
}

/// The parameters of a policy in a header, such as `r=599;t=37`.
#[track_caller]
fn of_policy<'a>(answer: &'a Answer, header: &str, policy: &str) -> &'a str {
    let start = format!("\"{policy}\";");
    let mut items = answer.header(header).split(", ");
    items.find_map(|item| item.strip_prefix(&start)).unwrap_or_else(|| panic!("no {policy} in {header} of {answer}"))
}

/// How much is left of a policy.
#[track_caller]
fn left(answer: &Answer, policy: &str) -> u64 {
    let left = of_policy(answer, "ratelimit", policy).split(';').next().unwrap();
    left.strip_prefix("r=").unwrap().parse().unwrap()
}

#[tokio::test]
async fn exactly_as_many_requests_of_a_minute_pass_as_may() {
    const MAX: u32 = 10;
    let app = App::new();
    let (answers, tenant) = within_one(MINUTE_MS, async || {
        let (token, tenant) = limited(&app, &[("requests_per_minute", MAX)]).await;
        (join_all((0..40).map(|_| list(&app, &token))).await, tenant)
    })
    .await;
    let passed = with_status(&answers, 200);
    let mut lefts: Vec<u64> = passed.iter().map(|answer| left(answer, "requests")).collect();
    lefts.sort_unstable();
    assert_eq!(lefts, (0..u64::from(MAX)).collect::<Vec<_>>(), "each request is one of the limit's");
    let refused = with_status(&answers, 429);
    assert_eq!(refused.len(), 40 - passed.len());
    for answer in refused {
        let problem = assert_problem(answer, 429, "limit_exceeded");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "{answer}");
        assert!(problem["detail"].as_str().unwrap().contains("10 management requests a minute"), "{answer}");
        assert_eq!(left(answer, "requests"), 0);
    }
    assert_eq!(app.aws.day_of(&tenant).await["requests"]["N"], MAX.to_string());
}

#[tokio::test]
async fn each_mutation_of_a_request_is_one_of_the_limit_s() {
    let app = App::new();
    let (answer, tenant) = within_one(MINUTE_MS, async || {
        let (token, tenant) = limited(&app, &[("requests_per_minute", 3), ("polls_per_day", 5)]).await;
        let create = "createPoll(poll: {question: \"Best colour?\", options: [\"Red\", \"Blue\"]}) { revision }";
        let query = format!("mutation {{ a: {create} b: {create} c: {create} d: {create} }}");
        (app.post("/v1/graphql", &token, &json!({ "query": query })).await, tenant)
    })
    .await;
    let shown = answer.json();
    let created = json!({"revision": 1});
    assert_eq!(shown["data"], json!({"a": created, "b": created, "c": created, "d": null}), "{answer}");
    assert_eq!(shown["errors"][0]["extensions"]["code"], "limit_exceeded", "{answer}");
    assert_eq!((left(&answer, "requests"), left(&answer, "polls")), (0, 2), "{answer}");
    let day = app.aws.day_of(&tenant).await;
    assert_eq!((&day["requests"]["N"], &day["polls"]["N"]), (&json!("3"), &json!("3")));
}

#[tokio::test]
async fn every_answer_to_a_member_says_what_is_left_and_pages_may_read_it() {
    let app = App::new();
    let (token, _) = limited(&app, &[("requests_per_minute", 50)]).await;
    let poll = app.poll_of(&token, colours()).await;
    for answer in [
        list(&app, &token).await,
        app.create_poll(&token, &json!({"question": "Q"})).await,
        app.change_poll(&poll, &token, "\"7\"", &json!({"question": "R"})).await,
        app.close_poll("no-such-poll", &token).await,
        app.close_poll(&poll, &app.account(&someone())).await,
    ] {
        assert!(of_policy(&answer, "ratelimit-policy", "requests").ends_with(";w=60"), "{answer}");
        assert!(of_policy(&answer, "ratelimit", "requests").contains(";t="), "{answer}");
        assert_headers_of_all(&answer);
    }
    let nobody_is_counted = [
        app.my_results(&poll, &token).await,
        app.get(&format!("/v1/polls/{poll}")).await,
        app.vote(&poll, &token, &[0]).await,
        list(&app, &app.device().await).await,
    ];
    for answer in nobody_is_counted {
        assert!(!answer.headers.contains_key("ratelimit"), "{answer}");
    }
}

#[tokio::test]
async fn exactly_as_many_polls_of_a_day_are_created_as_may() {
    const MAX: u32 = 5;
    let app = App::new();
    let (answers, token, tenant) = within_one(DAY_MS, async || {
        let (token, tenant) = limited(&app, &[("polls_per_day", MAX)]).await;
        let keys: Vec<String> = (0..20).map(|n| format!("key-{n}")).collect();
        let answers = join_all(keys.iter().map(|key| create_with_key(&app, &token, key))).await;
        (answers, token, tenant)
    })
    .await;
    let others: Vec<String> =
        answers.iter().filter(|answer| !matches!(answer.status, 201 | 429)).map(ToString::to_string).collect();
    assert_eq!(others, [""; 0]);
    assert_eq!(with_status(&answers, 201).len(), 5);
    for answer in with_status(&answers, 429) {
        assert_problem(answer, 429, "limit_exceeded");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!(wait <= DAY_MS / 1_000, "{answer}");
        assert_eq!(of_policy(answer, "ratelimit-policy", "polls"), "q=5;w=86400");
        assert_eq!(left(answer, "polls"), 0);
    }
    assert_eq!(app.aws.day_of(&tenant).await["polls"]["N"], "5", "what was refused is not counted");
    for (n, answer) in (0..).zip(&answers) {
        let again = create_with_key(&app, &token, &format!("key-{n}")).await;
        match answer.status {
            201 => assert_eq!((again.status, again.json()), (200, answer.json()), "a repeat takes nothing"),
            _ => drop(assert_problem(&again, 429, "limit_exceeded")),
        }
    }
    assert_eq!(app.aws.day_of(&tenant).await["polls"]["N"], "5", "a repeat is not counted");
}

#[tokio::test]
async fn one_create_that_is_sent_at_once_many_times_is_counted_once() {
    let app = App::new();
    let (answers, tenant) = within_one(DAY_MS, async || {
        let (token, tenant) = limited(&app, &[("polls_per_day", 1)]).await;
        (join_all((0..10).map(|_| create_with_key(&app, &token, "same"))).await, tenant)
    })
    .await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses.iter().filter(|status| **status == 201).count(), statuses[9]), (1, 201), "{statuses:?}");
    assert!(statuses[..9].iter().all(|status| matches!(status, 200 | 503)), "never a wrong answer: {statuses:?}");
    assert_eq!(app.aws.day_of(&tenant).await["polls"]["N"], "1");
}

#[tokio::test]
async fn a_creation_says_how_many_polls_are_left_of_the_day() {
    let app = App::new();
    let answers = within_one(DAY_MS, async || {
        let (token, _) = limited(&app, &[("polls_per_day", 2)]).await;
        [
            create_with_key(&app, &token, "one").await,
            create_with_key(&app, &token, "one").await,
            create_with_key(&app, &token, "two").await,
            create_with_key(&app, &token, "three").await,
        ]
    })
    .await;
    assert_eq!(answers.each_ref().map(|answer| answer.status), [201, 200, 201, 429]);
    assert_eq!(answers.each_ref().map(|answer| left(answer, "polls")), [1, 1, 0, 0]);
}

#[tokio::test]
async fn a_tenant_with_as_many_open_polls_as_it_may_have_waits_until_one_closes() {
    let app = App::new();
    let (token, _) = limited(&app, &[("open_polls", 2)]).await;
    app.poll_of(&token, colours()).await;
    let mut short = colours();
    short["closes_at"] = json!(in_ms(15_000));
    app.poll_of(&token, short).await;
    // The index lags behind its table.
    let refused = eventually("refusal", async || {
        let answer = app.create_poll(&token, &colours()).await;
        if answer.status == 409 { Ok(answer) } else { Err(answer.to_string()) }
    })
    .await;
    let problem = assert_problem(&refused, 409, "too_many_open_polls");
    assert!(problem["detail"].as_str().unwrap().contains("may have 2"), "{refused}");
    eventually("poll in the place of the one that has closed", async || {
        let answer = app.create_poll(&token, &colours()).await;
        if answer.status == 201 { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn voters_are_never_refused_because_an_owner_is_over_its_limits() {
    let app = App::new();
    let (answer, token, poll) = within_one(MINUTE_MS, async || {
        let limits = [("requests_per_minute", 1), ("polls_per_day", 1), ("open_polls", 1)];
        let (token, _) = limited(&app, &limits).await;
        let poll = app.poll_of(&token, colours()).await;
        (list(&app, &token).await, token, poll)
    })
    .await;
    assert_problem(&answer, 429, "limit_exceeded");
    app.votes_for(&poll, (0..30).map(|n| n % 2)).await;
    assert_eq!(app.vote(&poll, &app.device().await, &[0]).await.status, 201);
    app.results_settle_at(&poll, 31).await;
    assert_eq!(app.my_results(&poll, &token).await.status, 200, "nor is the owner as a reader");
}
