//! From the tables into PostgreSQL and out through GET /v1/analytics: what a tenant sees, and what no other one does; lost
//! marks, killed servers, and batches that come again.

use fastrand::Rng;
use futures_util::future::join_all;
use http::Method;
use landslide_analytics::{address::Address, connection, reader::Reader};
use serde_json::{Value, json};

use crate::support::{
    Answer, App, Copies, Process, analytics_servers, assert_problem, eventually, now_ms, someone, while_set,
};

/// A stack with analytics, and a tenant with polls.
struct Scene {
    app: App,
    subject: String,
    token: String,
}

impl Scene {
    /// `None`, and said so, in a stack without analytics.
    fn new() -> Option<Self> {
        Self::of(App::new())
    }

    /// The same while no other test uses the stack.
    fn alone() -> Option<Self> {
        Self::of(App::alone())
    }

    fn of(app: App) -> Option<Self> {
        if app.stack.lacks("analytics") {
            return None;
        }
        let subject = someone();
        let token = app.account(&subject);
        Some(Self { app, subject, token })
    }

    /// A poll with these numbers of votes for its options, all of them counted.
    async fn poll(&self, question: &str, votes: &[u64]) -> String {
        let options: Vec<String> = (0..votes.len().max(2)).map(|id| format!("option {id}")).collect();
        let poll = self.app.poll_of(&self.token, json!({"question": question, "options": options})).await;
        self.vote(&poll, votes).await;
        self.app.results_settle_at(&poll, votes.iter().sum()).await;
        poll
    }

    async fn vote(&self, poll: &str, votes: &[u64]) {
        let all = (0..).zip(votes).flat_map(|(option, votes)| (0..*votes).map(move |_| option));
        self.app.votes_for(poll, all).await;
    }

    fn copies(&self) -> Copies<'_> {
        Copies { app: &self.app }
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        Answer::of(self.app.request(Method::GET, &format!("/v1/analytics/{path}")).bearer_auth(token)).await
    }

    /// Waits until the tenant is shown this at a place of an answer, with a run of the sync before each look.
    async fn shows(&self, path: &str, place: &str, expected: &Value) -> Value {
        self.shows_to(&self.token, path, place, expected).await
    }

    /// The same for whom the token is of.
    async fn shows_to(&self, token: &str, path: &str, place: &str, expected: &Value) -> Value {
        eventually(path, async || {
            self.copies().sync(json!({})).await;
            let answer = self.get(path, token).await;
            let shown = if answer.status == 200 { answer.json() } else { Value::Null };
            if shown[place] == *expected { Ok(shown) } else { Err(format!("{answer}, not {expected}")) }
        })
        .await
    }
}

/// The polls of a ranking with their votes, those of the most first.
fn ranked(polls: &[(&String, &str, i64)]) -> Value {
    let row = |(poll, question, votes): &(&String, &str, i64)| json!({"poll_id": poll, "question": question, "kind": "single", "votes": votes, "ballots": votes});
    polls.iter().map(row).collect()
}

#[tokio::test]
async fn polls_are_ranked_by_the_votes_of_a_time_and_an_answer_says_how_old_it_is() {
    let Some(scene) = Scene::new() else { return };
    let (few, many, none) =
        tokio::join!(scene.poll("Few?", &[1, 0]), scene.poll("Many?", &[2, 1]), scene.poll("None?", &[0, 0]));
    let both = ranked(&[(&many, "Many?", 3), (&few, "Few?", 1)]);
    let shown = scene.shows("polls", "polls", &both).await;
    assert!(shown["behind_seconds"].as_u64().unwrap() < 120 && shown["read_at"].is_string(), "{shown}");
    scene.shows("polls?limit=1", "polls", &ranked(&[(&many, "Many?", 3)])).await;
    let past = "polls?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z";
    assert_eq!(scene.get(past, &scene.token).await.json()["polls"], json!([]));
    scene.vote(&few, &[3, 0]).await;
    scene.shows("polls", "polls", &ranked(&[(&few, "Few?", 4), (&many, "Many?", 3)])).await;
    assert_eq!(scene.copies().copy(&none).await.map(|copy| (copy.ballots, copy.votes)), Some((0, vec![0, 0])));
}

#[tokio::test]
async fn votes_are_shown_by_day_by_region_and_as_a_polls_history() {
    let Some(scene) = Scene::new() else { return };
    let region = json!({"name": "region", "values": ["north", "south"], "from": "vote"});
    let body = json!({"question": "Where?", "options": ["a", "b"], "segments": [region]});
    let poll = scene.app.poll_of(&scene.token, body).await;
    let votes = [(0, Some("north")), (1, Some("north")), (1, Some("south")), (0, None)];
    join_all(votes.iter().map(async |(option, region)| {
        let segments = region.map_or(json!({}), |region| json!({"region": region}));
        let body = json!({"choices": [option], "segments": segments});
        let voter = scene.app.account(&someone());
        let answer = scene.app.post(&format!("/v1/polls/{poll}/votes"), &voter, &body).await;
        assert_eq!(answer.status, 201, "{answer}");
    }))
    .await;
    scene.app.results_settle_at(&poll, 4).await;
    let other = scene.poll("Another?", &[0, 2]).await;
    let values = json!([{"value": "north", "polls": 1, "ballots": 2}, {"value": null, "polls": 1, "ballots": 1},
        {"value": "south", "polls": 1, "ballots": 1}]);
    scene.shows("segments", "segments", &values).await;
    scene.shows("segments?by=region", "segments", &values).await;
    scene.shows("segments?by=age", "segments", &json!([])).await;
    // Near midnight there may be two.
    let sum = |shown: &Value| -> i64 {
        shown["days"].as_array().unwrap().iter().map(|day| day["votes"].as_i64().unwrap()).sum()
    };
    for (path, votes) in [("days", 6), (&*format!("days?poll_id={poll}"), 4), (&*format!("days?poll_id={other}"), 2)] {
        eventually(path, async || {
            let shown = scene.get(path, &scene.token).await.json();
            if sum(&shown) == votes { Ok(()) } else { Err(shown.to_string()) }
        })
        .await;
    }
    let history = scene.get(&format!("polls/{poll}/history"), &scene.token).await.json();
    let last = history["points"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["ballots"], &last["votes"]), (&json!(4), &json!([2, 2])), "{history}");
    assert_eq!(history["poll_id"], json!(poll));
}

#[tokio::test]
async fn a_graphql_query_shows_the_same_figures() {
    let Some(scene) = Scene::new() else { return };
    let poll = scene.poll("By GraphQL?", &[1, 2]).await;
    scene.shows("polls", "polls", &ranked(&[(&poll, "By GraphQL?", 3)])).await;
    let query = "query ($id: String!) { analytics {
        polls(first: 5) { polls { poll_id question kind votes ballots } }
        days { days { day votes } }
        segments { by segments { value } }
        history(poll_id: $id) { points { minute as_of ballots votes } }
    } }";
    let body = json!({"query": query, "variables": {"id": poll}});
    let answer = scene.app.post("/v1/graphql", &scene.token, &body).await;
    let shown = &answer.json()["data"]["analytics"];
    for (field, path, place) in [
        ("polls", "polls", "polls"),
        ("days", "days", "days"),
        ("segments", "segments", "segments"),
        ("history", &*format!("polls/{poll}/history"), "points"),
    ] {
        assert_eq!(shown[field][place], scene.get(path, &scene.token).await.json()[place], "{field}: {answer}");
    }
    let by_another = scene.app.post("/v1/graphql", &scene.app.account(&someone()), &body).await.json();
    assert_eq!(by_another["data"]["analytics"]["polls"]["polls"], json!([]));
    assert_eq!(by_another["errors"][0]["extensions"]["code"], "not_found", "{by_another}");
}

#[tokio::test]
async fn no_route_shows_another_tenants_rows() {
    let Some(scene) = Scene::new() else { return };
    let poll = scene.poll("Mine?", &[1, 2]).await;
    scene.shows("polls", "polls", &ranked(&[(&poll, "Mine?", 3)])).await;
    let organisation = json!({"organisation": scene.subject, "role": "owner"});
    let others = [
        scene.app.account(&someone()),
        scene.app.account_with(&someone(), &organisation),
        scene.app.account(&format!("{}'; SET app.tenant = '{}", someone(), scene.subject)),
    ];
    for other in &others {
        for (path, place) in [
            ("polls", "polls"),
            ("days", "days"),
            (&*format!("days?poll_id={poll}"), "days"),
            ("segments", "segments"),
            ("polls?limit=100&from=2026-01-01T00:00:00Z", "polls"),
        ] {
            let answer = scene.get(path, other).await;
            assert_eq!((answer.status, &answer.json()[place]), (200, &json!([])), "{path}: {answer}");
        }
        assert_problem(&scene.get(&format!("polls/{poll}/history"), other).await, 404, "not_found");
    }
    // Through the function's own role and replica, as if it had been taken over.
    let variables = scene.app.aws.variables(&scene.app.stack.function("get-analytics")).await;
    let replica = Address::parse(variables["ANALYTICS_READ_URL"].as_str().unwrap(), None).unwrap();
    let client = connection::open(&replica).await.unwrap();
    for table in ["polls", "option_counts", "segment_counts", "count_history"] {
        let rows = client.query(format!("SELECT * FROM analytics.{table}").as_str(), &[]).await.unwrap();
        assert_eq!(rows.len(), 0, "{table} without a tenant");
    }
    assert!(client.batch_execute("SET ROLE landslide_analyst").await.is_err());
    Reader::new(replica).check().await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_in_a_query_is_said() {
    let Some(scene) = Scene::new() else { return };
    for path in [
        "polls?limit=0",
        "polls?from=yesterday",
        "polls?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "days?from=2024-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "days?poll_id=a%20b",
        "segments?by=Region",
    ] {
        assert_problem(&scene.get(path, &scene.token).await, 400, "invalid_request");
    }
    assert_problem(&scene.get("polls/no-such-poll/history", &scene.token).await, 404, "not_found");
    assert_problem(&scene.get("polls", &scene.app.device().await).await, 403, "forbidden");
}

#[tokio::test]
async fn an_edit_is_copied_and_a_poll_that_goes_to_another_tenant_takes_its_history_along() {
    let Some(scene) = Scene::new() else { return };
    let poll = scene.poll("Old?", &[2, 1]).await;
    scene.shows("polls", "polls", &ranked(&[(&poll, "Old?", 3)])).await;
    let edit = json!({"peak_votes_per_second": 3_000});
    assert_eq!(scene.app.change_poll(&poll, &scene.token, "\"1\"", &edit).await.status, 200);
    let version = scene.copies().copy(&poll).await.unwrap().version;
    eventually("the edit's copy", async || {
        scene.copies().sync(json!({})).await;
        let copy = scene.copies().copy(&poll).await.unwrap();
        if copy.version > version { Ok(()) } else { Err(format!("{copy:?}")) }
    })
    .await;
    let subject = someone();
    let other = scene.app.account(&subject);
    let tenant = scene.app.issuer.owner(&subject);
    let (issuer, account) = tenant.split_once(' ').unwrap();
    let offer = json!({"issuer": issuer, "kind": "account", "value": account});
    assert_eq!(scene.app.post(&format!("/v1/polls/{poll}/transfer"), &scene.token, &offer).await.status, 200);
    let accepted = scene.app.post_without_body(&format!("/v1/polls/{poll}/transfer/accept"), &other).await;
    assert_eq!(accepted.status, 200, "{accepted}");
    scene.shows_to(&other, "polls", "polls", &ranked(&[(&poll, "Old?", 3)])).await;
    scene.shows("polls", "polls", &json!([])).await;
    assert_problem(&scene.get(&format!("polls/{poll}/history"), &scene.token).await, 404, "not_found");
    assert_eq!(scene.get(&format!("polls/{poll}/history"), &other).await.status, 200);
}

#[tokio::test]
async fn a_poll_that_is_deleted_is_gone_and_a_late_mark_does_not_bring_it_back() {
    let Some(scene) = Scene::new() else { return };
    let poll = scene.poll("Gone?", &[1, 1]).await;
    scene.shows("polls", "polls", &ranked(&[(&poll, "Gone?", 2)])).await;
    let rules = scene.app.aws.poll_item(&poll, "RULES").await;
    for item in ["RULES", "OPTIONS"] {
        scene.app.aws.delete_poll_item(&poll, item).await;
    }
    scene.shows("polls", "polls", &json!([])).await;
    assert!(scene.copies().copy(&poll).await.unwrap().is_deleted, "{rules}");
    let keys = json!({"poll_lane": {"S": format!("{poll}#0")}, "item": {"S": "COUNT"}});
    let event = json!({"Records": [{"eventName": "MODIFY", "dynamodb": {"Keys": keys}}]});
    scene.app.aws.invoke(&scene.app.stack.function("announce-changes"), &event).await.unwrap();
    assert!(scene.copies().sync(json!({})).await);
    assert!(scene.copies().copy(&poll).await.unwrap().is_deleted);
}

#[tokio::test]
async fn a_stream_that_is_replayed_in_any_order_changes_no_sum() {
    let Some(scene) = Scene::new() else { return };
    let polls = join_all([&[3, 1][..], &[0, 2], &[1, 1, 1]].map(|votes| scene.poll("Which?", votes))).await;
    scene.copies().assert_copied(&polls).await;
    let before = join_all(polls.iter().map(|poll| scene.copies().copy(poll))).await;
    let record = |poll: &String, item: &str| json!({"eventName": "MODIFY", "dynamodb": {"Keys": {"poll_lane": {"S": format!("{poll}#0")}, "item": {"S": item}}}});
    let mut records: Vec<Value> =
        polls.iter().flat_map(|poll| ["COUNT", "HEAD", "COUNT"].map(|item| record(poll, item))).collect();
    let mut random = Rng::with_seed(now_ms());
    for _ in 0..5 {
        random.shuffle(&mut records);
        let event = json!({"Records": records});
        scene.app.aws.invoke(&scene.app.stack.function("announce-changes"), &event).await.unwrap();
        assert!(scene.copies().sync(json!({})).await);
    }
    assert_eq!(join_all(polls.iter().map(|poll| scene.copies().copy(poll))).await, before);
}

#[tokio::test]
async fn what_no_mark_tells_of_is_found_by_the_comparison_and_mended() {
    let Some(scene) = Scene::alone() else { return };
    let polls = join_all([&[3, 1][..], &[0, 2], &[1, 1, 1]].map(|votes| scene.poll("Which?", votes))).await;
    scene.copies().assert_copied(&polls).await;
    let before = join_all(polls.iter().map(|poll| scene.copies().copy(poll))).await;
    let [altered, lost, of_options] = [&polls[0], &polls[1], &polls[2]];
    // A mark may still come, and mend what is lost; what is altered it takes for new.
    let mut by_hand = format!("UPDATE analytics.polls SET ballots = 99 WHERE poll_id = '{altered}';");
    for table in ["option_counts", "segment_counts", "count_history", "polls"] {
        by_hand += &format!("DELETE FROM analytics.{table} WHERE poll_id = '{lost}';");
    }
    by_hand +=
        &format!("UPDATE analytics.option_counts SET votes = 7 WHERE poll_id = '{of_options}' AND option_id = 0;");
    scene.copies().by_hand(&by_hand).await;
    let no_poll = format!("no-poll-{}", now_ms());
    scene
        .copies()
        .by_hand(&format!(
            "INSERT INTO analytics.polls (poll_id, version, tenant, question, kind, identity, results, created_at, ballots, is_final)
             VALUES ('{no_poll}', 1, 'https://id.example.org alice', 'Q', 'single', 'device', 'always', now(), 0, false)"
        ))
        .await;
    eventually("all copies as they were", async || {
        scene.copies().sync(json!({"compare": true})).await;
        let now = join_all(polls.iter().map(|poll| scene.copies().copy(poll))).await;
        let is_gone = scene.copies().copy(&no_poll).await.is_some_and(|copy| copy.is_deleted);
        if now == before && is_gone { Ok(()) } else { Err(format!("{now:?}, not {before:?}; gone: {is_gone}")) }
    })
    .await;
    let lines = scene.app.aws.log_lines(scene.app.stack.output("Analytics")).await;
    for (poll, told) in [(altered, "Drifted"), (of_options, "Drifted"), (&no_poll, "OfNoPoll")] {
        let line = format!("the copy of poll {poll} for analytics has drifted: {told}");
        assert!(lines.iter().any(|logged| logged.contains(&line)), "{line}");
    }
}

#[tokio::test]
async fn without_the_replica_only_analytics_are_unavailable() {
    let Some(scene) = Scene::alone() else { return };
    let poll = scene.poll("Replica?", &[1, 0]).await;
    scene.shows("polls", "polls", &ranked(&[(&poll, "Replica?", 1)])).await;
    analytics_servers(&["kill", "replica"]);
    for path in ["polls", "days", "segments", &*format!("polls/{poll}/history")] {
        assert_problem(&scene.get(path, &scene.token).await, 503, "unavailable");
    }
    scene.vote(&poll, &[0, 2]).await;
    scene.app.results_settle_at(&poll, 3).await;
    scene.copies().assert_copied(std::slice::from_ref(&poll)).await;
    analytics_servers(&["start"]);
    scene.shows("polls", "polls", &ranked(&[(&poll, "Replica?", 3)])).await;
}

#[tokio::test]
async fn a_primary_that_dies_costs_nothing_but_time() {
    let Some(scene) = Scene::alone() else { return };
    let mut polls = join_all((0..8).map(|_| scene.poll("Primary?", &[1, 1]))).await;
    let dying = async {
        analytics_servers(&["kill", "primary"]);
        assert!(!scene.copies().sync(json!({})).await, "a run must fail while the primary is away");
    };
    let voting = join_all(polls.iter().map(|poll| scene.vote(poll, &[2, 1])));
    tokio::join!(dying, voting);
    polls.push(scene.poll("Made meanwhile?", &[1, 2]).await);
    analytics_servers(&["start"]);
    for poll in &polls[..8] {
        scene.app.results_settle_at(poll, 5).await;
    }
    scene.copies().assert_copied(&polls).await;
}

#[tokio::test]
async fn a_sync_that_is_killed_in_the_middle_loses_no_poll() {
    let Some(scene) = Scene::alone() else { return };
    if scene.app.stack.lacks("function-processes") {
        return;
    }
    let polls = join_all((0..24).map(|_| scene.poll("Killed?", &[1, 1]))).await;
    let name = scene.app.stack.output("Analytics").to_owned();
    let mut killed = 0;
    for _ in 0..6 {
        join_all(polls.iter().map(|poll| scene.vote(poll, &[1, 0]))).await;
        let kill = async {
            tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(5..120))).await;
            Process::of(&scene.app.stack).iter().filter(|it| it.function == name && it.kill()).count()
        };
        killed += tokio::join!(scene.copies().sync(json!({})), kill).1;
    }
    assert!(killed > 0, "nothing was killed");
    for poll in &polls {
        scene.app.results_settle_at(poll, 8).await;
    }
    scene.copies().assert_copied(&polls).await;
}

#[tokio::test]
async fn each_mistake_in_the_configuration_is_named_and_touches_nothing_else() {
    let Some(scene) = Scene::alone() else { return };
    let poll = scene.poll("Wrong?", &[1, 0]).await;
    let get = scene.app.stack.function("get-analytics");
    let variables = scene.app.aws.variables(scene.app.stack.output("Analytics")).await;
    let primary = variables["ANALYTICS_WRITE_URL"].as_str().unwrap().to_owned();
    let replica = scene.app.aws.variables(&get).await["ANALYTICS_READ_URL"].as_str().unwrap().to_owned();
    let (before, password) = replica.split_once("//landslide_api:").unwrap();
    let wrong_password = format!("{before}//landslide_api:of-nobody@{}", password.split_once('@').unwrap().1);
    let remote = "postgresql://landslide_api:x@db.example.org/landslide?sslmode=disable";
    for (url, named) in [
        (&*primary, "ANALYTICS_READ_URL must name a replica"),
        (&*wrong_password, "refuses the role"),
        ("", "environment variable ANALYTICS_READ_URL is not set"),
        (remote, "only 127.0.0.1 may go without TLS"),
    ] {
        while_set(&scene.app, "get-analytics", "ANALYTICS_READ_URL", url, async {
            let answer = scene.get("polls", &scene.token).await;
            assert!(answer.status >= 500, "{named}: {answer}");
            assert!(!answer.body.contains("of-nobody") && !answer.body.contains("postgresql"), "{answer}");
            eventually("a line that names it", async || {
                let lines = scene.app.aws.log_lines(&get).await;
                if lines.iter().any(|line| line.contains(named)) { Ok(()) } else { Err(format!("no {named:?}")) }
            })
            .await;
            scene.app.results_settle_at(&poll, 1).await;
        })
        .await;
    }
    scene.shows("polls", "polls", &ranked(&[(&poll, "Wrong?", 1)])).await;
}
