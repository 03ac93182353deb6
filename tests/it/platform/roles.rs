//! Each function's role may do what the function does, and nothing else: every action on every resource, as the role
//! should have it (`grants`), as IAM's policy simulator has it, and as a call with the function's own credentials finds.
//! The whole table is left in `target/iam-matrix.md`.

mod actions;
mod attempts;
mod grants;
mod resources;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
};

use futures_util::{StreamExt, stream};
use serde_json::json;

use self::{
    actions::LOGS,
    attempts::{Attempt, attempt},
    grants::MAY,
    resources::Resource,
};
use crate::support::{App, Aws, CONNECTIONS, Process};

/// Where the table is left.
const MATRIX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/iam-matrix.md");

/// An action of a function on a resource.
#[derive(Clone, Copy)]
struct Cell<'a> {
    function: &'static str,
    resource: &'a Resource,
    action: &'static str,
}

impl Cell<'_> {
    /// Whether the function needs it.
    fn should(&self) -> bool {
        let (_, may) = MAY.iter().find(|(function, _)| *function == self.function).unwrap();
        may.iter().any(|(name, actions)| *name == self.resource.name && actions.contains(&self.action))
    }
}

/// By IAM's policy simulator, which needs no trust in the tests.
#[tokio::test]
async fn each_functions_policies_allow_exactly_what_it_does() {
    let app = App::new();
    if app.stack.lacks("iam-simulator") {
        return;
    }
    let resources = resources::all(&app).await;
    let mut wrong = Vec::new();
    for (function, may) in MAY.iter().copied() {
        let role = app.aws.function(&app.stack.function(function)).await["Role"].as_str().unwrap().to_owned();
        for (name, actions) in may {
            let known = resources.iter().find(|resource| resource.name == *name);
            let known = known.unwrap_or_else(|| panic!("{name} is no resource"));
            assert!(actions.iter().all(|action| known.actions.contains(action)), "{name}: {actions:?}");
        }
        for resource in &resources {
            let allowed = app.aws.allowed(&role, &resource.arn, resource.actions).await;
            for action in resource.actions.iter().copied() {
                let should = Cell { function, resource, action }.should();
                if should != allowed.iter().any(|allowed| allowed == action) {
                    wrong.push(format!("{function}: {action} on {}: should be {}", resource.name, word(should)));
                }
            }
        }
        for (other, _) in MAY.iter() {
            let arn = log_stream(&role, &app.stack.region, &app.stack.function(other));
            let allowed = app.aws.allowed(&role, &arn, LOGS).await;
            let expected: &[&str] =
                if *other == function { &["logs:CreateLogStream", "logs:PutLogEvents"] } else { &[] };
            if allowed != expected {
                wrong.push(format!("{function} on the logs of {other}: may {allowed:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The policies are not only there, they are enforced: with the credentials of functions that run now.
#[tokio::test]
async fn each_functions_credentials_do_exactly_what_it_does() {
    let app = App::new();
    if app.stack.lacks("function-processes") || app.stack.lacks("enforced-iam") {
        return;
    }
    let credentials = credentials(&app).await;
    let resources = resources::all(&app).await;
    let cells = MAY.iter().flat_map(|(function, _)| {
        let cells = move |resource| {
            let cell = move |action: &&'static str| Cell { function, resource, action };
            resource.actions.iter().map(cell)
        };
        resources.iter().flat_map(cells)
    });
    let tries = cells.map(async |cell| (cell, tried(&credentials[cell.function], cell).await));
    let tried: Vec<(Cell<'_>, Tried)> = stream::iter(tries).buffered(CONNECTIONS).collect().await;
    let table = matrix(&resources, &tried);
    std::fs::write(MATRIX, &table).unwrap();
    println!("{table}");
    let wrong: Vec<String> = tried.iter().filter_map(|(cell, tried)| mismatch(cell, tried)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let unseen: Vec<&str> = tried
        .iter()
        .filter(|(cell, tried)| cell.should() && matches!(tried, Tried::Not(_)))
        .map(|(cell, _)| &*cell.resource.name)
        .collect();
    assert!(
        unseen.iter().all(|name| LEFT_TO_THE_SIMULATOR.contains(name)),
        "what functions do is not tried: {unseen:?}"
    );
}

/// Resources of which the local cloud does not show what a function may do: it takes a stream's calls for any stream,
/// and it is asked without TLS, which the bucket's policy refuses.
const LEFT_TO_THE_SIMULATOR: [&str; 5] =
    ["stream of Votes", "stream of Polls", "stream of Tallies", "failures of the relay", "RelayFailuresBucket"];

/// What came of an action.
enum Tried {
    /// It was done, or refused for its form.
    Allowed,
    /// IAM refused it, in these words.
    Denied(String),
    /// It failed otherwise.
    Failed(String),
    /// It is not tried, and why.
    Not(&'static str),
}

/// What services answer to a call that is allowed and has the wrong form.
const REFUSED_FOR_FORM: [&str; 7] = [
    "InvalidDigest",
    "ValidationException",
    "MissingParameter",
    "InvalidParameter",
    "ReceiptHandleIsInvalid",
    "InvalidRequestException",
    "NoSuch",
];

/// What a bucket whose policy asks for TLS says to a local cloud's callers.
const REFUSED_FOR_HTTP: &str = "with an explicit deny in a resource-based policy";

async fn tried(aws: &Aws, cell: Cell<'_>) -> Tried {
    let Attempt { service, request: (method, path), target, body } = match attempt(cell.action, cell.resource) {
        Ok(attempt) => attempt,
        Err(reason) => return Tried::Not(reason),
    };
    let media_type = match (service, &target) {
        (_, Some(_)) => "application/x-amz-json-1.1",
        ("s3" | "lambda", None) => "application/octet-stream",
        _ => "application/x-www-form-urlencoded",
    };
    let mut headers = vec![("content-type", media_type)];
    // No object has this digest, so none is put.
    headers.extend((service == "s3").then_some(("content-md5", "aWFt")));
    headers.extend(target.as_deref().map(|target| ("x-amz-target", target)));
    match aws.try_call(service, method, &path, &headers, body).await {
        Ok(_) => Tried::Allowed,
        // The bucket refuses every caller, so this says nothing about the role.
        Err(refusal) if refusal.contains(REFUSED_FOR_HTTP) => Tried::Not("its bucket refuses HTTP without TLS"),
        Err(refusal) if refusal.contains("AccessDenied") => Tried::Denied(refusal),
        Err(refusal) if REFUSED_FOR_FORM.iter().any(|code| refusal.contains(code)) => Tried::Allowed,
        Err(failure) => Tried::Failed(failure),
    }
}

fn mismatch(cell: &Cell<'_>, tried: &Tried) -> Option<String> {
    let found = match (tried, cell.should()) {
        (Tried::Allowed, true) | (Tried::Denied(_), false) | (Tried::Not(_), _) => return None,
        (Tried::Allowed, false) => "was allowed",
        (Tried::Denied(refusal), true) => refusal,
        (Tried::Failed(failure), _) => failure,
    };
    Some(format!("{}: {} on {}: {found}", cell.function, cell.action, cell.resource.name))
}

/// The cloud as each function may use it, by folder.
async fn credentials(app: &App) -> HashMap<&'static str, Aws> {
    let mut credentials = HashMap::new();
    for (function, _) in MAY.iter().copied() {
        credentials.insert(function, credentials_of(app, function).await);
    }
    credentials
}

async fn credentials_of(app: &App, function: &str) -> Aws {
    let name = app.stack.function(function);
    // It runs from its first call on, also if it can make nothing of it.
    drop(app.aws.invoke(&name, &json!({"Records": []})).await);
    let process = Process::of(&app.stack).into_iter().find(|process| process.function == name);
    let process = process.unwrap_or_else(|| panic!("no process of {name}"));
    app.aws.with_credentials_of(&process.environment)
}

fn word(allowed: bool) -> &'static str {
    if allowed { "allowed" } else { "denied" }
}

/// The table: a row for each action on a resource, a column for each function.
fn matrix(resources: &[Resource], tried: &[(Cell<'_>, Tried)]) -> String {
    let mut rows: BTreeMap<(usize, usize), Vec<&'static str>> = BTreeMap::new();
    let mut reasons = BTreeSet::new();
    for (cell, tried) in tried {
        let resource = resources.iter().position(|resource| resource.name == cell.resource.name).unwrap();
        let action = cell.resource.actions.iter().position(|action| *action == cell.action).unwrap();
        rows.entry((resource, action)).or_default().push(match tried {
            Tried::Allowed => "yes",
            Tried::Denied(_) => "–",
            Tried::Failed(_) => "?",
            Tried::Not(reason) => {
                reasons.insert((cell.action, *reason));
                if cell.should() { "(yes)" } else { "(–)" }
            }
        });
    }
    let mut table = "# What each function may do\n\n\
        yes: done with the function's own credentials; –: refused to them by IAM. In parentheses: not tried, \
        simulated from the policies.\n\n"
        .to_owned();
    let functions: Vec<&str> = MAY.iter().map(|(function, _)| *function).collect();
    writeln!(table, "| resource | action | {} |", functions.join(" | ")).unwrap();
    writeln!(table, "|---|---{}|", "|---".repeat(functions.len())).unwrap();
    for ((resource, action), cells) in rows {
        let resource = &resources[resource];
        writeln!(table, "| {} | {} | {} |", resource.name, resource.actions[action], cells.join(" | ")).unwrap();
    }
    table.push_str("\nNot tried:\n\n");
    for (action, reason) in reasons {
        writeln!(table, "- {action}: {reason}").unwrap();
    }
    table
}

/// What a list shows of polls needs neither the salt, by which voters are hashed, nor the seed of a lot.
#[tokio::test]
async fn a_list_of_polls_can_not_read_their_secrets() {
    let app = App::new();
    if app.stack.lacks("function-processes") || app.stack.lacks("enforced-iam") {
        return;
    }
    let poll = app.poll(json!({"question": "Q", "options": ["a", "b"], "kind": "ranked"})).await;
    let as_list_polls = credentials_of(&app, "list-polls").await;
    let read = async |projection: Option<&str>| {
        let mut asked = json!({"Keys": [{"poll_id": {"S": poll}, "item": {"S": "RULES"}}]});
        if let Some(projection) = projection {
            asked["ProjectionExpression"] = json!(projection);
        }
        if projection.is_some_and(|projection| projection.contains('#')) {
            asked["ExpressionAttributeNames"] = json!({"#a": "salt"});
        }
        let body = json!({"RequestItems": {app.stack.output("PollsTable"): asked}}).to_string();
        let headers =
            [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "DynamoDB_20120810.BatchGetItem")];
        as_list_polls.try_call("dynamodb", "POST", "/", &headers, body).await
    };
    read(Some("question, poll_id")).await.expect("a question");
    for projection in [None, Some("question, #a"), Some("salt"), Some("lot_seed")] {
        let refusal = read(projection).await.expect_err("secrets are refused");
        assert!(refusal.contains("AccessDenied"), "{projection:?}: {refusal}");
    }
}

#[tokio::test]
async fn no_two_functions_share_a_role() {
    let app = App::new();
    let mut roles = BTreeSet::new();
    for (function, _) in MAY.iter() {
        roles.insert(app.aws.function(&app.stack.function(function)).await["Role"].as_str().unwrap().to_owned());
    }
    assert_eq!(roles.len(), MAY.len(), "{roles:#?}");
}

/// The ARN of a log stream of a function, in the account of a role.
fn log_stream(role_arn: &str, region: &str, function: &str) -> String {
    let account = role_arn.split(':').nth(4).unwrap();
    format!("arn:aws:logs:{region}:{account}:log-group:/aws/lambda/{function}:log-stream:2026/11/24/x")
}
