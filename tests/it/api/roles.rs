//! Who may call what: every route of infra/openapi.yaml, asked by each kind of caller. What members may do is the domain's
//! table of operations and roles; a route that is neither there nor below fails.

use std::collections::BTreeMap;

use http::Method;
use landslide_domain::role::{OPERATIONS, Operation, Role};
use serde_json::{Value, json};

use crate::support::{Answer, App, someone};

const DOCUMENT: &str = include_str!("../../../infra/openapi.yaml");

/// Routes that no member's role decides.
const OTHERS: [(&str, Access); 14] = [
    ("getPoll", Access::Anyone),
    ("getResults", Access::Anyone),
    ("getSegments", Access::Anyone),
    ("getSeries", Access::Anyone),
    ("registerDevice", Access::Anyone),
    ("getKeptQuery", Access::Anyone),
    ("getGraphqlSchema", Access::Anyone),
    // Each of its fields sees to who is asking.
    ("queryGraphql", Access::VotersAndMembers),
    ("castVote", Access::Voters),
    ("getVote", Access::Voters),
    ("retractVote", Access::Voters),
    ("getMyResults", Access::VotersAndMembers),
    ("getMySegments", Access::VotersAndMembers),
    ("getMySeries", Access::VotersAndMembers),
];

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Access {
    Anyone,
    /// Accounts and devices.
    Voters,
    /// These, and API keys.
    VotersAndMembers,
    /// Members and API keys whose role allows it.
    Members(Operation),
}

/// What a caller is to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// 403: the token is good, and may not do this.
    Forbidden,
    /// 401: there is no token, or this route does not know it.
    Unauthorized,
}

/// A kind of caller.
pub(super) struct Caller {
    name: &'static str,
    token: Option<String>,
    role: Option<Role>,
    is_key: bool,
}

impl Caller {
    /// An account, which owns its polls.
    pub(super) fn account(token: &str) -> Self {
        Self { name: "account", token: Some(token.to_owned()), role: Some(Role::Owner), is_key: false }
    }

    /// What a 403 by the role says to it.
    fn refusal(&self) -> String {
        match (self.role, self.name) {
            (Some(role), _) => format!("The role {} does not allow this.", role.as_str()),
            (None, "without role" | "unknown role") => {
                "Your token names an organisation, but no role in it that is known here.".to_owned()
            }
            (None, _) => "This needs an account token or an API key.".to_owned(),
        }
    }
}

impl Access {
    fn verdict(self, caller: &Caller) -> Verdict {
        if caller.token.is_none() && self != Access::Anyone {
            return Verdict::Unauthorized;
        }
        match self {
            Access::Anyone => Verdict::Allowed,
            // The voters' authorizer knows no keys.
            Access::Voters if caller.is_key => Verdict::Unauthorized,
            Access::Voters | Access::VotersAndMembers => Verdict::Allowed,
            Access::Members(operation) if caller.role.is_some_and(|role| role.may(operation)) => Verdict::Allowed,
            Access::Members(_) => Verdict::Forbidden,
        }
    }
}

/// A route: its operation's id, method and path.
pub(super) type Route = (String, Method, String);

/// Every route but preflights.
pub(super) fn routes() -> Vec<Route> {
    let (mut path, mut method) = (String::new(), Method::GET);
    let mut routes = Vec::new();
    for line in DOCUMENT.lines() {
        if let Some(found) = line.strip_prefix("  /").and_then(|line| line.strip_suffix(':')) {
            path = format!("/{found}");
        } else if let Some(verb) = line.strip_prefix("    ").and_then(|line| line.strip_suffix(':'))
            && let Ok(verb) = verb.to_uppercase().parse()
        {
            method = verb;
        } else if let Some(id) = line.strip_prefix("      operationId: ")
            && method != Method::OPTIONS
        {
            routes.push((id.to_owned(), method.clone(), path.clone()));
        }
    }
    routes
}

/// Each operation's access, by its id. HEAD is as GET.
fn accesses(routes: &[Route]) -> BTreeMap<String, Access> {
    let id = |operation: Operation| {
        let name = format!("{operation:?}");
        name[..1].to_lowercase() + &name[1..]
    };
    let members = OPERATIONS.iter().map(|(operation, _)| (id(*operation), Access::Members(*operation)));
    let mut known: BTreeMap<String, Access> = members.collect();
    known.extend(OTHERS.map(|(id, access)| (id.to_owned(), access)));
    let heads = routes.iter().filter(|(_, method, _)| method == Method::HEAD).filter_map(|(head, _, path)| {
        let (get, ..) = routes.iter().find(|(_, method, of_get)| method == Method::GET && of_get == path)?;
        Some((head.clone(), *known.get(get)?))
    });
    let heads: Vec<_> = heads.collect();
    known.extend(heads);
    known
}

/// The callers, all of one organisation as far as they belong to any.
async fn callers(app: &App, organisation: &str) -> Vec<Caller> {
    let member = |role: Value| Some(app.account_with(&someone(), &json!({"organisation": organisation, "role": role})));
    let account = |name, token, role| Caller { name, token, role, is_key: false };
    let owner = member(json!("owner"));
    let mut callers = vec![
        account("account", Some(app.account(&someone())), Some(Role::Owner)),
        account("owner", owner.clone(), Some(Role::Owner)),
        account("editor", member(json!("editor")), Some(Role::Editor)),
        account("viewer", member(json!("viewer")), Some(Role::Viewer)),
        account("without role", member(Value::Null), None),
        account("unknown role", member(json!("Owner")), None),
        account("device", Some(app.device().await), None),
        account("nobody", None, None),
    ];
    for (name, role) in [("editor's key", Role::Editor), ("viewer's key", Role::Viewer)] {
        let body = json!({"name": name, "role": role});
        let answer = app.post("/v1/keys", owner.as_deref().unwrap(), &body).await;
        assert_eq!(answer.status, 201, "{answer}");
        let token = answer.json()["key"].as_str().map(str::to_owned);
        callers.push(Caller { name, token, role: Some(role), is_key: true });
    }
    callers
}

/// A request that is valid as far as a route can know before it asks for the role.
fn body(operation: &str) -> Option<Value> {
    let poll = json!({"question": "Who?", "options": ["a", "b"]});
    Some(match operation {
        "createPoll" => poll,
        "updatePoll" => json!({"peak_votes_per_second": 2_000}),
        "castVote" => json!({"choices": [0]}),
        "createKey" => json!({"name": "a key", "role": "viewer"}),
        "offerPoll" => json!({"issuer": "https://issuer.landslide.local", "kind": "account", "value": "somebody"}),
        "hideAnswers" => json!({"answers": ["bad"]}),
        "queryGraphql" => json!({"query": "{ __typename }"}),
        "copyPoll" | "createView" => json!({}),
        _ => return None,
    })
}

/// What a route says to a caller, asked for a poll of the caller's own tenant where it has one.
pub(super) async fn ask(
    app: &App,
    (operation, method, path): &Route,
    poll: &str,
    caller: &Caller,
) -> (Verdict, Answer) {
    let path = path.replace("{poll_id}", poll).replace("{key_id}", "00000000000000000000");
    let path = path.replace("{view_id}", "00000000000000000000").replace("{query_id}", "poll");
    let mut request = app.request(method.clone(), &path);
    if let Some(token) = &caller.token {
        request = request.bearer_auth(token);
    }
    if ["updatePoll", "hideAnswers"].contains(&operation.as_str()) {
        request = request.header("If-Match", "*");
    }
    let request = match body(operation) {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = Answer::of(request).await;
    let verdict = match answer.status {
        401 => Verdict::Unauthorized,
        403 if *method == Method::HEAD || answer.body.contains(&caller.refusal()) => Verdict::Forbidden,
        400..500 | 200..300 => Verdict::Allowed,
        _ => panic!("{operation} by {}: {answer}", caller.name),
    };
    (verdict, answer)
}

#[test]
fn every_route_has_its_row_and_every_operation_its_route() {
    let routes = routes();
    assert!(routes.len() > 20, "{routes:?}");
    let accesses = accesses(&routes);
    let missing: Vec<_> = routes.iter().filter(|(id, ..)| !accesses.contains_key(id)).collect();
    assert_eq!(missing, Vec::<&Route>::new(), "nobody has said who may call these routes");
    let is_routed = |id: &str| routes.iter().any(|(routed, ..)| routed == id);
    let unrouted: Vec<_> = accesses.keys().filter(|id| *id != "seeHiddenResults" && !is_routed(id)).collect();
    assert_eq!(unrouted, Vec::<&String>::new(), "no route does these operations");
}

#[tokio::test]
async fn each_caller_may_do_what_its_role_may_and_nothing_else() {
    let app = App::new();
    let routes = routes();
    let accesses = accesses(&routes);
    let mut wrong = Vec::new();
    for route in &routes {
        // An organisation for each route, so that none has too many requests in a minute.
        let callers = callers(&app, &someone()).await;
        let of_organisation = callers[1].token.clone().unwrap();
        if route == &routes[0] {
            println!("{:20}{}", "", callers.iter().map(|caller| format!("{:>14}", caller.name)).collect::<String>());
        }
        let mut row = format!("{:20}", route.0);
        for caller in &callers {
            // A poll of its own for each, as some routes change it.
            let owner = if caller.name == "account" { caller.token.as_deref().unwrap() } else { &of_organisation };
            let region = json!({"name": "region", "values": ["North", "South"], "from": "vote"});
            let body = json!({"question": "Who?", "options": ["a", "b"], "segments": [region], "series": true});
            let poll = app.poll_of(owner, body).await;
            let (verdict, answer) = ask(&app, route, &poll, caller).await;
            row += &format!("{:>14}", answer.status);
            let expected = accesses[&route.0].verdict(caller);
            if verdict != expected {
                wrong.push(format!("{} by {}: {expected:?} expected: {answer}", route.0, caller.name));
            }
        }
        println!("{row}");
    }
    assert_eq!(wrong, Vec::<String>::new());
}
