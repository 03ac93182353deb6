//! Who may keep an answer: every operation of infra/openapi.yaml, asked by everyone, in every status of the document that
//! a test can bring about. What is about one caller is kept by nobody.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, assert_headers_of_all, in_ms, someone};

const DOCUMENT: &str = include_str!("../../../infra/openapi.yaml");

const PRIVATE: &str = "private, no-store";

/// Each operation: how it is asked, and what is said of an answer that went well. Problems are always private.
const OPERATIONS: [(&str, Method, &str, &str); 11] = [
    ("listPolls", Method::GET, "/v1/polls", PRIVATE),
    ("createPoll", Method::POST, "/v1/polls", PRIVATE),
    ("getPoll", Method::GET, "/v1/polls/{poll_id}", "public, max-age=2"),
    ("updatePoll", Method::PATCH, "/v1/polls/{poll_id}", PRIVATE),
    ("closePoll", Method::POST, "/v1/polls/{poll_id}/close", PRIVATE),
    ("castVote", Method::POST, "/v1/polls/{poll_id}/votes", PRIVATE),
    ("getVote", Method::GET, "/v1/polls/{poll_id}/votes/mine", PRIVATE),
    ("retractVote", Method::DELETE, "/v1/polls/{poll_id}/votes/mine", PRIVATE),
    ("getResults", Method::GET, "/v1/polls/{poll_id}/results", "public, max-age=1"),
    ("getMyResults", Method::GET, "/v1/polls/{poll_id}/results/mine", PRIVATE),
    ("registerDevice", Method::POST, "/v1/devices", "no-store"),
];

/// What no test brings about: faults, and what only a gateway would say that finds a parameter missing.
const OUT_OF_REACH: [(&str, u16); 4] = [("getPoll", 400), ("getVote", 400), ("getResults", 400), ("getMyResults", 400)];
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
    reached: BTreeMap<&'static str, BTreeSet<u16>>,
    wrong: Vec<String>,
}

/// What a request may have besides its operation.
#[derive(Default)]
struct Extra<'a> {
    poll: &'a str,
    token: Option<&'a str>,
    query: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: Option<String>,
}

impl Asker {
    async fn ask(&mut self, operation: &'static str, extra: Extra<'_>) -> Answer {
        let (_, method, path, good) = OPERATIONS.iter().find(|(name, ..)| *name == operation).unwrap();
        let path = format!("{}{}", path.replace("{poll_id}", extra.poll), extra.query);
        let mut request = self.app.request(method.clone(), &path);
        for (name, value) in extra.headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = extra.token {
            request = request.bearer_auth(token);
        }
        let answer = Answer::of(request.body(extra.body.unwrap_or_default())).await;
        let expected = if answer.status < 400 { good } else { PRIVATE };
        let found = answer.headers.get("cache-control").map(|value| value.to_str().unwrap());
        if found != Some(expected) {
            self.wrong.push(format!("{operation}: {found:?}, should be {expected}: {answer}"));
        }
        // Any origin gets the same answer, so that it need not say which one it varies with.
        assert_headers_of_all(&answer);
        self.reached.entry(operation).or_default().insert(answer.status);
        answer
    }
}

/// Operation, the status that is to come, poll, token, headers and body.
type Step<'a> = (&'static str, u16, &'a str, Option<&'a str>, &'a [(&'a str, &'a str)], Option<String>);

const JSON: (&str, &str) = ("Content-Type", "application/json");

#[tokio::test]
async fn every_answer_of_every_operation_says_who_may_keep_it() {
    let app = App::new();
    let (owner, voter, stranger) = (app.account(&someone()), app.account(&someone()), app.account(&someone()));
    let device = app.device().await;
    let colours = json!({"question": "Best colour?", "options": ["Red", "Blue"]});
    let with = |fields: Value| {
        let mut body = colours.clone();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    let hidden = app.poll_of(&owner, with(json!({"results": "after_vote", "vote_change": "until_close"}))).await;
    let accounts = app.poll_of(&owner, with(json!({"identity": "account"}))).await;
    let closing = app.poll_of(&owner, colours.clone()).await;
    let scheduled = app.poll_of(&owner, with(json!({"opens_at": in_ms(3_600_000)}))).await;
    assert_eq!(app.vote(&hidden, &voter, &[1]).await.status, 201);
    assert_eq!(app.vote(&accounts, &voter, &[1]).await.status, 201);
    let mut asker = Asker { app, reached: BTreeMap::new(), wrong: Vec::new() };

    // Everyone asks everything.
    let body_of = |operation: &str| match operation {
        "createPoll" => Some(colours.to_string()),
        "updatePoll" => Some(json!({"peak_votes_per_second": 2_000}).to_string()),
        "castVote" => Some(json!({"choices": [1]}).to_string()),
        _ => None,
    };
    let change = [JSON, ("If-Match", "*")];
    let callers = [None, Some("a.b.c"), Some(&*device), Some(&*stranger), Some(&*voter), Some(&*owner)];
    for (operation, ..) in &OPERATIONS {
        let poll = if *operation == "closePoll" { &closing } else { &hidden };
        let headers = if *operation == "updatePoll" { &change[..] } else { &change[..1] };
        for token in callers {
            let body = body_of(operation);
            asker.ask(operation, Extra { poll, token, headers, body, ..Extra::default() }).await;
        }
        // A poll that nobody has.
        let body = body_of(operation);
        asker.ask(operation, Extra { poll: "nobody", token: Some(&owner), headers, body, ..Extra::default() }).await;
    }

    // The rest, each for its status.
    let (as_owner, as_voter, as_device) = (Some(&*owner), Some(&*voter), Some(&*device));
    let text = |text: &str| Some(text.to_owned());
    let large = || Some(" ".repeat(600_000));
    let key = [JSON, ("Idempotency-Key", "caching")];
    let (weak, other, any) = ([JSON, ("If-Match", "W/\"1\"")], [JSON, ("If-Match", "\"7\"")], &change);
    let known = [("If-None-Match", "*")];
    let json = &change[..1];
    let extras: [Step; 37] = [
        ("createPoll", 201, "", as_owner, &key, body_of("createPoll")),
        ("createPoll", 200, "", as_owner, &key, body_of("createPoll")),
        ("createPoll", 409, "", as_owner, &key, Some(with(json!({"question": "Worst?"})).to_string())),
        ("createPoll", 400, "", as_owner, json, text("{}")),
        ("createPoll", 413, "", as_owner, json, large()),
        ("createPoll", 415, "", as_owner, &[], body_of("createPoll")),
        ("updatePoll", 400, &hidden, as_owner, &weak, text("{}")),
        ("updatePoll", 409, &hidden, as_owner, any, text("{\"question\":\"Worst?\"}")),
        ("updatePoll", 412, &hidden, as_owner, &other, text("{}")),
        ("updatePoll", 413, &hidden, as_owner, any, large()),
        ("updatePoll", 415, &hidden, as_owner, &any[1..], text("{}")),
        ("updatePoll", 428, &hidden, as_owner, json, text("{}")),
        ("closePoll", 400, &closing, as_owner, json, text("{\"now\":true}")),
        ("closePoll", 409, &scheduled, as_owner, &[], None),
        ("closePoll", 413, &closing, as_owner, json, large()),
        ("closePoll", 415, &closing, as_owner, &[], text("{}")),
        ("castVote", 201, &accounts, as_owner, json, body_of("castVote")),
        ("castVote", 200, &accounts, as_owner, json, body_of("castVote")),
        ("castVote", 400, &hidden, as_voter, json, text("{}")),
        ("castVote", 403, &accounts, as_device, json, body_of("castVote")),
        ("castVote", 409, &accounts, as_voter, json, text("{\"choices\":[0]}")),
        ("castVote", 412, &hidden, as_owner, &other, text("{\"choices\":[0]}")),
        ("castVote", 413, &hidden, as_voter, json, large()),
        ("castVote", 415, &hidden, as_voter, &[], body_of("castVote")),
        ("castVote", 422, &hidden, as_voter, json, text("{\"choices\":[7]}")),
        ("getPoll", 304, &hidden, None, &known, None),
        ("getVote", 403, &accounts, as_device, &[], None),
        ("getVote", 200, &accounts, as_voter, &[], None),
        ("retractVote", 400, &hidden, as_owner, &weak[1..], None),
        ("retractVote", 403, &accounts, as_device, &[], None),
        ("retractVote", 409, &accounts, as_voter, &[], None),
        ("getResults", 200, &accounts, None, &[], None),
        ("getResults", 304, &accounts, None, &known, None),
        ("getMyResults", 304, &hidden, as_owner, &known, None),
        ("registerDevice", 400, "", None, json, text("{\"id\":1}")),
        ("registerDevice", 413, "", None, json, large()),
        ("registerDevice", 415, "", None, &[], text("{}")),
    ];
    for (operation, status, poll, token, headers, body) in extras {
        let answer = asker.ask(operation, Extra { poll, token, headers, body, query: "" }).await;
        assert_eq!(answer.status, status, "{operation}: {answer}");
    }
    let list = Extra { token: as_owner, query: "?limit=0", ..Extra::default() };
    assert_eq!(asker.ask("listPolls", list).await.status, 400);
    let cast = Extra { poll: &hidden, token: as_owner, headers: json, body: body_of("castVote"), query: "" };
    asker.ask("castVote", cast).await;
    let retract = Extra { poll: &hidden, token: as_owner, headers: &other[1..], ..Extra::default() };
    assert_eq!(asker.ask("retractVote", retract).await.status, 412);

    assert!(asker.wrong.is_empty(), "{:#?}", asker.wrong);
    let mut expected = documented();
    for (operation, statuses) in &mut expected {
        statuses.retain(|status| !FAULTS.contains(status) && !OUT_OF_REACH.contains(&(operation, *status)));
    }
    assert_eq!(asker.reached, expected, "what was asked for, and what the document has");
}
