//! The endpoint over a stub of AWS: queries in, responses out.

mod hostile;
mod limits;
mod mutations;
mod published;

use std::time::{Duration, SystemTime};

use landslide_aws::{
    clock::SystemClock,
    queue::Queue,
    store::{AssembledStore, LimitStore, PollStore, ResultsStore, VoteStore},
    testing::{Answer, Calls, stub},
};
use landslide_domain::{
    limits::{DayUse, Limits, Standing},
    poll::ballot_kinds::BallotKinds,
    testing::{at, poll_asked_for},
};
use landslide_edge::{Edge, Event};
use landslide_service::{
    limits::TenantLimits,
    polls::{CurrentPolls, PollChanges, PollCreation, TenantPolls},
    results::{AssemblyQueue, CurrentResults},
    usage::TenantUsage,
};
use serde_json::{Value, json};

use super::*;

#[tokio::main(flavor = "current_thread")]
async fn run<T>(future: impl Future<Output = T>) -> T {
    future.await
}

/// The endpoint over tables in which `p1` is the only poll, with these settings.
struct Stand {
    graphql: Arc<Graphql>,
    calls: Calls,
    /// What a request may take.
    time: Duration,
}

/// What the owner's tenant may use.
const LIMITS: Limits = Limits { polls_per_day: 5, open_polls: 4, requests_per_minute: 6 };

impl Stand {
    fn with(settings: Value) -> Self {
        let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
        let mut body = json!({"question": "Best colour?", "options": ["Red", "Blue"]});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let poll = poll_asked_for(body, at(0)).unwrap();
        run(PollStore::new(&aws, "polls".to_owned()).create(&poll, &[])).unwrap();
        let written = calls.all()[0].body["TransactItems"].as_array().unwrap().clone();
        let items: Vec<Value> = written.iter().map(|write| write["Put"]["Item"].clone()).collect();
        Self::over(move |call| answer(&items, call))
    }

    fn new() -> Self {
        Self::with(json!({}))
    }

    fn over(answer: impl Fn(&landslide_aws::testing::Call) -> Answer + Send + Sync + 'static) -> Self {
        let (aws, calls) = stub(move |call, _| answer(call));
        let polls = || PollStore::new(&aws, "polls".to_owned());
        let tallies = || ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned());
        let results = || {
            let queue = AssemblyQueue::new(Queue::new(&aws, "http://assembly".to_owned()));
            let assembled = AssembledStore::new(&aws, "tallies".to_owned());
            CurrentResults::new(tallies(), assembled, VoteStore::new(&aws, "votes".to_owned()), queue)
        };
        let limits = || LimitStore::new(&aws, "tenants".to_owned());
        let creation = PollCreation::new(polls(), limits(), vec![7; 32], 1, BallotKinds::All);
        let services = Services {
            polls: CurrentPolls::new(polls()),
            lists: TenantPolls::new(polls()),
            results: results(),
            broken_down: results().broken_down(),
            analytics: Analytics::default(),
            usage: TenantUsage::new(polls(), tallies(), limits()),
            changes: PollChanges::new(polls()),
            creation: Creation::of(creation),
            limits: Arc::new(TenantLimits::over(limits(), LIMITS, SystemClock)),
        };
        Self { graphql: Arc::new(Graphql::new(services).unwrap()), calls, time: Duration::from_secs(60) }
    }

    /// What an event is answered with.
    fn response(&self, event: Value) -> Value {
        let event: Event = serde_json::from_value(event).unwrap();
        let now = clock::now();
        let used = DayUse { polls: 1, minute: Some(now.minute()), in_minute: 3, ..DayUse::default() };
        let request =
            Request::new(event, SystemTime::now() + self.time).counted(Standing { limits: LIMITS, used, now });
        let edge = Edge::new("*".to_owned());
        serde_json::to_value(run(edge.answer(&self.graphql, &handle, request))).unwrap()
    }

    /// Its status, body and `Cache-Control`.
    fn answer(&self, event: Value) -> (u64, Value, String) {
        let response = self.response(event);
        let body = response["body"].as_str().map(|text| serde_json::from_str(text).unwrap_or(json!(text)));
        let cache = response["headers"]["cache-control"].as_str().unwrap_or_default().to_owned();
        (response["statusCode"].as_u64().unwrap(), body.unwrap_or_default(), cache)
    }

    /// The owner sends a body.
    fn post(&self, body: &Value) -> (u64, Value) {
        let (status, body, cache) = self.answer(posted_event("application/json", &body.to_string(), "owner"));
        assert_eq!(cache, "private, no-store");
        (status, body)
    }

    /// The owner sends a query, which runs.
    fn ask(&self, query: &str) -> Value {
        let (status, body) = self.post(&json!({"query": query}));
        assert_eq!(status, 200, "{query}: {body}");
        body
    }

    /// Anyone runs a kept query.
    fn kept(&self, id: &str, variables: Option<&str>) -> (u64, Value, String) {
        self.answer(got_event(id, variables, &json!({})))
    }
}

/// What AWS would say if these are all items of the one poll, and one lane has counted three ballots.
fn answer(items: &[Value], call: &landslide_aws::testing::Call) -> Answer {
    let asked = call.body.to_string();
    let is_of_the_poll = asked.contains("\"p1\"") || asked.contains("by-owner");
    let items: Vec<&Value> = items.iter().filter(|_| is_of_the_poll).collect();
    let count = json!({"poll_lane": {"S": "p1#0"}, "item": {"S": "COUNT"}, "version": {"N": "3"},
        "as_of": {"N": at(5).as_millis().to_string()}, "ballots": {"N": "3"}, "o0": {"N": "1"}, "o1": {"N": "2"}});
    let is_rules = |item: &&Value| item["item"]["S"] == "RULES";
    match call.operation.as_str() {
        "BatchGetItem" if asked.contains("\"tallies\"") => {
            let counts = if is_of_the_poll { vec![count] } else { Vec::new() };
            Answer::Ok(json!({"Responses": {"polls": items, "tallies": counts}, "UnprocessedKeys": {}}))
        }
        "BatchGetItem" => {
            let rules: Vec<_> = items.into_iter().filter(is_rules).collect();
            Answer::Ok(json!({"Responses": {"polls": rules}, "UnprocessedKeys": {}}))
        }
        "Query" if asked.contains("\"tenants\"") => Answer::Ok(json!({"Items": []})),
        "Query" if asked.contains("by-owner") => {
            Answer::Ok(json!({"Items": items.into_iter().filter(is_rules).collect::<Vec<_>>()}))
        }
        "Query" => Answer::Ok(json!({"Items": items})),
        _ => Answer::Ok(json!({})),
    }
}

fn context(method: &str, resource: &str) -> Value {
    json!({"requestId": "r-1", "httpMethod": method, "resourcePath": resource})
}

fn posted_event(media_type: &str, body: &str, subject: &str) -> Value {
    let mut context = context("POST", "/v1/graphql");
    context["authorizer"] = json!({"issuer": "https://id.example.org", "subject": subject, "kind": "account", "expires_at": "4102444800000"});
    json!({"httpMethod": "POST", "headers": {"Content-Type": media_type}, "requestContext": context, "body": body})
}

fn got_event(id: &str, variables: Option<&str>, headers: &Value) -> Value {
    let query = variables.map(|variables| json!({"variables": variables}));
    json!({"httpMethod": "GET", "headers": headers, "queryStringParameters": query, "pathParameters": {"query_id": id},
        "requestContext": context("GET", "/v1/graphql/{query_id}")})
}

#[test]
fn a_poll_its_options_and_its_counts_are_read_by_one_query() {
    let query = "{ poll(poll_id: \"p1\") { question status results segments { name } options { label }
        counts { results { ballots options { id votes } as_of final version { poll counts } tally { method } } } } }";
    let shown = Stand::new().ask(query);
    let results = json!({"ballots": 3, "options": [{"id": 0, "votes": 1}, {"id": 1, "votes": 2}], "as_of": at(5),
        "final": false, "version": {"poll": 1, "counts": 3}, "tally": null});
    let poll = json!({"question": "Best colour?", "status": "open", "results": "always", "segments": [],
        "options": [{"label": "Red"}, {"label": "Blue"}], "counts": {"results": results}});
    assert_eq!(shown, json!({"data": {"poll": poll}, "extensions": {"cost": 34}}));
}

#[test]
fn a_page_of_polls_has_their_options_and_counts() {
    let stand = Stand::new();
    let shown = stand.ask(
        "{ polls(first: 2) { edges { cursor } nodes { poll_id offered_to { value } options { label } counts { results { ballots } } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }",
    );
    let page = &shown["data"]["polls"];
    let node = json!({"poll_id": "p1", "offered_to": null, "options": [{"label": "Red"}, {"label": "Blue"}],
        "counts": {"results": {"ballots": 3}}});
    assert_eq!(page["nodes"], json!([node]));
    let cursor = page["edges"][0]["cursor"].as_str().unwrap();
    let info = json!({"hasNextPage": false, "hasPreviousPage": false, "startCursor": cursor, "endCursor": cursor});
    assert_eq!((&page["pageInfo"], &shown["extensions"]["cost"]), (&info, &json!(1 + 2 + 2 * (2 + 32))));
    let (_, next) = stand
        .post(&json!({"query": "query ($after: String) { polls(after: $after) { pageInfo { hasPreviousPage } } }",
        "variables": {"after": cursor}}));
    assert_eq!(next["data"]["polls"]["pageInfo"]["hasPreviousPage"], true);
    let (_, none) = stand.post(&json!({"query": "{ polls(after: \"x\") { nodes { question } } }"}));
    assert_eq!(none["errors"][0]["extensions"]["code"], "invalid_request");
}

#[test]
fn a_field_that_fails_is_null_and_takes_no_other_with_it() {
    let query = "{ poll(poll_id: \"p1\") { question counts { results { ballots } segments { ballots } series(from: \"soon\") { ballots } } }
        none: poll(poll_id: \"nobody\") { question } counts(poll_id: \"p1\") { results(method: irv) { ballots } } }";
    let shown = Stand::new().ask(query);
    let data = json!({"poll": {"question": "Best colour?", "counts": {"results": {"ballots": 3}, "segments": null, "series": null}},
        "none": null, "counts": {"results": null}});
    assert_eq!(shown["data"], data);
    let mut failed: Vec<String> = shown["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| format!("{} {}", error["path"], error["extensions"]["code"].as_str().unwrap()))
        .collect();
    failed.sort();
    assert_eq!(
        failed,
        [
            "[\"counts\",\"results\"] not_found",
            "[\"none\"] not_found",
            "[\"poll\",\"counts\",\"segments\"] not_found",
            "[\"poll\",\"counts\",\"series\"] invalid_request",
        ]
    );
}

#[test]
fn hidden_counts_are_their_owners_alone() {
    let stand = Stand::with(json!({"results": "owner"}));
    let query = json!({"query": "{ counts(poll_id: \"p1\") { results { ballots } } }"});
    assert_eq!(stand.post(&query).1["data"]["counts"]["results"]["ballots"], 3);
    let (status, other, _) = stand.answer(posted_event("application/json", &query.to_string(), "somebody else"));
    assert_eq!((status, &other["data"]), (200, &json!({"counts": {"results": null}})));
    assert_eq!(other["errors"][0]["extensions"]["code"], "results_hidden");
    let (status, anyone, cache) = stand.kept("results", Some("{\"poll_id\": \"p1\"}"));
    assert_eq!(
        (status, &anyone["data"]["counts"], cache.as_str()),
        (200, &json!({"results": null}), "private, no-store")
    );
}

#[test]
fn who_is_no_member_sees_neither_a_list_nor_usage() {
    let stand = Stand::new();
    let mut event = posted_event(
        "application/json",
        "{\"query\": \"{ polls { nodes { question } } usage { polls } poll(poll_id: \\\"p1\\\") { question } }\"}",
        "d",
    );
    event["requestContext"]["authorizer"]["kind"] = json!("device");
    let (status, shown, _) = stand.answer(event.clone());
    assert_eq!(
        (status, &shown["data"]),
        (200, &json!({"polls": null, "usage": null, "poll": {"question": "Best colour?"}}))
    );
    assert!(
        shown["errors"].as_array().unwrap().iter().all(|error| error["extensions"]["code"] == "forbidden"),
        "{shown}"
    );
    event["requestContext"]["authorizer"] = Value::Null;
    assert_eq!(stand.answer(event).0, 401);
}

#[test]
fn without_analytics_each_of_their_fields_says_so_and_no_window_is_taken_for_another() {
    let of_all =
        "polls { polls { poll_id } } days { days { votes } } segments { by } history(poll_id: \"p1\") { poll_id }";
    let shown = Stand::new().ask(&format!("{{ analytics {{ {of_all} }} }}"));
    let codes: Vec<&Value> = shown["errors"].as_array().unwrap().iter().map(|it| &it["extensions"]["code"]).collect();
    assert_eq!(codes, ["not_found"; 4], "{shown}");
    let nothing = json!({"polls": null, "days": null, "segments": null, "history": null});
    assert_eq!((&shown["data"]["analytics"], &shown["extensions"]["cost"]), (&nothing, &json!(80)));
    for wrong in [
        "polls(first: 101) { from }",
        "polls(from: \"yesterday\") { from }",
        "days(from: \"2026-02-01T00:00:00Z\", to: \"2026-01-01T00:00:00Z\") { from }",
        "days(poll_id: \"a b\") { from }",
        "segments(by: \"Region\") { by }",
    ] {
        let shown = Stand::new().ask(&format!("{{ analytics {{ {wrong} }} }}"));
        assert_eq!(shown["errors"][0]["extensions"]["code"], "invalid_request", "{wrong}: {shown}");
    }
}

#[test]
fn usage_is_shown_and_costs_its_units() {
    let shown = Stand::new().ask("{ usage(month: \"2020-02\") { month polls complete notes } }");
    assert_eq!((&shown["data"]["usage"]["month"], &shown["extensions"]["cost"]), (&json!("2020-02"), &json!(100)));
}

#[test]
fn a_failure_on_our_side_fails_the_request() {
    let stand = Stand::over(|_| Answer::Lost);
    let (status, problem) = stand.post(&json!({"query": "{ __typename poll(poll_id: \"p1\") { question } }"}));
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    let item =
        |item: &str| json!({"poll_id": {"S": "p1"}, "item": {"S": item}, "labels": {"L": []}, "revision": {"N": "1"}});
    let broken = json!({"polls": [item("RULES"), item("OPTIONS")], "tallies": []});
    let stand = Stand::over(move |_| Answer::Ok(json!({"Responses": broken, "UnprocessedKeys": {}})));
    let (status, problem) = stand.post(&json!({"query": "{ counts(poll_id: \"p1\") { results { ballots } } }"}));
    assert_eq!((status, &problem["code"]), (500, &json!("internal")), "{problem}");
}

#[test]
fn a_kept_query_is_public_for_a_second_and_has_a_tag() {
    let stand = Stand::new();
    let variables = Some("{\"poll_id\": \"p1\"}");
    let (status, shown, cache) = stand.kept("results", variables);
    assert_eq!((status, &shown["data"]["counts"]["results"]["ballots"]), (200, &json!(3)), "{shown}");
    assert_eq!(cache, "public, max-age=1, stale-while-revalidate=1, stale-if-error=10");
    assert_eq!(stand.kept("poll", variables).2, "public, max-age=1");
    for id in ["results", "poll"] {
        assert_eq!(stand.answer(got_event(id, variables, &json!({"If-None-Match": "*"}))).0, 304);
    }
    for (id, variables, status) in [
        ("polls", None, 404),
        ("usage", None, 404),
        ("none", None, 404),
        ("results", None, 400),
        ("results", Some("{}"), 400),
        ("results", Some("[]"), 400),
        ("results", Some("p1"), 400),
        ("results", Some("{\"poll_id\": 1}"), 400),
    ] {
        let (found, _, cache) = stand.kept(id, variables);
        assert_eq!((found, cache.as_str()), (status, "private, no-store"), "{id} {variables:?}");
    }
    let posted = stand.post(&json!({"id": "results", "variables": {"poll_id": "p1"}, "operationName": "results"}));
    assert_eq!((posted.0, posted.1), (200, shown));
}
