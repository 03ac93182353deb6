//! POST /v1/graphql, GET /v1/graphql/{query_id}, GET /v1/graphql/schema.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, assert_headers_of_all, assert_problem, eventually, in_ms, someone};

/// The schema as it is committed.
const SCHEMA: &str = include_str!("../../../functions/graphql/schema.graphql");
const HIDDEN: &str = "private, no-store";

async fn ask(app: &App, token: &str, query: &str, variables: Value) -> Answer {
    app.post("/v1/graphql", token, &json!({"query": query, "variables": variables})).await
}

/// The data of a query that runs without any error.
async fn data(app: &App, token: &str, query: &str, variables: Value) -> Value {
    let answer = ask(app, token, query, variables).await;
    assert_eq!((answer.status, answer.json().get("errors")), (200, None), "{answer}");
    answer.json()["data"].clone()
}

/// JSON without spaces, as it is in a URL.
fn encoded(json: &str) -> String {
    [("{", "%7B"), ("}", "%7D"), ("\"", "%22")].iter().fold(json.to_owned(), |text, (is, as_)| text.replace(is, as_))
}

/// Anyone runs a kept query.
async fn kept(app: &App, id: &str, variables: &Value) -> Answer {
    app.get(&format!("/v1/graphql/{id}?variables={}", encoded(&variables.to_string()))).await
}

/// The code of a query's first error.
fn code(answer: &Answer) -> String {
    answer.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no code: {answer}")).to_owned()
}

/// Without what is null or says no: REST leaves some of it out.
fn without_nothing(value: &Value) -> Value {
    let is_something = |value: &Value| !matches!(value, Value::Null | Value::Bool(false)) && *value != json!([]);
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| is_something(value));
            kept.map(|(name, value)| (name.clone(), without_nothing(value))).collect()
        }
        Value::Array(values) => values.iter().map(without_nothing).collect(),
        other => other.clone(),
    }
}

/// A kept query and the route that it stands for show the same, once they have read the same.
async fn shows_the_same(app: &App, id: &str, variables: Value, field: &str, route: &str) {
    eventually(&format!("{id} as {route}"), async || {
        let (answer, rest) = (kept(app, id, &variables).await, app.get(route).await);
        assert_eq!((answer.status, rest.status), (200, 200), "{answer}, {rest}");
        let shown = answer.json()["data"]["counts"][field].clone();
        let (shown, rest) = (without_nothing(&shown), without_nothing(&rest.json()));
        if shown == rest { Ok(()) } else { Err(format!("{shown}, and by {route} {rest}")) }
    })
    .await;
}

#[tokio::test]
async fn a_kept_query_shows_whatever_its_route_shows_of_a_poll_of_any_kind() {
    let app = App::new();
    let voters: Vec<String> = (0..3).map(|_| app.account(&someone())).collect();
    let region = json!([{"name": "region", "values": ["north", "south"], "from": "vote"}]);
    for (settings, ballots) in [
        (
            json!({"segments": region, "series": true, "write_in": true}),
            [
                json!({"choices": [0], "segments": {"region": "north"}}),
                json!({"choices": [1]}),
                json!({"choices": [], "other": "Green"}),
            ],
        ),
        (json!({"kind": "ranked"}), [json!({"ranking": [0, 1]}), json!({"ranking": [1]}), json!({"ranking": [1, 0]})]),
        (
            json!({"kind": "rating", "series": true}),
            [1, 4, 5].map(|value| json!({"ratings": [{"option": 0, "value": value}]})),
        ),
    ] {
        let mut body = json!({"question": "Which?", "options": ["Red", "Blue"]});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let poll = app.poll(body).await;
        for (voter, ballot) in voters.iter().zip(&ballots) {
            let vote = app.post(&format!("/v1/polls/{poll}/votes"), voter, ballot).await;
            assert_eq!(vote.status, 201, "{vote}");
        }
        app.results_settle_at(&poll, 3).await;
        let (of_poll, results) = (json!({"poll_id": poll}), format!("/v1/polls/{poll}/results"));
        let shown = kept(&app, "poll", &of_poll).await.json()["data"]["poll"].clone();
        assert_eq!(shown, app.shown(&poll).await);
        if settings["kind"] == "ranked" {
            shows_the_same(&app, "rounds", of_poll.clone(), "results", &results).await;
            for method in ["irv", "stv", "condorcet", "borda"] {
                let variables = json!({"poll_id": poll, "method": method});
                let route = format!("{results}?method={method}");
                shows_the_same(&app, "rounds", variables, "results", &route).await;
            }
        } else {
            shows_the_same(&app, "results", of_poll.clone(), "results", &results).await;
        }
        if settings.get("segments").is_some() {
            let variables = json!({"poll_id": poll, "by": "region"});
            shows_the_same(&app, "segments", variables, "segments", &format!("{results}/segments?by=region")).await;
        }
        if settings.get("series").is_some() {
            // Two of the slots of a poll that never closes, which are days.
            let variables = json!({"poll_id": poll, "step": 172_800});
            shows_the_same(&app, "series", variables, "series", &format!("{results}/series?step=172800")).await;
        }
    }
}

#[tokio::test]
async fn a_tenants_polls_come_page_by_page_with_what_they_are_asked_for() {
    const POLLS: usize = 5;
    let app = App::new();
    let owner = app.account(&someone());
    let mut polls = Vec::new();
    for number in 0..POLLS {
        let body = json!({"question": format!("{number}?"), "options": ["a", "b"]});
        polls.insert(0, app.poll_of(&owner, body).await);
    }
    app.votes_for(&polls[0], [1, 1]).await;
    app.results_settle_at(&polls[0], 2).await;
    let query = "query ($after: String) { polls(first: 2, after: $after) {
        edges { cursor node { poll_id question options { label } counts { results { ballots } } } }
        pageInfo { hasNextPage endCursor } } }";
    let all = eventually("all polls", async || {
        let (mut all, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = data(&app, &owner, query, json!({"after": after})).await["polls"].clone();
            all.extend(page["edges"].as_array().unwrap().iter().map(|edge| edge["node"].clone()));
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        if all.len() == POLLS { Ok(all) } else { Err(format!("{all:?}")) }
    })
    .await;
    let ids: Vec<&str> = all.iter().map(|poll| poll["poll_id"].as_str().unwrap()).collect();
    assert_eq!(ids, polls, "newest first");
    assert_eq!(all[0]["counts"]["results"]["ballots"], 2);
    assert_eq!(all[1]["options"], json!([{"label": "a"}, {"label": "b"}]));

    let listed = Answer::of(app.request(Method::GET, "/v1/polls").bearer_auth(&owner)).await.json();
    let answer = app.post("/v1/graphql", &owner, &json!({"id": "polls"})).await;
    let shown = &answer.json()["data"]["polls"]["edges"][0]["node"];
    for (name, value) in shown.as_object().unwrap() {
        assert_eq!(*value, listed["polls"][0][name], "{name}");
    }
    assert!(answer.header("ratelimit").starts_with("\"requests\";r="), "{answer}");
    assert_headers_of_all(&answer);

    let usage = app.post("/v1/graphql", &owner, &json!({"id": "usage"})).await.json()["data"]["usage"].clone();
    assert_eq!((&usage["polls"], &usage["complete"]), (&json!(POLLS), &json!(true)));
    let others = data(&app, &app.account(&someone()), "{ polls { nodes { poll_id } } }", json!({})).await;
    assert_eq!(others, json!({"polls": {"nodes": []}}));
}

#[tokio::test]
async fn hidden_counts_are_shown_to_those_who_may_see_them() {
    let app = App::new();
    let owner = app.account(&someone());
    let body = json!({"question": "Which?", "options": ["a", "b"], "results": "owner"});
    let poll = app.poll_of(&owner, body).await;
    let link = app.view(&poll, &owner).await["token"].as_str().unwrap().to_owned();
    let key = app.key(&owner, "viewer").await["key"].as_str().unwrap().to_owned();
    let query = "query ($id: String!) { poll(poll_id: $id) { question } counts(poll_id: $id) { results { ballots } } }";
    for token in [&owner, &link, &key] {
        let shown = data(&app, token, query, json!({"id": poll})).await;
        assert_eq!(shown["counts"]["results"]["ballots"], 0);
    }
    for token in [app.account(&someone()), app.device().await] {
        let answer = ask(&app, &token, query, json!({"id": poll})).await;
        let data = json!({"poll": {"question": "Which?"}, "counts": {"results": null}});
        assert_eq!(
            (answer.status, &answer.json()["data"], &*code(&answer)),
            (200, &data, "results_hidden"),
            "{answer}"
        );
    }
    let anyone = kept(&app, "results", &json!({"poll_id": poll})).await;
    assert_eq!((anyone.status, &*code(&anyone), anyone.header("cache-control")), (200, "results_hidden", HIDDEN));
    let device = app.device().await;
    let lists = ask(&app, &device, "{ polls { nodes { question } } }", json!({})).await;
    assert_eq!((lists.status, &*code(&lists)), (200, "forbidden"), "{lists}");
    let nobody = Answer::of(app.request(Method::POST, "/v1/graphql").json(&json!({"query": query}))).await;
    assert_problem(&nobody, 401, "unauthorized");
}

#[tokio::test]
async fn a_query_that_may_not_run_is_told_why_with_its_cost_and_its_limit() {
    let app = App::new();
    let owner = app.account(&someone());
    let refused = async |query: &str| {
        let answer = ask(&app, &owner, query, json!({})).await;
        assert_eq!((answer.status, answer.header("cache-control")), (400, HIDDEN), "{answer}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_headers_of_all(&answer);
        answer.json()["errors"][0]["extensions"].clone()
    };
    let twice = "{ polls(first: 100) { nodes { options { id } } edges { node { options { id } } } } }";
    assert_eq!(refused(twice).await, json!({"code": "over_budget", "cost": 501, "limit": 500}));
    let aliases = format!("{{ {} }}", "a: __typename ".repeat(11));
    assert_eq!(refused(&aliases).await, json!({"code": "over_limit", "what": "aliases", "value": 11, "limit": 10}));
    assert_eq!(refused("{ __schema { types { name } } }").await["code"], "introspection_off");
    assert_eq!(refused("mutation { close }").await["code"], "invalid_request");
    assert_eq!(refused(&"{ a ".repeat(100)).await["what"], "nesting");
    let batch = app.post("/v1/graphql", &owner, &json!([{"query": "{ __typename }"}])).await;
    assert_problem(&batch, 400, "invalid_request");
    let form = app.request(Method::POST, "/v1/graphql").bearer_auth(&owner);
    let form = form.header("Content-Type", "application/x-www-form-urlencoded").body("query=%7B__typename%7D");
    assert_problem(&Answer::of(form).await, 415, "unsupported_media_type");
    let got = app.get("/v1/graphql?query=%7B__typename%7D").await;
    assert_problem(&got, 404, "not_found");
    assert_problem(&kept(&app, "polls", &json!({})).await, 404, "not_found");
}

#[tokio::test]
async fn a_kept_query_and_the_schema_are_public_and_have_tags() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    app.votes_for(&poll, [0]).await;
    app.results_settle_at(&poll, 1).await;
    let answer = kept(&app, "results", &json!({"poll_id": poll})).await;
    assert!(answer.header("cache-control").starts_with("public, max-age="), "{answer}");
    assert!(answer.header("landslide-poll-after").parse::<u64>().is_ok(), "{answer}");
    assert_headers_of_all(&answer);
    let known = async |path: &str, tag: &str| {
        Answer::of(app.request(Method::GET, path).header("If-None-Match", tag)).await.status
    };
    let path = format!("/v1/graphql/results?variables=%7B%22poll_id%22%3A%22{poll}%22%7D");
    eventually("304", async || {
        let tag = app.get(&path).await.header("etag").to_owned();
        let status = known(&path, &tag).await;
        if status == 304 { Ok(()) } else { Err(format!("{status}")) }
    })
    .await;
    let schema = app.get("/v1/graphql/schema").await;
    assert_eq!((schema.status, &*schema.body), (200, SCHEMA));
    assert_eq!(known("/v1/graphql/schema", schema.header("etag")).await, 304);
}

/// All fields of a poll, as the routes of its tenant show it.
const POLL: &str =
    "{ poll_id status question options { id label } kind max_choices min_choices write_in scale { min max }
    correct seats method segments { name values from } min_cell series opens_at closes_at identity vote_change results
    peak_votes_per_second viewers own_vote devices embed listed paused_from lot_seed_sha256 revision created_at
    offered_to { issuer kind value } }";

/// A mutation of a poll, with the arguments that variables give.
fn mutation(field: &str, declared: &str, given: &str) -> String {
    format!("mutation ({declared}) {{ {field}({given}) {POLL} }}")
}

async fn create(app: &App, token: &str, key: Option<&str>, poll: &Value) -> Answer {
    let query = mutation("createPoll", "$poll: NewPoll!, $key: String", "poll: $poll, idempotency_key: $key");
    ask(app, token, &query, json!({"poll": poll, "key": key})).await
}

async fn change(app: &App, token: &str, poll: &str, revision: u64, changes: &Value) -> Answer {
    let declared = "$id: String!, $revision: Int!, $changes: EditPoll!";
    let query = mutation("updatePoll", declared, "poll_id: $id, revision: $revision, changes: $changes");
    ask(app, token, &query, json!({"id": poll, "revision": revision, "changes": changes})).await
}

/// A mutation of a poll that takes nothing else.
async fn act(app: &App, token: &str, field: &str, poll: &str) -> Answer {
    ask(app, token, &mutation(field, "$id: String!", "poll_id: $id"), json!({"id": poll})).await
}

/// What a mutation that succeeds shows.
#[track_caller]
fn changed(answer: &Answer, field: &str) -> Value {
    assert_eq!((answer.status, answer.json().get("errors")), (200, None), "{answer}");
    assert_eq!(answer.header("cache-control"), HIDDEN);
    answer.json()["data"][field].clone()
}

/// Fails unless the mutation is refused with this code and changes nothing that it shows.
#[track_caller]
fn assert_refused(answer: &Answer, field: &str, expected: &str) {
    let (status, data) = (answer.status, answer.json()["data"].clone());
    assert_eq!((status, data, &*code(answer)), (200, json!({field: null}), expected), "{answer}");
}

/// Without what two polls of the same body have of their own.
fn without_its_own(poll: &Value) -> Value {
    let mut poll = poll.clone();
    for name in ["poll_id", "created_at", "lot_seed_sha256"] {
        poll.as_object_mut().unwrap().remove(name);
    }
    poll
}

#[tokio::test]
async fn a_mutation_creates_the_poll_that_rest_creates_and_shows_it_the_same() {
    let app = App::new();
    let owner = app.account(&someone());
    for body in [
        json!({"question": "Which?", "options": ["a", "b"]}),
        json!({"question": "Which?", "options": ["a", "b", "c"], "kind": "ranked", "seats": 2, "opens_at": in_ms(3_600_000),
            "closes_at": in_ms(7_200_000), "identity": "account", "vote_change": "until_close", "results": "owner",
            "peak_votes_per_second": 5000, "viewers": 5000, "own_vote": "hide", "embed": ["https://news.example"], "listed": true}),
        json!({"question": "Which?", "options": ["a", "b"], "kind": "multiple", "correct": [1], "max_choices": 1,
            "series": true, "segments": [{"name": "region", "values": ["n", "s"], "from": "vote"}], "min_cell": 7}),
        json!({"question": "Which?", "options": ["a", "b"], "kind": "rating", "scale": {"min": 0, "max": 10}}),
        json!({"question": "Why?", "kind": "text", "closes_at": null}),
    ] {
        let made = changed(&create(&app, &owner, None, &body).await, "createPoll");
        let rest = app.create_poll(&owner, &body).await;
        assert_eq!(rest.status, 201, "{rest}");
        assert_eq!(without_its_own(&made), without_its_own(&rest.json()));
        let shown = app.shown(made["poll_id"].as_str().unwrap()).await;
        for name in ["poll_id", "question", "options", "created_at", "lot_seed_sha256"] {
            assert_eq!(made[name], shown[name], "{name}");
        }
    }
    let poll =
        changed(&create(&app, &owner, None, &json!({"question": "Q", "options": ["a", "b"]})).await, "createPoll");
    let poll = poll["poll_id"].as_str().unwrap();
    app.votes_for(poll, [1, 1, 0]).await;
    app.results_settle_at(poll, 3).await;
}

#[tokio::test]
async fn one_idempotency_key_is_one_poll_by_rest_and_by_mutations() {
    let app = App::new();
    let owner = app.account(&someone());
    let body = json!({"question": "Best colour?", "options": ["Red", "Blue"]});
    let by_rest = async |key: &str, body: &Value| {
        let request = app.request(Method::POST, "/v1/polls").bearer_auth(&owner).header("Idempotency-Key", key);
        Answer::of(request.json(body)).await
    };
    let first = changed(&create(&app, &owner, Some("k1"), &body).await, "createPoll");
    let again = by_rest("k1", &body).await;
    assert_eq!((again.status, &again.json()), (200, &first), "{again}");
    let first = by_rest("k2", &body).await;
    assert_eq!(first.status, 201, "{first}");
    assert_eq!(changed(&create(&app, &owner, Some("k2"), &body).await, "createPoll"), first.json());
    let other = json!({"question": "Worst colour?", "options": ["Red", "Blue"]});
    assert_refused(&create(&app, &owner, Some("k2"), &other).await, "createPoll", "idempotency_conflict");
    assert_refused(&create(&app, &owner, Some("a b"), &body).await, "createPoll", "invalid_request");
    let theirs = changed(&create(&app, &app.account(&someone()), Some("k1"), &body).await, "createPoll");
    assert_ne!(theirs["poll_id"], again.json()["poll_id"], "a key is its tenant's");
}

#[tokio::test]
async fn a_change_by_a_stale_revision_is_refused_and_one_by_the_current_is_rest_s() {
    let app = App::new();
    let owner = app.account(&someone());
    let body = json!({"question": "Best colour?", "options": ["Red", "Blue"], "opens_at": in_ms(3_600_000)});
    let (poll, twin) = (app.poll_of(&owner, body.clone()).await, app.poll_of(&owner, body).await);
    let changes = json!({"question": "Worst colour?", "options": ["x", "y", "z"], "closes_at": in_ms(7_200_000)});
    let made = changed(&change(&app, &owner, &poll, 1, &changes).await, "updatePoll");
    let rest = app.change_poll(&twin, &owner, "\"1\"", &changes).await;
    assert_eq!(rest.status, 200, "{rest}");
    assert_eq!(without_its_own(&made), without_its_own(&rest.json()));
    for stale in [0, 1, 3] {
        let refused = change(&app, &owner, &poll, stale, &json!({"question": "Any colour?"})).await;
        assert_refused(&refused, "updatePoll", "revision_mismatch");
    }
    assert_refused(&change(&app, &owner, &poll, 2, &json!({"kind": "text"})).await, "updatePoll", "not_editable");
    let invalid = change(&app, &owner, &poll, 2, &json!({"question": " ", "options": ["a"]})).await;
    assert_refused(&invalid, "updatePoll", "invalid_request");
    let rest = app.change_poll(&twin, &owner, "\"2\"", &json!({"question": " ", "options": ["a"]})).await;
    assert_eq!(invalid.json()["errors"][0]["extensions"]["errors"], rest.json()["errors"]);
    assert_refused(&change(&app, &owner, "nobody", 1, &json!({})).await, "updatePoll", "not_found");
    let cleared = changed(&change(&app, &owner, &poll, 2, &json!({"closes_at": null})).await, "updatePoll");
    assert_eq!((&cleared["closes_at"], &cleared["question"]), (&Value::Null, &json!("Worst colour?")));
    let unset = "mutation ($id: String!, $c: DateTime) {
        updatePoll(poll_id: $id, revision: 3, changes: {closes_at: $c}) { revision } }";
    let answer = ask(&app, &owner, unset, json!({"id": poll})).await;
    assert_eq!((answer.status, &*code(&answer)), (400, "invalid_request"), "{answer}");
    assert_eq!(app.shown(&poll).await["revision"], 3);
}

#[tokio::test]
async fn polls_are_paused_resumed_closed_and_copied_as_by_their_routes() {
    let app = App::new();
    let owner = app.account(&someone());
    let body = json!({"question": "Best colour?", "options": ["Red", "Blue"], "results": "owner"});
    let poll = app.poll_of(&owner, body).await;
    let paused = changed(&act(&app, &owner, "pausePoll", &poll).await, "pausePoll");
    let again = app.post_without_body(&format!("/v1/polls/{poll}/pause"), &owner).await;
    assert_eq!((again.status, &again.json()), (200, &paused), "{again}");
    let resumed = changed(&act(&app, &owner, "resumePoll", &poll).await, "resumePoll");
    assert_eq!((&resumed["paused_from"], &resumed["status"]), (&Value::Null, &json!("open")));
    let copied = changed(&act(&app, &owner, "copyPoll", &poll).await, "copyPoll");
    let rest = app.post_without_body(&format!("/v1/polls/{poll}/copy"), &owner).await;
    assert_eq!(without_its_own(&copied), without_its_own(&rest.json()), "{rest}");
    let query = mutation(
        "copyPoll",
        "$id: String!, $key: String, $changes: CopyPoll",
        "poll_id: $id, idempotency_key: $key, changes: $changes",
    );
    let variables = json!({"id": poll, "key": "k", "changes": {"question": "Which?"}});
    let first = changed(&ask(&app, &owner, &query, variables.clone()).await, "copyPoll");
    assert_eq!(first["question"], "Which?");
    assert_eq!(changed(&ask(&app, &owner, &query, variables).await, "copyPoll"), first);
    let closed = changed(&act(&app, &owner, "closePoll", &poll).await, "closePoll");
    let again = app.close_poll(&poll, &owner).await;
    assert_eq!((again.status, &again.json()), (200, &closed), "{again}");

    let scheduled = json!({"question": "Q", "options": ["a", "b"], "opens_at": in_ms(3_600_000)});
    let scheduled = app.poll_of(&owner, scheduled).await;
    for field in ["closePoll", "pausePoll", "resumePoll"] {
        assert_refused(&act(&app, &owner, field, &scheduled).await, field, "poll_not_open");
        assert_refused(&act(&app, &owner, field, "nobody").await, field, "not_found");
    }
}

#[tokio::test]
async fn who_may_not_change_polls_by_rest_may_not_by_mutations() {
    let app = App::new();
    let owner = app.account(&someone());
    let body = json!({"question": "Best colour?", "options": ["Red", "Blue"]});
    let poll = app.poll_of(&owner, body.clone()).await;
    let link = app.view(&poll, &owner).await["token"].as_str().unwrap().to_owned();
    let viewer = app.key(&owner, "viewer").await["key"].as_str().unwrap().to_owned();
    let device = app.device().await;
    for token in [&device, &link, &viewer] {
        assert_refused(&create(&app, token, None, &body).await, "createPoll", "forbidden");
    }
    let other = app.account(&someone());
    for token in [&device, &link, &viewer, &other] {
        let changes = json!({"viewers": 5});
        assert_refused(&change(&app, token, &poll, 1, &changes).await, "updatePoll", "forbidden");
        for field in ["closePoll", "pausePoll", "resumePoll", "copyPoll"] {
            assert_refused(&act(&app, token, field, &poll).await, field, "forbidden");
        }
    }
    let query = mutation("createPoll", "$poll: NewPoll!", "poll: $poll");
    let nobody = app.request(Method::POST, "/v1/graphql").json(&json!({"query": query, "variables": {"poll": body}}));
    assert_problem(&Answer::of(nobody).await, 401, "unauthorized");
    assert_eq!(app.shown(&poll).await["revision"], 1);
    let editor = app.key(&owner, "editor").await["key"].as_str().unwrap().to_owned();
    let made = changed(&create(&app, &editor, None, &body).await, "createPoll");
    assert_eq!(app.close_poll(made["poll_id"].as_str().unwrap(), &owner).await.status, 200, "it is the owner's");
}

#[tokio::test]
async fn a_mutation_comes_as_a_text_by_post_with_json_and_in_no_other_way() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, json!({"question": "Best colour?", "options": ["Red", "Blue"]})).await;
    let query = format!("mutation {{ closePoll(poll_id: \"{poll}\") {{ status }} }}");
    let body = json!({"query": query}).to_string();
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/graphql"] {
        let request = app.request(Method::POST, "/v1/graphql").bearer_auth(&owner).header("Content-Type", media_type);
        assert_problem(&Answer::of(request.body(body.clone())).await, 415, "unsupported_media_type");
    }
    let encoded = query.replace(' ', "%20").replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    let got = app.request(Method::GET, &format!("/v1/graphql?query={encoded}")).bearer_auth(&owner);
    assert_problem(&Answer::of(got).await, 404, "not_found");
    let kept = app.request(Method::GET, &format!("/v1/graphql/closePoll?query={encoded}")).bearer_auth(&owner);
    assert_problem(&Answer::of(kept).await, 404, "not_found");
    let by_id = app.post("/v1/graphql", &owner, &json!({"id": "poll", "query": query})).await;
    assert_problem(&by_id, 400, "invalid_request");
    let twice = query.replace("} }", &format!("}} closePoll(poll_id: \"{poll}\") {{ status }} }}"));
    let many: String = ["a", "b", "c", "d", "e", "f"]
        .map(|name| format!("{name}: closePoll(poll_id: \"{poll}\") {{ status }} "))
        .concat();
    let counts = format!("mutation {{ closePoll(poll_id: \"{poll}\") {{ counts {{ results {{ ballots }} }} }} }}");
    for (query, expected) in
        [(twice, "invalid_request"), (format!("mutation {{ {many} }}"), "over_limit"), (counts, "over_limit")]
    {
        let answer = ask(&app, &owner, &query, json!({})).await;
        assert_eq!((answer.status, &*code(&answer)), (400, expected), "{answer}");
    }
    assert_eq!(app.shown(&poll).await["revision"], 1);
    let closed = ask(&app, &owner, &query, json!({})).await;
    assert_eq!((closed.status, &closed.json()["extensions"]["cost"]), (200, &json!(12)), "{closed}");
}
