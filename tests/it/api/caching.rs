//! Who may keep an answer: every operation of infra/openapi.yaml, asked by everyone, in every status of the document that
//! a test can bring about. What is about one caller is kept by nobody. Once more through the CDN's rules: what it keeps.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, App, Origin, Varnish, assert_headers_of_all, eventually, in_ms, says_that_results_are_public, someone,
};

const DOCUMENT: &str = include_str!("../../../infra/openapi.yaml");
/// Has the table of what a CDN keeps.
const API_PAGE: &str = include_str!("../../../docs/api.md");
/// What a CDN keeps.
const KEPT: [&str; 5] = ["getResults", "getSegments", "getSeries", "getKeptQuery", "getGraphqlSchema"];
/// By this header the origin tells requests apart.
const MARK: &str = "mark";

const PRIVATE: &str = "private, no-store";
/// What results have that anyone may see.
const RESULTS: &str = "public, for what is left of a second";

/// Each operation: how it is asked, and what is said of an answer that went well. Problems are always private.
const OPERATIONS: &[(&str, Method, &str, &str)] = &[
    ("listPolls", Method::GET, "/v1/polls", PRIVATE),
    ("createPoll", Method::POST, "/v1/polls", PRIVATE),
    ("getPoll", Method::GET, "/v1/polls/{poll_id}", "public, max-age=2"),
    ("updatePoll", Method::PATCH, "/v1/polls/{poll_id}", PRIVATE),
    ("closePoll", Method::POST, "/v1/polls/{poll_id}/close", PRIVATE),
    ("pausePoll", Method::POST, "/v1/polls/{poll_id}/pause", PRIVATE),
    ("resumePoll", Method::POST, "/v1/polls/{poll_id}/resume", PRIVATE),
    ("copyPoll", Method::POST, "/v1/polls/{poll_id}/copy", PRIVATE),
    ("offerPoll", Method::POST, "/v1/polls/{poll_id}/transfer", PRIVATE),
    ("withdrawOffer", Method::DELETE, "/v1/polls/{poll_id}/transfer", PRIVATE),
    ("acceptOffer", Method::POST, "/v1/polls/{poll_id}/transfer/accept", PRIVATE),
    ("castVote", Method::POST, "/v1/polls/{poll_id}/votes", PRIVATE),
    ("getVote", Method::GET, "/v1/polls/{poll_id}/votes/mine", PRIVATE),
    ("retractVote", Method::DELETE, "/v1/polls/{poll_id}/votes/mine", PRIVATE),
    ("getResults", Method::GET, "/v1/polls/{poll_id}/results", RESULTS),
    ("getMyResults", Method::GET, "/v1/polls/{poll_id}/results/mine", PRIVATE),
    ("getSegments", Method::GET, "/v1/polls/{poll_id}/results/segments", RESULTS),
    ("getMySegments", Method::GET, "/v1/polls/{poll_id}/results/mine/segments", PRIVATE),
    ("getSeries", Method::GET, "/v1/polls/{poll_id}/results/series", RESULTS),
    ("getMySeries", Method::GET, "/v1/polls/{poll_id}/results/mine/series", PRIVATE),
    ("getHiddenAnswers", Method::GET, "/v1/polls/{poll_id}/hidden-answers", PRIVATE),
    ("hideAnswers", Method::PUT, "/v1/polls/{poll_id}/hidden-answers", PRIVATE),
    ("createView", Method::POST, "/v1/polls/{poll_id}/views", PRIVATE),
    ("listViews", Method::GET, "/v1/polls/{poll_id}/views", PRIVATE),
    ("deleteView", Method::DELETE, "/v1/polls/{poll_id}/views/{id}", PRIVATE),
    ("createKey", Method::POST, "/v1/keys", PRIVATE),
    ("listKeys", Method::GET, "/v1/keys", PRIVATE),
    ("deleteKey", Method::DELETE, "/v1/keys/{id}", PRIVATE),
    ("getUsage", Method::GET, "/v1/usage", PRIVATE),
    ("listAudit", Method::GET, "/v1/audit", PRIVATE),
    ("queryGraphql", Method::POST, "/v1/graphql", PRIVATE),
    ("getKeptQuery", Method::GET, KEPT_QUERY, RESULTS),
    ("getGraphqlSchema", Method::GET, "/v1/graphql/schema", "public, max-age=60"),
    ("getRanking", Method::GET, "/v1/analytics/polls", PRIVATE),
    ("getVotesByDay", Method::GET, "/v1/analytics/days", PRIVATE),
    ("getVotesBySegment", Method::GET, "/v1/analytics/segments", PRIVATE),
    ("getHistory", Method::GET, "/v1/analytics/polls/{poll_id}/history", PRIVATE),
    ("registerDevice", Method::POST, "/v1/devices", "no-store"),
];

/// A kept query, by its id, of one poll.
const KEPT_QUERY: &str = "/v1/graphql/{id}?variables=%7B%22poll_id%22%3A%22{poll_id}%22%7D";

/// What this test does not bring about: faults, what only a gateway would say that finds a parameter missing, and the
/// hundredth key or view link, a deployment that is upgraded and one that has analytics, which tests of their own do.
const OUT_OF_REACH: &[(&str, u16)] = &[
    ("getPoll", 400),
    ("getVote", 400),
    ("getSegments", 400),
    ("getMySegments", 400),
    ("withdrawOffer", 400),
    ("getHiddenAnswers", 400),
    ("listViews", 400),
    ("deleteView", 400),
    ("createView", 409),
    ("listKeys", 400),
    ("deleteKey", 400),
    ("createKey", 409),
    ("getGraphqlSchema", 400),
    ("createPoll", 422),
    ("updatePoll", 422),
    ("copyPoll", 422),
    ("getRanking", 200),
    ("getVotesByDay", 200),
    ("getVotesBySegment", 200),
    ("getHistory", 200),
];
/// The id of a key or a view link that is not there.
const NO_ID: &str = "00000000000000000000";
const FAULTS: [u16; 3] = [429, 500, 503];

/// Statuses by operation, as the document has them, but for HEAD, which answers as GET does, and for preflights: those the
/// gateway answers to browsers, which keep them by `Access-Control-Max-Age`.
fn documented() -> BTreeMap<&'static str, BTreeSet<u16>> {
    let mut operations = BTreeMap::<_, BTreeSet<u16>>::new();
    let mut operation = "";
    for line in DOCUMENT.lines() {
        if let Some(id) = line.strip_prefix("      operationId: ") {
            operation = id;
            operations.entry(operation).or_default();
        }
        if let Some((status, _)) = line.strip_prefix("        '").and_then(|line| line.split_once("':")) {
            operations.entry(operation).or_default().extend(status.parse::<u16>());
        }
    }
    operations.retain(|operation, _| !operation.starts_with("preflight") && !operation.starts_with("head"));
    operations
}

/// Asks, checks each answer, and notes which statuses have come.
struct Asker {
    app: App,
    /// What lies behind the CDN, if it is asked through one.
    origin: Option<Origin>,
    reached: BTreeMap<&'static str, BTreeSet<u16>>,
    /// Operations with an answer that the origin was not asked for.
    kept: BTreeSet<&'static str>,
    wrong: Vec<String>,
}

/// What a request may have besides its operation.
#[derive(Default)]
struct Extra<'a> {
    poll: &'a str,
    id: Option<&'a str>,
    token: Option<&'a str>,
    query: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: Option<String>,
}

impl Asker {
    fn new(app: App, origin: Option<Origin>) -> Self {
        Self { app, origin, reached: BTreeMap::new(), kept: BTreeSet::new(), wrong: Vec::new() }
    }

    async fn ask(&mut self, operation: &'static str, extra: Extra<'_>) -> Answer {
        let (_, method, path, good) = OPERATIONS.iter().find(|(name, ..)| *name == operation).unwrap();
        let id = extra.id.unwrap_or(if operation == "getKeptQuery" { "results" } else { NO_ID });
        let path = path.replace("{poll_id}", extra.poll).replace("{id}", id) + extra.query;
        let mark = format!("{:032x}", fastrand::u128(..));
        let mut request = self.app.request(method.clone(), &path).header(MARK, &mark);
        for (name, value) in extra.headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = extra.token {
            request = request.bearer_auth(token);
        }
        let answer = Answer::of(request.body(extra.body.unwrap_or_default())).await;
        // A kept query answers although one of its fields has failed.
        let is_good = answer.status < 400 && !answer.body.starts_with(r#"{"data":{"counts":{"results":null}}"#);
        let expected = if is_good { good } else { PRIVATE };
        let found = answer.header("cache-control");
        let is_as_expected = if expected == RESULTS { says_that_results_are_public(found) } else { found == expected };
        if !is_as_expected {
            self.wrong.push(format!("{operation}: {found:?}, should be {expected}: {answer}"));
        }
        let is_of_results = path.contains("/results") && is_good;
        if is_of_results != answer.headers.contains_key("landslide-poll-after") {
            self.wrong.push(format!("{operation}: whether it says when to ask again: {answer}"));
        }
        if answer.headers.contains_key("set-cookie") {
            self.wrong.push(format!("{operation}: sets a cookie: {answer}"));
        }
        if self.origin.as_ref().is_some_and(|origin| !origin.has_seen(MARK, &mark)) {
            if answer.status >= 400 {
                self.wrong.push(format!("{operation}: an error is kept: {answer}"));
            }
            self.kept.insert(operation);
        }
        // Any origin gets the same answer, so that it need not say which one it varies with.
        assert_headers_of_all(&answer);
        self.reached.entry(operation).or_default().insert(answer.status);
        answer
    }

    /// Asks with the tag of the answer before, until nothing has changed between both. Caches know no `*`.
    async fn ask_with_its_tag(&mut self, operation: &'static str, poll: &str) {
        eventually("304", async || {
            let first = self.ask(operation, Extra { poll, ..Extra::default() }).await;
            let known = [("If-None-Match", first.header("etag"))];
            let second = self.ask(operation, Extra { poll, headers: &known, ..Extra::default() }).await;
            if second.status == 304 { Ok(()) } else { Err(format!("{first}, then {second}")) }
        })
        .await;
    }
}

/// Operation, the status that is to come, poll, token, headers and body.
type Step<'a> = (&'static str, u16, &'a str, Option<&'a str>, &'a [(&'a str, &'a str)], Option<String>);

const JSON: (&str, &str) = ("Content-Type", "application/json");
/// Headers of requests.
const JSON_ONLY: [(&str, &str); 1] = [JSON];
const KEY: [(&str, &str); 2] = [JSON, ("Idempotency-Key", "caching")];
const COPY_KEY: [(&str, &str); 2] = [JSON, ("Idempotency-Key", "caching-a-copy")];
const ANY: [(&str, &str); 2] = [JSON, ("If-Match", "*")];
const OTHER: [(&str, &str); 2] = [JSON, ("If-Match", "\"7\"")];
const WEAK: [(&str, &str); 2] = [JSON, ("If-Match", "W/\"1\"")];
const KNOWN: [(&str, &str); 1] = [("If-None-Match", "*")];

/// Colours to choose from, with these fields besides.
fn colours_with(fields: Value) -> Value {
    let mut body = json!({"question": "Best colour?", "options": ["Red", "Blue"]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// The same fields, with segments and a series.
fn broken_down(mut fields: Value) -> Value {
    fields["segments"] = json!([{"name": "region", "values": ["North", "South"], "from": "vote"}]);
    fields["series"] = json!(true);
    fields
}

/// A tenant that a poll may be offered to.
const TENANT: &str = r#"{"issuer": "https://id.example.org", "kind": "organisation", "value": "acme"}"#;

/// A good body of an operation, if it has one.
fn body_of(operation: &str) -> Option<String> {
    match operation {
        "createPoll" => Some(colours_with(json!({})).to_string()),
        "updatePoll" => Some(json!({"peak_votes_per_second": 2_000}).to_string()),
        "offerPoll" => Some(TENANT.to_owned()),
        "castVote" => Some(json!({"choices": [1]}).to_string()),
        "createKey" => Some(json!({"name": "a key", "role": "viewer"}).to_string()),
        "createView" => Some("{}".to_owned()),
        "hideAnswers" => Some(json!({"answers": ["bad"]}).to_string()),
        "queryGraphql" => Some(json!({"query": "{ polls { nodes { question } } }"}).to_string()),
        _ => None,
    }
}

/// Who asks, by their tokens, and polls that they ask of.
struct Scene {
    owner: String,
    voter: String,
    stranger: String,
    device: String,
    /// Its results are for those who have voted, and votes may change.
    hidden: String,
    /// Only accounts vote in it.
    accounts: String,
    closing: String,
    scheduled: String,
    /// People write answers in it.
    texts: String,
}

impl Scene {
    /// The voter has voted in two of the polls.
    async fn new(app: &App) -> Self {
        let (owner, voter, stranger) = (app.account(&someone()), app.account(&someone()), app.account(&someone()));
        let poll = async |fields: Value| app.poll_of(&owner, colours_with(fields)).await;
        let scene = Self {
            hidden: poll(broken_down(json!({"results": "after_vote", "vote_change": "until_close"}))).await,
            accounts: poll(broken_down(json!({"identity": "account"}))).await,
            closing: poll(json!({})).await,
            scheduled: poll(json!({"opens_at": in_ms(3_600_000)})).await,
            texts: app.poll_of(&owner, json!({"question": "Why?", "kind": "text"})).await,
            device: app.device().await,
            voter,
            stranger,
            owner: owner.clone(),
        };
        for poll in [&scene.hidden, &scene.accounts] {
            assert_eq!(app.vote(poll, &scene.voter, &[1]).await.status, 201);
        }
        scene
    }
}

/// Everyone asks everything, of a poll that is there and of one that nobody has.
async fn everyone_asks_everything(asker: &mut Asker, scene: &Scene) {
    let Scene { owner, voter, stranger, device, .. } = scene;
    let callers = [None, Some("a.b.c"), Some(device), Some(stranger), Some(voter), Some(owner)];
    for (operation, ..) in OPERATIONS {
        let poll = match *operation {
            "closePoll" | "pausePoll" => &scene.closing,
            "getHiddenAnswers" | "hideAnswers" => &scene.texts,
            _ => &scene.hidden,
        };
        let headers = if ["updatePoll", "hideAnswers"].contains(operation) { &ANY[..] } else { &JSON_ONLY };
        for token in callers {
            let body = body_of(operation);
            asker.ask(operation, Extra { poll, token, headers, body, ..Extra::default() }).await;
        }
        let body = body_of(operation);
        asker.ask(operation, Extra { poll: "nobody", token: Some(owner), headers, body, ..Extra::default() }).await;
    }
}

/// What brings about the other statuses, in this order.
fn steps(scene: &Scene) -> Vec<Step<'_>> {
    let Scene { owner, voter, device, hidden, accounts, closing, scheduled, texts, .. } = scene;
    let (as_owner, as_voter, as_device) = (Some(&**owner), Some(&**voter), Some(&**device));
    let text = |text: &str| Some(text.to_owned());
    let large = || Some(" ".repeat(600_000));
    vec![
        ("createPoll", 201, "", as_owner, &KEY, body_of("createPoll")),
        ("createPoll", 200, "", as_owner, &KEY, body_of("createPoll")),
        ("createPoll", 409, "", as_owner, &KEY, Some(colours_with(json!({"question": "Worst?"})).to_string())),
        ("createPoll", 400, "", as_owner, &JSON_ONLY, text("{}")),
        ("createPoll", 413, "", as_owner, &JSON_ONLY, large()),
        ("createPoll", 415, "", as_owner, &[], body_of("createPoll")),
        ("updatePoll", 400, hidden, as_owner, &WEAK, text("{}")),
        ("updatePoll", 409, hidden, as_owner, &ANY, text("{\"question\":\"Worst?\"}")),
        ("updatePoll", 412, hidden, as_owner, &OTHER, text("{}")),
        ("updatePoll", 413, hidden, as_owner, &ANY, large()),
        ("updatePoll", 415, hidden, as_owner, &ANY[1..], text("{}")),
        ("updatePoll", 428, hidden, as_owner, &JSON_ONLY, text("{}")),
        ("closePoll", 400, closing, as_owner, &JSON_ONLY, text("{\"now\":true}")),
        ("closePoll", 409, scheduled, as_owner, &[], None),
        ("closePoll", 413, closing, as_owner, &JSON_ONLY, large()),
        ("closePoll", 415, closing, as_owner, &[], text("{}")),
        ("pausePoll", 400, closing, as_owner, &JSON_ONLY, text("{\"now\":true}")),
        ("pausePoll", 409, scheduled, as_owner, &[], None),
        ("pausePoll", 413, closing, as_owner, &JSON_ONLY, large()),
        ("pausePoll", 415, closing, as_owner, &[], text("{}")),
        ("resumePoll", 400, closing, as_owner, &JSON_ONLY, text("{\"now\":true}")),
        ("resumePoll", 409, scheduled, as_owner, &[], None),
        ("resumePoll", 413, closing, as_owner, &JSON_ONLY, large()),
        ("resumePoll", 415, closing, as_owner, &[], text("{}")),
        ("copyPoll", 201, hidden, as_owner, &COPY_KEY, text("{}")),
        ("copyPoll", 200, hidden, as_owner, &COPY_KEY, text("{}")),
        ("copyPoll", 409, hidden, as_owner, &COPY_KEY, text("{\"question\":\"Worst?\"}")),
        ("copyPoll", 400, hidden, as_owner, &JSON_ONLY, text("{\"options\":[]}")),
        ("copyPoll", 413, hidden, as_owner, &JSON_ONLY, large()),
        ("copyPoll", 415, hidden, as_owner, &[], text("{}")),
        ("offerPoll", 200, hidden, as_owner, &JSON_ONLY, text(TENANT)),
        ("offerPoll", 400, hidden, as_owner, &JSON_ONLY, text("{}")),
        ("offerPoll", 413, hidden, as_owner, &JSON_ONLY, large()),
        ("offerPoll", 415, hidden, as_owner, &[], text(TENANT)),
        ("acceptOffer", 409, hidden, as_owner, &JSON_ONLY, text("{}")),
        ("acceptOffer", 400, hidden, as_owner, &JSON_ONLY, text("{\"now\":true}")),
        ("acceptOffer", 413, hidden, as_owner, &JSON_ONLY, large()),
        ("acceptOffer", 415, hidden, as_owner, &[], text("{}")),
        ("hideAnswers", 400, texts, as_owner, &ANY, text("{}")),
        ("hideAnswers", 412, texts, as_owner, &OTHER, body_of("hideAnswers")),
        ("hideAnswers", 413, texts, as_owner, &ANY, large()),
        ("hideAnswers", 415, texts, as_owner, &ANY[1..], body_of("hideAnswers")),
        ("hideAnswers", 428, texts, as_owner, &JSON_ONLY, body_of("hideAnswers")),
        ("createView", 400, hidden, as_owner, &JSON_ONLY, text("{\"now\":true}")),
        ("createView", 413, hidden, as_owner, &JSON_ONLY, large()),
        ("createView", 415, hidden, as_owner, &[], text("{}")),
        ("createKey", 400, "", as_owner, &JSON_ONLY, text("{}")),
        ("createKey", 413, "", as_owner, &JSON_ONLY, large()),
        ("createKey", 415, "", as_owner, &[], body_of("createKey")),
        ("castVote", 201, accounts, as_owner, &JSON_ONLY, body_of("castVote")),
        ("castVote", 200, accounts, as_owner, &JSON_ONLY, body_of("castVote")),
        ("castVote", 400, hidden, as_voter, &JSON_ONLY, text("{}")),
        ("castVote", 403, accounts, as_device, &JSON_ONLY, body_of("castVote")),
        ("castVote", 409, accounts, as_voter, &JSON_ONLY, text("{\"choices\":[0]}")),
        ("castVote", 412, hidden, as_owner, &OTHER, text("{\"choices\":[0]}")),
        ("castVote", 413, hidden, as_voter, &JSON_ONLY, large()),
        ("castVote", 415, hidden, as_voter, &[], body_of("castVote")),
        ("castVote", 422, hidden, as_voter, &JSON_ONLY, text("{\"choices\":[7]}")),
        ("getPoll", 304, hidden, None, &KNOWN, None),
        ("getVote", 403, accounts, as_device, &[], None),
        ("getVote", 200, accounts, as_voter, &[], None),
        ("retractVote", 400, hidden, as_owner, &WEAK[1..], None),
        ("retractVote", 403, accounts, as_device, &[], None),
        ("retractVote", 409, accounts, as_voter, &[], None),
        ("getResults", 200, accounts, None, &[], None),
        ("getResults", 304, accounts, None, &KNOWN, None),
        ("getMyResults", 304, hidden, as_owner, &KNOWN, None),
        ("getSegments", 200, accounts, None, &[], None),
        ("getSegments", 304, accounts, None, &KNOWN, None),
        ("getMySegments", 304, hidden, as_owner, &KNOWN, None),
        ("getSeries", 200, accounts, None, &[], None),
        ("getSeries", 304, accounts, None, &KNOWN, None),
        ("getMySeries", 304, hidden, as_owner, &KNOWN, None),
        ("queryGraphql", 400, "", as_owner, &JSON_ONLY, text("{\"query\":\"{}\"}")),
        ("queryGraphql", 413, "", as_owner, &JSON_ONLY, large()),
        ("queryGraphql", 415, "", as_owner, &[], body_of("queryGraphql")),
        ("getKeptQuery", 200, accounts, None, &[], None),
        ("getKeptQuery", 304, accounts, None, &KNOWN, None),
        ("getKeptQuery", 400, "%22", None, &[], None),
        ("getGraphqlSchema", 304, "", None, &KNOWN, None),
        ("registerDevice", 400, "", None, &JSON_ONLY, text("{\"id\":1}")),
        ("registerDevice", 413, "", None, &JSON_ONLY, large()),
        ("registerDevice", 415, "", None, &[], text("{}")),
    ]
}

/// Everything that there is to ask, and that no answer said the wrong thing.
async fn walk(asker: &mut Asker, scene: &Scene) {
    everyone_asks_everything(asker, scene).await;
    for (operation, status, poll, token, headers, body) in steps(scene) {
        if status == 304 && KEPT.contains(&operation) {
            asker.ask_with_its_tag(operation, poll).await;
            continue;
        }
        let answer = asker.ask(operation, Extra { poll, token, headers, body, ..Extra::default() }).await;
        assert_eq!(answer.status, status, "{operation}: {answer}");
    }
    let as_owner = Extra { token: Some(&scene.owner), ..Extra::default() };
    assert_eq!(asker.ask("listPolls", Extra { query: "?limit=0", ..as_owner }).await.status, 400);
    let as_owner = || Extra { token: Some(&scene.owner), ..Extra::default() };
    assert_eq!(asker.ask("listAudit", Extra { query: "?limit=0", ..as_owner() }).await.status, 400);
    assert_eq!(asker.ask("getUsage", Extra { query: "?month=2026", ..as_owner() }).await.status, 400);
    assert_eq!(asker.ask("getKeptQuery", Extra { id: Some("none"), ..as_owner() }).await.status, 404);
    for operation in ["getRanking", "getVotesByDay", "getVotesBySegment", "getHistory"] {
        let as_owner = |query| Extra { poll: &scene.accounts, query, ..as_owner() };
        assert_eq!(asker.ask(operation, as_owner("?from=now&by=No")).await.status, 400, "{operation}");
        let answer = asker.ask(operation, as_owner("")).await;
        assert!(answer.status == 404 || asker.app.stack.has("analytics"), "{operation}: {answer}");
    }
    for operation in ["getResults", "getMyResults"] {
        let by_no_method = Extra { poll: &scene.accounts, query: "?method=none", ..as_owner() };
        assert_eq!(asker.ask(operation, by_no_method).await.status, 400);
    }
    for operation in ["getSeries", "getMySeries"] {
        let by_no_step = Extra { poll: &scene.accounts, query: "?step=0", ..as_owner() };
        assert_eq!(asker.ask(operation, by_no_step).await.status, 400);
    }
    for (create, delete, id) in [("createKey", "deleteKey", "key_id"), ("createView", "deleteView", "view_id")] {
        let asked = || Extra { poll: &scene.hidden, ..as_owner() };
        let created = asker.ask(create, Extra { headers: &JSON_ONLY, body: body_of(create), ..asked() }).await.json();
        assert_eq!(asker.ask(delete, Extra { id: created[id].as_str(), ..asked() }).await.status, 200);
    }
    let of_hidden = || Extra { poll: &scene.hidden, token: Some(&scene.owner), ..Extra::default() };
    asker.ask("castVote", Extra { headers: &JSON_ONLY, body: body_of("castVote"), ..of_hidden() }).await;
    assert_eq!(asker.ask("retractVote", Extra { headers: &OTHER[1..], ..of_hidden() }).await.status, 412);

    assert!(asker.wrong.is_empty(), "{:#?}", asker.wrong);
    let mut expected = documented();
    for (operation, statuses) in &mut expected {
        statuses.retain(|status| !FAULTS.contains(status) && !OUT_OF_REACH.contains(&(operation, *status)));
    }
    assert_eq!(asker.reached, expected, "what was asked for, and what the document has");
}

/// Two callers share each answer that a CDN may keep.
async fn callers_share_what_is_kept(asker: &mut Asker, scene: &Scene) {
    for operation in KEPT {
        eventually(operation, async || {
            asker.kept.clear();
            let asked = |token| Extra { poll: &scene.accounts, token, ..Extra::default() };
            let first = asker.ask(operation, asked(Some(&scene.voter))).await;
            let second = asker.ask(operation, asked(Some(&scene.stranger))).await;
            assert_eq!((first.status, second.status), (200, 200), "{operation}: {first}, {second}");
            let is_shared = asker.kept.contains(operation) && first.body == second.body;
            if is_shared { Ok(()) } else { Err(format!("{first}, {second}")) }
        })
        .await;
    }
}

/// The table of docs/api.md: each call, who may keep what it answers, and whether the CDN does.
fn table(kept: &BTreeSet<&str>) -> String {
    let row = |(operation, method, path, good): &(&str, Method, &str, &str)| {
        let path = match path.split('/').nth(2) {
            Some("keys") => path.replace("{id}", "{key_id}"),
            Some("graphql") => path.replace("{id}", "{query_id}").split('?').next().unwrap_or_default().to_owned(),
            _ => path.replace("{id}", "{view_id}"),
        };
        let good = if *good == RESULTS { RESULTS.to_owned() } else { format!("`{good}`") };
        format!("| `{method} {path}` | {good} | {} |\n", if kept.contains(operation) { "yes" } else { "no" })
    };
    OPERATIONS.iter().map(row).collect()
}

#[tokio::test]
async fn every_answer_of_every_operation_says_who_may_keep_it() {
    let app = App::new();
    let scene = Scene::new(&app).await;
    walk(&mut Asker::new(app, None), &scene).await;
}

#[tokio::test]
async fn a_cdn_keeps_what_anyone_may_see_and_nothing_else() {
    let app = App::new();
    let origin = Origin::of(&app).await;
    let Some(varnish) = Varnish::start(&origin).await else { return };
    let scene = Scene::new(&app).await;
    let mut asker = Asker::new(app.through(varnish.url()), Some(origin));
    walk(&mut asker, &scene).await;
    assert!(asker.kept.is_subset(&KEPT.into()), "kept: {:?}", asker.kept);
    callers_share_what_is_kept(&mut asker, &scene).await;
    assert!(asker.wrong.is_empty(), "{:#?}", asker.wrong);
    let table = table(&KEPT.into());
    assert!(API_PAGE.contains(&table), "docs/api.md has another table than this:\n{table}");
}
