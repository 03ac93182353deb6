//! Mutations: what they write, what they are refused for, what they cost.

use landslide_aws::testing::Call;

use super::*;

/// The query's errors, as paths and codes.
fn failed(answer: &Value) -> Vec<(String, String)> {
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let of = |error: &Value| {
        (error["path"][0].as_str().unwrap().to_owned(), error["extensions"]["code"].as_str().unwrap().to_owned())
    };
    errors.iter().map(of).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(path, code)| ((*path).to_owned(), (*code).to_owned())).collect()
}

/// The writes that were sent, with their tables.
fn writes(stand: &Stand) -> Vec<String> {
    let writes = stand.calls.all().into_iter().flat_map(|call| match call.operation.as_str() {
        "UpdateItem" => vec![call.body],
        "TransactWriteItems" => call.body["TransactItems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item.as_object().unwrap().values().next().unwrap().clone())
            .collect(),
        _ => Vec::new(),
    });
    writes.map(|write| write["TableName"].as_str().unwrap().to_owned()).collect()
}

/// What a poll says that was put.
fn put(stand: &Stand) -> Value {
    let created = stand.calls.all().into_iter().find(|call| call.operation == "TransactWriteItems").unwrap();
    created.body["TransactItems"][0]["Put"]["Item"].clone()
}

/// Everyone who can't change polls, with the reason.
fn no_members() -> [(Value, &'static str); 4] {
    let expires_at = "4102444800000";
    let viewer = json!({"issuer": "https://id.example.org", "subject": "k", "kind": "key", "expires_at": expires_at,
        "tenant_kind": "account", "tenant": "owner", "role": "viewer"});
    [
        (json!({"issuer": "urn:landslide", "subject": "d", "kind": "device", "expires_at": expires_at}), "forbidden"),
        (json!({"subject": "v", "kind": "view", "poll_id": "p1", "expires_at": expires_at}), "forbidden"),
        (viewer, "forbidden"),
        (
            json!({"issuer": "https://id.example.org", "subject": "somebody", "kind": "account", "expires_at": expires_at}),
            "forbidden",
        ),
    ]
}

const CREATE: &str = "mutation ($poll: NewPoll!, $key: String = null) {
    createPoll(poll: $poll, idempotency_key: $key) { poll_id question options { label } closes_at revision } }";
const UPDATE: &str = "mutation ($revision: Int!, $changes: EditPoll!) {
    updatePoll(poll_id: \"p1\", revision: $revision, changes: $changes) { revision closes_at options { label } } }";

fn update(stand: &Stand, revision: i64, changes: &Value) -> Value {
    let (status, answer) =
        stand.post(&json!({"query": UPDATE, "variables": {"revision": revision, "changes": changes}}));
    assert_eq!(status, 200, "{answer}");
    answer
}

#[test]
fn a_poll_is_created_by_the_same_request_as_rest_s() {
    for body in [
        json!({"question": "Which?", "options": ["a", "b"]}),
        json!({"question": "Which?", "options": ["a", "b", "c"], "kind": "ranked", "seats": 2, "method": "stv",
            "opens_at": null, "closes_at": "2099-01-31T20:15:00Z", "identity": "account", "vote_change": "until_close",
            "results": "owner", "peak_votes_per_second": 5000, "viewers": 100_000, "own_vote": "hide", "devices": "own",
            "embed": ["https://news.example"], "listed": true, "min_cell": 7, "series": true,
            "segments": [{"name": "region", "values": ["n", "s"], "from": "vote"}]}),
        json!({"question": "Which?", "options": ["a", "b", "c"], "kind": "multiple", "max_choices": 2, "min_choices": 2,
            "write_in": false, "correct": [0, 2]}),
        json!({"question": "Which?", "options": ["a", "b"], "kind": "rating", "scale": {"min": 0, "max": 10}}),
        json!({"question": "Why?", "kind": "text", "scale": null}),
    ] {
        let stand = Stand::new();
        let (status, answer) = stand.post(&json!({"query": CREATE, "variables": {"poll": body}}));
        assert_eq!((status, answer.get("errors")), (200, None), "{answer}");
        let shown = &answer["data"]["createPoll"];
        assert_eq!((&shown["question"], &shown["revision"]), (&body["question"], &json!(1)));
        let by_rest = poll_asked_for(body.clone(), at(0)).unwrap();
        let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
        run(PollStore::new(&aws, "polls".to_owned()).create(&by_rest, &[])).unwrap();
        let rest = calls.all()[0].body["TransactItems"][0]["Put"]["Item"].clone();
        assert!(rest["request_hash"].is_object(), "{rest}");
        assert_eq!(put(&stand)["request_hash"], rest["request_hash"], "{body}");
        assert_eq!(writes(&stand), ["polls", "polls", "tenants"]);
    }
}

#[test]
fn an_idempotency_key_names_the_poll_that_rest_names_by_it() {
    let id_by = |key: Value| {
        let stand = Stand::new();
        let variables = json!({"poll": {"question": "Which?", "options": ["a", "b"]}, "key": key});
        let (_, answer) = stand.post(&json!({"query": CREATE, "variables": variables}));
        (answer["data"]["createPoll"]["poll_id"].clone(), failed(&answer), writes(&stand).len())
    };
    let expected = landslide_domain::ids::PollId::of_idempotency_key(
        &[7; 32],
        &landslide_domain::testing::owner().tenant.key(),
        "k",
    );
    assert_eq!(id_by(json!("k")), (json!(expected.as_str()), Vec::new(), 3));
    assert_ne!(id_by(Value::Null).0, id_by(Value::Null).0);
    for key in ["", "a b", "é", &"k".repeat(256)] {
        assert_eq!(id_by(json!(key)), (Value::Null, pairs(&[("createPoll", "invalid_request")]), 0), "{key}");
    }
}

#[test]
fn what_is_not_valid_is_said_by_field_as_in_rest() {
    let stand = Stand::new();
    for (poll, errors) in [
        (json!({"question": " ", "options": ["a"]}), json!(["/question", "/options"])),
        (json!({"question": "Q"}), json!(["/options"])),
        (json!({"question": "Q", "options": null}), json!(["/options"])),
        (json!({"question": "Q", "options": ["a", "b"], "seats": -1}), json!(["/seats"])),
        (json!({"question": "Q", "options": ["a", "b"], "closes_at": "soon"}), json!(["/closes_at"])),
        (json!({"question": "Q", "options": ["a", "b"], "closes_at": "2020-01-01T00:00:00Z"}), json!(["/closes_at"])),
        (json!({"question": "Q", "options": ["a", "b"], "viewers": 2_000_000_000}), json!(["/viewers"])),
    ] {
        let (status, answer) = stand.post(&json!({"query": CREATE, "variables": {"poll": poll}}));
        assert_eq!((status, &answer["data"]), (200, &json!({"createPoll": null})), "{answer}");
        let extensions = &answer["errors"][0]["extensions"];
        let found: Vec<&Value> = extensions["errors"].as_array().unwrap().iter().map(|it| &it["pointer"]).collect();
        assert_eq!((json!(found), &extensions["code"]), (errors, &json!("invalid_request")), "{poll}");
    }
    assert_eq!(writes(&stand), Vec::<String>::new());
}

#[test]
fn a_poll_is_changed_over_the_revision_that_is_named_alone() {
    let stand = Stand::with(json!({"closes_at": "2099-01-31T20:15:00Z"}));
    let changed = update(&stand, 1, &json!({"peak_votes_per_second": 2000}));
    let expected = json!({"revision": 2, "closes_at": "2099-01-31T20:15:00.000Z", "options": [{"label": "Red"}, {"label": "Blue"}]});
    assert_eq!(changed["data"]["updatePoll"], expected, "{changed}");
    assert_eq!(writes(&stand), ["polls"]);
    let cleared = update(&stand, 1, &json!({"closes_at": null}));
    assert_eq!(cleared["data"]["updatePoll"]["closes_at"], Value::Null, "{cleared}");
    let same = update(&stand, 1, &json!({}));
    assert_eq!(same["data"]["updatePoll"]["revision"], 1, "{same}");

    let stand = Stand::new();
    for (revision, changes, code) in [
        (2, json!({"peak_votes_per_second": 2000}), "revision_mismatch"),
        (0, json!({"peak_votes_per_second": 2000}), "revision_mismatch"),
        (-1, json!({"peak_votes_per_second": 2000}), "revision_mismatch"),
        (1, json!({"question": null}), "invalid_request"),
        (1, json!({"question": "Another?"}), "not_editable"),
        (1, json!({"kind": "text"}), "not_editable"),
        (1, json!({"viewers": 0}), "invalid_request"),
    ] {
        let refused = update(&stand, revision, &changes);
        assert_eq!(failed(&refused), pairs(&[("updatePoll", code)]), "{changes}");
    }
    assert_eq!(writes(&stand), Vec::<String>::new());
}

#[test]
fn polls_are_paused_resumed_closed_and_copied_one_after_the_other() {
    let stand = Stand::new();
    let shown = stand.ask(
        "mutation { pausePoll(poll_id: \"p1\") { status paused_from revision } resumePoll(poll_id: \"p1\") { paused_from revision }
            closePoll(poll_id: \"p1\") { status closes_at offered_to { value } }
            copyPoll(poll_id: \"p1\", changes: {options: [\"x\", \"y\"]}) { question options { id label } revision } }",
    );
    let data = &shown["data"];
    assert_eq!((&data["pausePoll"]["status"], &data["pausePoll"]["revision"]), (&json!("open"), &json!(2)), "{shown}");
    assert!(data["pausePoll"]["paused_from"].is_string() && data["closePoll"]["closes_at"].is_string(), "{shown}");
    assert_eq!(data["resumePoll"], json!({"paused_from": null, "revision": 1}), "it is not paused");
    let copy = json!({"question": "Best colour?", "options": [{"id": 0, "label": "x"}, {"id": 1, "label": "y"}], "revision": 1});
    assert_eq!(data["copyPoll"], copy);
    let in_order = ["polls", "tenants", "tenants", "polls", "tenants", "polls", "polls", "tenants"];
    assert_eq!(writes(&stand), in_order, "each but the first is counted as a request of its own");
    let whole = Stand::new().ask("mutation { copyPoll(poll_id: \"p1\") { question options { label } } }");
    assert_eq!(whole["data"]["copyPoll"]["options"][0]["label"], "Red");
}

#[test]
fn a_field_that_fails_stops_no_mutation_after_it() {
    let stand = Stand::new();
    let shown = stand.ask(
        "mutation { a: closePoll(poll_id: \"none\") { status } b: closePoll(poll_id: \"?\") { status }
            c: closePoll(poll_id: \"p1\") { status } }",
    );
    assert_eq!(shown["data"], json!({"a": null, "b": null, "c": {"status": "open"}}));
    assert_eq!(failed(&shown), pairs(&[("a", "not_found"), ("b", "not_found")]));
}

#[test]
fn who_may_not_change_a_poll_is_told_as_in_rest_and_nothing_is_written() {
    let query = "mutation { createPoll(poll: {question: \"Q\", options: [\"a\", \"b\"]}) { poll_id }
        updatePoll(poll_id: \"p1\", revision: 1, changes: {viewers: 5}) { revision } closePoll(poll_id: \"p1\") { status }
        pausePoll(poll_id: \"p1\") { status } copyPoll(poll_id: \"p1\") { poll_id } }";
    for (authorizer, code) in no_members() {
        let stand = Stand::new();
        let mut event = posted_event("application/json", &json!({"query": query}).to_string(), "owner");
        event["requestContext"]["authorizer"] = authorizer.clone();
        let (status, shown, _) = stand.answer(event);
        let is_other_account = authorizer["subject"] == "somebody";
        let all = ["createPoll", "updatePoll", "closePoll", "pausePoll", "copyPoll"];
        // Anybody with an account may create polls of their own.
        let refused: Vec<_> = all.into_iter().filter(|name| !(is_other_account && *name == "createPoll")).collect();
        assert_eq!(
            failed(&shown),
            refused.iter().map(|name| ((*name).to_owned(), code.to_owned())).collect::<Vec<_>>()
        );
        assert_eq!(status, 200);
        let polls = writes(&stand).into_iter().filter(|table| table == "polls").count();
        assert_eq!(polls, if is_other_account { 2 } else { 0 }, "{shown}");
    }
    let stand = Stand::new();
    let mut event = posted_event("application/json", &json!({"query": query}).to_string(), "owner");
    event["requestContext"]["authorizer"] = Value::Null;
    assert_eq!((stand.answer(event).0, writes(&stand).len()), (401, 0));
}

/// Units of what was read and written: an item that is written is five, in a transaction ten.
fn units(calls: &[Call]) -> u64 {
    let of = |call: &Call| match call.operation.as_str() {
        // A thousand open polls, whose keys are counted.
        "Query" if call.body.to_string().contains("by-closing") => 30,
        "Query" => 2,
        "UpdateItem" => 5,
        "TransactWriteItems" => 10 * call.body["TransactItems"].as_array().unwrap().len() as u64,
        other => panic!("{other} has no price"),
    };
    calls.iter().map(of).sum()
}

#[test]
fn a_mutation_costs_what_its_calls_cost_and_the_count_of_its_request() {
    const COUNTED: u64 = 5;
    for (mutation, is_dearest) in [
        ("createPoll(idempotency_key: \"k\", poll: {question: \"Q\", options: [\"a\", \"b\"]}) { poll_id }", true),
        ("createPoll(poll: {question: \"Q\", options: [\"a\", \"b\"]}) { poll_id }", false),
        ("updatePoll(poll_id: \"p1\", revision: 1, changes: {options: [\"x\", \"y\"]}) { revision }", true),
        ("updatePoll(poll_id: \"p1\", revision: 1, changes: {viewers: 5}) { revision }", false),
        ("closePoll(poll_id: \"p1\") { status }", true),
        ("copyPoll(poll_id: \"p1\", idempotency_key: \"k\") { poll_id }", true),
        ("copyPoll(poll_id: \"p1\") { poll_id }", false),
    ] {
        let stand = Stand::with(json!({"opens_at": "2098-01-01T00:00:00Z"}));
        let stand = if mutation.starts_with("close") { Stand::new() } else { stand };
        let shown = stand.ask(&format!("mutation {{ {mutation} }}"));
        assert_eq!(shown.get("errors"), None, "{shown}");
        let (cost, paid) = (shown["extensions"]["cost"].as_u64().unwrap(), units(&stand.calls.all()) + COUNTED);
        assert!(if is_dearest { cost == paid } else { cost > paid }, "{mutation} costs {cost} and takes {paid}");
    }
    let costs = Costs::read().unwrap();
    let close = costs.field("Mutation", "closePoll").unwrap();
    for other in ["pausePoll", "resumePoll"] {
        let other = costs.field("Mutation", other).unwrap();
        assert_eq!((other.reads, other.writes), (close.reads, close.writes), "they write as closing does");
    }
}

#[test]
fn each_mutation_counts_as_a_request_and_is_refused_over_the_limit() {
    let stand = Stand::over(|call| match call.operation.as_str() {
        "UpdateItem" if call.body["TableName"] == "tenants" => {
            let minute = clock::now().minute().as_millis().to_string();
            let full =
                json!({"requests": {"N": "77"}, "minute": {"N": minute}, "in_minute": {"N": "6"}, "polls": {"N": "2"}});
            Answer::condition_failed(full)
        }
        _ => Answer::Ok(json!({})),
    });
    let query = "mutation { a: createPoll(poll: {question: \"Q\", options: [\"a\", \"b\"]}) { revision }
        b: createPoll(poll: {question: \"Q\", options: [\"a\", \"b\"]}) { revision } }";
    let response = stand.response(posted_event("application/json", &json!({"query": query}).to_string(), "owner"));
    let shown: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    assert_eq!(shown["data"], json!({"a": {"revision": 1}, "b": null}));
    assert_eq!(failed(&shown), pairs(&[("b", "limit_exceeded")]));
    let left = response["headers"]["ratelimit"].as_str().unwrap();
    assert!(left.starts_with("\"requests\";r=0;t=") && left.contains(", \"polls\";r=3;t="), "{left}");
    assert_eq!(writes(&stand).iter().filter(|table| *table == "polls").count(), 2);
}

#[test]
fn a_tenant_s_limits_of_polls_hold() {
    let stand = Stand::over(|call| match call.operation.as_str() {
        "Query" if call.body.to_string().contains("by-closing") => Answer::Ok(json!({"Count": 4, "Items": []})),
        _ => Answer::Ok(json!({})),
    });
    let shown = stand.ask("mutation { createPoll(poll: {question: \"Q\", options: [\"a\", \"b\"]}) { revision } }");
    assert_eq!(failed(&shown), pairs(&[("createPoll", "too_many_open_polls")]));
    assert_eq!(writes(&stand), Vec::<String>::new());
}

#[test]
fn a_failure_on_our_side_fails_the_request_and_no_mutation_begins_after_it() {
    // What a poll says can't be read, and everything else can.
    let stand = Stand::over(|call| match call.operation.as_str() {
        "Query" if !call.body.to_string().contains("by-closing") => Answer::Lost,
        _ => Answer::Ok(json!({})),
    });
    let query =
        "mutation { createPoll(idempotency_key: \"k\", poll: {question: \"Q\", options: [\"a\", \"b\"]}) { revision }
        b: createPoll(poll: {question: \"Q\", options: [\"a\", \"b\"]}) { revision } }";
    let (status, problem) = stand.post(&json!({"query": query}));
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert!(writes(&stand).is_empty() && stand.calls.operations().iter().all(|operation| operation == "Query"));
    let late = Stand { time: Duration::from_secs(10), ..Stand::new() };
    assert_eq!(late.post(&json!({"query": "mutation { closePoll(poll_id: \"p1\") { status } }"})).0, 503);
    assert_eq!(late.calls.operations(), Vec::<String>::new());
}

#[test]
fn a_mutation_is_taken_as_a_text_by_post_and_in_no_other_way() {
    let mutation = parse_query("mutation { closePoll(poll_id: \"p1\") { status } }").unwrap();
    let costs = Costs::read().unwrap();
    assert!(measure(&mutation, &Variables::default(), &costs, true).is_ok());
    assert!(measure(&mutation, &Variables::default(), &costs, false).is_err());
    for kept in &kept::KEPT {
        assert!(
            measure(&kept.document().unwrap(), &Variables::default(), &costs, false)
                .map_or_else(|error| !error.message.contains("mutation"), |_| true)
        );
    }
}

#[test]
fn a_variable_without_a_value_clears_nothing() {
    let query =
        "mutation ($c: DateTime) { updatePoll(poll_id: \"p1\", revision: 1, changes: {closes_at: $c}) { revision } }";
    let stand = Stand::with(json!({"closes_at": "2099-01-31T20:15:00Z"}));
    let (status, refused) = stand.post(&json!({"query": query}));
    assert_eq!((status, &refused["errors"][0]["extensions"]["code"]), (400, &json!("invalid_request")), "{refused}");
    assert_eq!(stand.calls.operations(), Vec::<String>::new());
    let (_, cleared) = stand.post(&json!({"query": query, "variables": {"c": null}}));
    assert_eq!(cleared["data"]["updatePoll"]["revision"], 2, "{cleared}");
}
