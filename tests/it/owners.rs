//! What owners do with their polls: GET /v1/polls, PATCH /v1/polls/{poll_id} and POST …/close.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::Method;
use landslide_shared::domain::time::Timestamp;
use serde_json::{Value, json};

use crate::support::{Answer, App, assert_cors, assert_problem, eventually, in_ms, now_ms, someone};

const HOUR_MS: u64 = 3_600_000;
/// How far ahead the earliest closing lies.
const FELT_MS: u64 = 9_000;
/// By how much the clocks of test and cloud may differ.
const SKEW_MS: u64 = 1_000;

fn colours() -> Value {
    json!({"question": "Best colour?", "options": ["Red", "Blue"]})
}

/// Colours with these fields besides.
fn colours_with(fields: Value) -> Value {
    let mut body = colours();
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// A poll that opens in an hour.
async fn scheduled_poll(app: &App, owner: &str) -> String {
    app.poll_of(owner, colours_with(json!({"opens_at": in_ms(HOUR_MS), "closes_at": in_ms(2 * HOUR_MS)}))).await
}

/// GET /v1/polls with a query such as `?limit=1`.
async fn list(app: &App, token: &str, query: &str) -> Answer {
    Answer::of(app.request(Method::GET, &format!("/v1/polls{query}")).bearer_auth(token)).await
}

/// The ids of a page.
fn ids(page: &Value) -> Vec<String> {
    let polls = page["polls"].as_array().unwrap_or_else(|| panic!("no polls in {page}"));
    polls.iter().map(|poll| poll["poll_id"].as_str().unwrap().to_owned()).collect()
}

/// An owner's polls in one page, once there are so many: an index lags behind its table.
async fn listed(app: &App, owner: &str, count: usize) -> Vec<String> {
    eventually(&format!("list of {count} polls"), async || {
        let listed = ids(&list(app, owner, "?limit=100").await.json());
        if listed.len() == count { Ok(listed) } else { Err(format!("{listed:?}")) }
    })
    .await
}

/// A poll's two items, as they are stored.
async fn stored(app: &App, poll: &str) -> [Value; 2] {
    [app.aws.poll_item(poll, "RULES").await, app.aws.poll_item(poll, "OPTIONS").await]
}

/// Fails unless the answer is 200 with the poll at the revision; the poll.
#[track_caller]
fn assert_at(answer: &Answer, revision: u64) -> Value {
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.json()["revision"], revision, "{answer}");
    assert_eq!(answer.header("etag"), format!("\"{revision}\""), "{answer}");
    assert_eq!(answer.header("cache-control"), "private, no-store", "{answer}");
    assert_cors(answer);
    answer.json()
}

// --- Lists ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn an_owners_polls_are_listed_newest_first_without_their_options() {
    let app = App::new();
    let owner = app.account(&someone());
    let mut expected = Vec::new();
    for body in [
        colours(),
        colours_with(json!({"results": "owner", "vote_change": "until_close", "kind": "multiple"})),
        colours_with(json!({"opens_at": in_ms(HOUR_MS), "identity": "account", "peak_votes_per_second": 9_000})),
    ] {
        let mut poll = app.create_poll(&owner, &body).await.json();
        poll.as_object_mut().unwrap().remove("options");
        expected.insert(0, poll);
    }
    listed(&app, &owner, 3).await;
    let answer = list(&app, &owner, "").await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.json(), json!({"polls": expected, "next_cursor": null}));
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert_cors(&answer);
}

#[tokio::test]
async fn cursors_lead_through_all_polls_without_repeats_gaps_or_an_empty_page() {
    const POLLS: usize = 6;
    let app = App::new();
    let owner = app.account(&someone());
    join_all((0..POLLS).map(|_| app.poll_of(&owner, colours()))).await;
    let all = listed(&app, &owner, POLLS).await;
    for limit in 1..=POLLS + 1 {
        let (mut walked, mut pages, mut query) = (Vec::new(), 0, format!("?limit={limit}"));
        loop {
            let answer = list(&app, &owner, &query).await;
            assert_eq!(answer.status, 200, "{query}: {answer}");
            let page = answer.json();
            assert!((1..=limit).contains(&ids(&page).len()), "limit {limit}: {page}");
            walked.extend(ids(&page));
            pages += 1;
            match &page["next_cursor"] {
                Value::Null => break,
                cursor => query = format!("?limit={limit}&cursor={}", cursor.as_str().unwrap()),
            }
            assert!(pages <= POLLS, "limit {limit}: no end after {pages} pages");
        }
        assert_eq!((&walked, pages), (&all, POLLS.div_ceil(limit)), "limit {limit}");
    }
}

#[tokio::test]
async fn a_cursor_goes_on_where_it_was_when_polls_are_made_meanwhile() {
    let app = App::new();
    let owner = app.account(&someone());
    for _ in 0..3 {
        app.poll_of(&owner, colours()).await;
    }
    let before = listed(&app, &owner, 3).await;
    let first = list(&app, &owner, "?limit=1").await.json();
    app.poll_of(&owner, colours()).await;
    listed(&app, &owner, 4).await;
    let query = format!("?cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(ids(&list(&app, &owner, &query).await.json()), before[1..]);
}

#[tokio::test]
async fn a_page_has_1_to_100_polls_and_20_by_default() {
    let app = App::new();
    let owner = app.account(&someone());
    join_all((0..21).map(|_| app.poll_of(&owner, colours()))).await;
    listed(&app, &owner, 21).await;
    for (query, polls) in [("", 20), ("?limit=1", 1), ("?limit=20", 20), ("?limit=21", 21), ("?limit=100", 21)] {
        let page = list(&app, &owner, query).await.json();
        assert_eq!((ids(&page).len(), page["next_cursor"].is_null()), (polls, polls == 21), "{query}");
    }
    for limit in ["0", "101", "-1", "1.5", "1e1", "%2B5", "%205", "ten", "", "99999999999999999999", "0x10", "%D9%A1"] {
        let answer = list(&app, &owner, &format!("?limit={limit}")).await;
        assert_eq!(answer.status, 400, "{limit:?}: {answer}");
        assert_problem(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn a_cursor_is_its_owners_only_and_nothing_else_is_one() {
    let app = App::new();
    let (owner, other) = (app.account(&someone()), app.account(&someone()));
    for account in [&owner, &other] {
        app.poll_of(account, colours()).await;
        app.poll_of(account, colours()).await;
        listed(&app, account, 2).await;
    }
    let cursor = list(&app, &owner, "?limit=1").await.json()["next_cursor"].as_str().unwrap().to_owned();
    let of_other = list(&app, &other, "?limit=1").await.json()["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(list(&app, &owner, &format!("?cursor={cursor}")).await.status, 200);
    let cut = &cursor[..cursor.len() - 2];
    let bad = [
        of_other.as_str(),
        cut,
        "x",
        "",
        "%00",
        "%20",
        "%FF",
        "a.b.c",
        "MS4yLjM",
        &"A".repeat(2_000),
        "null",
        "*",
        "'",
    ];
    for cursor in bad {
        let answer = list(&app, &owner, &format!("?cursor={cursor}")).await;
        assert_eq!(answer.status, 400, "{cursor:?}: {answer}");
        assert_problem(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn a_list_takes_an_account_and_shows_nobody_elses_polls() {
    let app = App::new();
    let (owner, other) = (app.account(&someone()), app.account(&someone()));
    let mine = app.poll_of(&owner, colours()).await;
    let theirs = app.poll_of(&other, colours()).await;
    assert_eq!((listed(&app, &owner, 1).await, listed(&app, &other, 1).await), (vec![mine], vec![theirs]));
    let nobody = list(&app, &app.account(&someone()), "").await;
    assert_eq!((nobody.status, nobody.json()), (200, json!({"polls": [], "next_cursor": null})));
    assert_problem(&list(&app, &app.device().await, "").await, 403, "forbidden");
    assert_problem(&app.get("/v1/polls").await, 401, "unauthorized");
}

// --- Changes -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_change_names_the_revision_that_it_changes() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = scheduled_poll(&app, &owner).await;
    let before = stored(&app, &poll).await;
    let body = json!({"question": "Worst colour?"});
    let silent = app.request(Method::PATCH, &format!("/v1/polls/{poll}")).bearer_auth(&owner).json(&body);
    assert_problem(&Answer::of(silent).await, 428, "precondition_required");
    for other in ["\"2\"", "\"0\"", "\"01\"", "\"\"", "\"*\"", "\"x\"", "\"2\", \"3\""] {
        let answer = app.change_poll(&poll, &owner, other, &body).await;
        assert_eq!(answer.status, 412, "{other}: {answer}");
        assert_problem(&answer, 412, "revision_mismatch");
    }
    for bad in ["W/\"1\"", "1", "\"1", "1\"", "\"1\" \"2\"", "\"1\", W/\"1\"", "*, \"1\"", "**", "w/*"] {
        let answer = app.change_poll(&poll, &owner, bad, &body).await;
        assert_eq!(answer.status, 400, "{bad}: {answer}");
        assert_problem(&answer, 400, "invalid_request");
    }
    assert_eq!(stored(&app, &poll).await, before);
    assert_at(&app.change_poll(&poll, &owner, "\"1\"", &body).await, 2);
    assert_at(&app.change_poll(&poll, &owner, "\"7\", \"2\"", &json!({"question": "Any colour?"})).await, 3);
    assert_at(&app.change_poll(&poll, &owner, "*", &json!({"question": "No colour?"})).await, 4);
    assert_problem(&app.change_poll(&poll, &owner, "\"1\"", &body).await, 412, "revision_mismatch");
}

#[tokio::test]
async fn a_scheduled_poll_changes_in_what_is_given_and_stays_in_the_rest() {
    let app = App::new();
    let owner = app.account(&someone());
    let mut poll =
        app.create_poll(&owner, &colours_with(json!({"kind": "multiple", "opens_at": in_ms(HOUR_MS)}))).await.json();
    let id = poll["poll_id"].as_str().unwrap().to_owned();
    let times = (in_ms(2 * HOUR_MS), in_ms(3 * HOUR_MS));
    let changes = [
        json!({"question": " Which? "}),
        json!({"options": ["a", "b", "c", " d"]}),
        json!({"max_choices": 2}),
        json!({"opens_at": times.0, "closes_at": times.1}),
        json!({"vote_change": "until_close"}),
        json!({"results": "after_close"}),
        json!({"peak_votes_per_second": 20_000}),
        json!({"peak_votes_per_second": 5}),
        json!({"question": "What?", "options": ["x", "y"]}),
    ];
    for (revision, change) in (2..).zip(changes) {
        let answer = app.change_poll(&id, &owner, &format!("\"{}\"", revision - 1), &change).await;
        let changed = assert_at(&answer, revision);
        for (name, value) in change.as_object().unwrap() {
            poll[name] = match (name.as_str(), value) {
                ("options", Value::Array(labels)) => {
                    let options = labels.iter().enumerate();
                    options.map(|(id, label)| json!({"id": id, "label": label.as_str().unwrap().trim()})).collect()
                }
                (_, Value::String(text)) => json!(text.trim()),
                (_, value) => value.clone(),
            };
        }
        poll["revision"] = json!(revision);
        // The default of max_choices follows the number of options until it is set.
        if poll["options"].as_array().unwrap().len() == 4 && revision == 3 {
            poll["max_choices"] = json!(4);
        }
        assert_eq!(changed, poll, "{change}");
    }
    eventually("changed poll for readers", async || {
        let shown = app.shown(&id).await;
        if shown == poll { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    let listed = list(&app, &owner, "").await.json()["polls"][0].take();
    assert_eq!((&listed["question"], &listed["revision"]), (&poll["question"], &poll["revision"]));
}

#[tokio::test]
async fn null_clears_times_and_nothing_else() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = scheduled_poll(&app, &owner).await;
    let before = stored(&app, &poll).await;
    let never_null =
        ["question", "options", "kind", "max_choices", "identity", "vote_change", "results", "peak_votes_per_second"];
    for field in never_null {
        let answer = app.change_poll(&poll, &owner, "\"1\"", &json!({field: null})).await;
        assert_eq!(answer.status, 400, "{field}: {answer}");
        let problem = assert_problem(&answer, 400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{field}"), "{problem}");
    }
    assert_eq!(stored(&app, &poll).await, before);
    let changed = assert_at(&app.change_poll(&poll, &owner, "\"1\"", &json!({"closes_at": null})).await, 2);
    assert_eq!((&changed["closes_at"], &changed["status"]), (&Value::Null, &json!("scheduled")));
    let changed = assert_at(&app.change_poll(&poll, &owner, "\"2\"", &json!({"opens_at": null})).await, 3);
    assert_eq!((&changed["opens_at"], &changed["status"]), (&Value::Null, &json!("open")));
    eventually("vote in a poll that opened at once", async || {
        let answer = app.vote(&poll, &app.account("alice"), &[0]).await;
        if matches!(answer.status, 200 | 201) { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn from_nine_seconds_before_opening_only_closing_and_peak_may_change() {
    let app = App::new();
    let owner = app.account(&someone());
    let open = app.poll_of(&owner, colours_with(json!({"kind": "multiple"}))).await;
    let soon = colours_with(json!({"kind": "multiple", "opens_at": in_ms(FELT_MS - SKEW_MS)}));
    let soon = app.poll_of(&owner, soon).await;
    for poll in [&open, &soon] {
        let before = stored(&app, poll).await;
        for change in [
            json!({"question": "Worst colour?"}),
            json!({"options": ["Red", "Green"]}),
            json!({"options": ["Red", "Blue", "Green"]}),
            json!({"options": ["Blue", "Red"]}),
            json!({"max_choices": 1}),
            json!({"opens_at": in_ms(HOUR_MS)}),
            json!({"opens_at": "2020-01-01T00:00:00Z"}),
            json!({"vote_change": "until_close"}),
            json!({"results": "owner"}),
            json!({"kind": "single"}),
            json!({"identity": "account"}),
            json!({"peak_votes_per_second": 999}),
            json!({"question": "Worst colour?", "closes_at": in_ms(HOUR_MS)}),
        ] {
            let answer = app.change_poll(poll, &owner, "\"1\"", &change).await;
            assert_eq!(answer.status, 409, "{change}: {answer}");
            assert_problem(&answer, 409, "not_editable");
        }
        assert_eq!(stored(&app, poll).await, before);
        let same = json!({"question": " Best colour? ", "options": ["Red", "Blue"], "kind": "multiple", "max_choices": 2,
            "identity": "device", "vote_change": "never", "results": "always", "peak_votes_per_second": 1_000});
        assert_at(&app.change_poll(poll, &owner, "\"1\"", &same).await, 1);
        let allowed = json!({"closes_at": in_ms(HOUR_MS), "peak_votes_per_second": 1_001, "question": "Best colour?"});
        assert_at(&app.change_poll(poll, &owner, "\"1\"", &allowed).await, 2);
        assert_problem(
            &app.change_poll(poll, &owner, "*", &json!({"peak_votes_per_second": 1_000})).await,
            409,
            "not_editable",
        );
    }
}

#[tokio::test]
async fn kind_and_identity_never_change_not_even_of_a_scheduled_poll() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = scheduled_poll(&app, &owner).await;
    for change in
        [json!({"kind": "multiple"}), json!({"identity": "account"}), json!({"identity": "account", "question": "Q"})]
    {
        assert_problem(&app.change_poll(&poll, &owner, "\"1\"", &change).await, 409, "not_editable");
    }
    let same = json!({"kind": "single", "identity": "device"});
    assert_at(&app.change_poll(&poll, &owner, "\"1\"", &same).await, 1);
}

#[tokio::test]
async fn a_closing_moves_nine_seconds_ahead_at_the_earliest_and_can_be_cleared() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, colours_with(json!({"closes_at": in_ms(HOUR_MS)}))).await;
    for too_near in [in_ms(FELT_MS - SKEW_MS), in_ms(0), "2020-01-01T00:00:00Z".to_owned()] {
        let answer = app.change_poll(&poll, &owner, "\"1\"", &json!({"closes_at": too_near})).await;
        assert_eq!(answer.status, 409, "{too_near}: {answer}");
        assert_problem(&answer, 409, "not_editable");
    }
    for (revision, ahead) in [(2, HOUR_MS / 2), (3, 2 * HOUR_MS)] {
        let closes_at = in_ms(ahead);
        let change = json!({"closes_at": closes_at});
        let changed = assert_at(&app.change_poll(&poll, &owner, "*", &change).await, revision);
        assert_eq!((&changed["closes_at"], &changed["status"]), (&json!(closes_at), &json!("open")));
    }
    assert_eq!(
        assert_at(&app.change_poll(&poll, &owner, "\"3\"", &json!({"closes_at": null})).await, 4)["closes_at"],
        Value::Null
    );
}

#[tokio::test]
async fn a_poll_that_has_closed_stays_closed() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, colours_with(json!({"closes_at": in_ms(3_000)}))).await;
    eventually("closed poll", async || {
        let shown = app.shown(&poll).await;
        if shown["status"] == "closed" { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    let before = stored(&app, &poll).await;
    for change in [
        json!({"closes_at": null}),
        json!({"closes_at": in_ms(HOUR_MS)}),
        json!({"closes_at": "2020-01-01T00:00:00Z"}),
        json!({"question": "Worst colour?"}),
        json!({"results": "owner"}),
    ] {
        let answer = app.change_poll(&poll, &owner, "\"1\"", &change).await;
        assert_eq!(answer.status, 409, "{change}: {answer}");
        assert_problem(&answer, 409, "not_editable");
    }
    assert_eq!(stored(&app, &poll).await, before);
    let closed = assert_at(&app.close_poll(&poll, &owner).await, 1);
    assert_eq!(closed["status"], "closed");
}

#[tokio::test]
async fn a_revision_rises_by_one_with_a_change_and_not_without_one() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = scheduled_poll(&app, &owner).await;
    let at = |seconds: u64| in_ms(HOUR_MS + seconds * 1_000);
    let opens_at = at(60);
    let mut revision = 1;
    for (change, is_one) in [
        (json!({}), false),
        (json!({"question": "Best colour?"}), false),
        (json!({"question": "A?", "results": "owner", "options": ["x", "y", "z"]}), true),
        (json!({"options": ["x ", " y", "z"], "question": "A?"}), false),
        (json!({"opens_at": opens_at}), true),
        (json!({"opens_at": opens_at}), false),
        (json!({"opens_at": opens_at.replace('Z', "+00:00")}), false),
        (json!({"question": "Best colour?"}), true),
    ] {
        let answer = app.change_poll(&poll, &owner, &format!("\"{revision}\""), &change).await;
        revision += u64::from(is_one);
        assert_at(&answer, revision);
        let item = app.aws.poll_item(&poll, "RULES").await;
        assert_eq!(item["revision"]["N"], revision.to_string(), "{change}");
    }
}

#[tokio::test]
async fn a_poll_is_changed_and_closed_by_its_owner_only() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, colours()).await;
    let before = stored(&app, &poll).await;
    let body = json!({"peak_votes_per_second": 2_000});
    let other = app.account(&someone());
    let device = app.device().await;
    for token in [&other, &device] {
        assert_problem(&app.change_poll(&poll, token, "\"1\"", &body).await, 403, "forbidden");
        assert_problem(&app.change_poll(&poll, token, "\"7\"", &body).await, 403, "forbidden");
        assert_problem(&app.close_poll(&poll, token).await, 403, "forbidden");
    }
    let path = format!("/v1/polls/{poll}");
    let nobody = app.request(Method::PATCH, &path).header("If-Match", "*").json(&body);
    assert_problem(&Answer::of(nobody).await, 401, "unauthorized");
    assert_problem(&Answer::of(app.request(Method::POST, &format!("{path}/close"))).await, 401, "unauthorized");
    for unknown in ["nobody", "a.b", &"x".repeat(41)] {
        assert_problem(&app.change_poll(unknown, &owner, "*", &body).await, 404, "not_found");
        assert_problem(&app.close_poll(unknown, &owner).await, 404, "not_found");
    }
    assert_eq!(stored(&app, &poll).await, before);
}

#[tokio::test]
async fn a_bad_change_is_refused_with_its_place_and_changes_nothing() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = scheduled_poll(&app, &owner).await;
    let before = stored(&app, &poll).await;
    let labels: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let mut wrong = Vec::new();
    for (change, pointers) in [
        (json!({"question": " "}), &["/question"] as &[&str]),
        (json!({"question": 7}), &["/question"]),
        (json!({"question": "q".repeat(501)}), &["/question"]),
        (json!({"options": ["a"]}), &["/options"]),
        (json!({"options": labels}), &["/options"]),
        (json!({"options": ["a", "b", " a"]}), &["/options/2"]),
        (json!({"options": ["a", 1]}), &["/options/1"]),
        (json!({"options": ["a", null]}), &["/options/1"]),
        (json!({"max_choices": 0}), &["/max_choices"]),
        (json!({"max_choices": 2}), &["/max_choices"]),
        (json!({"max_choices": -1}), &["/max_choices"]),
        (json!({"opens_at": "tomorrow"}), &["/opens_at"]),
        (json!({"closes_at": 5}), &["/closes_at"]),
        (json!({"closes_at": in_ms(HOUR_MS / 2)}), &["/closes_at"]),
        (json!({"opens_at": in_ms(3 * HOUR_MS)}), &["/closes_at"]),
        (json!({"results": "never"}), &["/results"]),
        (json!({"vote_change": true}), &["/vote_change"]),
        (json!({"peak_votes_per_second": 0}), &["/peak_votes_per_second"]),
        (json!({"peak_votes_per_second": 250_001}), &["/peak_votes_per_second"]),
        (json!({"peak_votes_per_second": 1e30}), &["/peak_votes_per_second"]),
        (
            json!({"question": "", "options": ["a"], "peak_votes_per_second": 0}),
            &["/question", "/options", "/peak_votes_per_second"],
        ),
        (json!({"status": "closed"}), &["/status"]),
        (json!({"revision": 1}), &["/revision"]),
        (json!({"owner": "me"}), &["/owner"]),
        (json!({"lanes": 32}), &["/lanes"]),
        (json!([]), &[]),
        (json!(null), &[]),
    ] {
        let answer = app.change_poll(&poll, &owner, "\"1\"", &change).await;
        let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
        let blamed: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
        if answer.status != 400 || blamed != pointers {
            wrong.push(format!("{change}: {answer}"));
            continue;
        }
        assert_problem(&answer, 400, "invalid_request");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let text = app.request(Method::PATCH, &format!("/v1/polls/{poll}")).bearer_auth(&owner).header("If-Match", "*");
    assert_problem(&Answer::of(text.body("{}")).await, 415, "unsupported_media_type");
    assert_eq!(stored(&app, &poll).await, before);
}

#[tokio::test]
async fn of_two_changes_of_one_revision_one_lands() {
    const ROUNDS: u64 = 8;
    let app = App::new();
    let owner = app.account(&someone());
    let poll = scheduled_poll(&app, &owner).await;
    for revision in 1..=ROUNDS {
        let change = async |name: &str| {
            let body = json!({"question": format!("{name} {revision}?"), "options": [name, "other"]});
            app.change_poll(&poll, &owner, &format!("\"{revision}\""), &body).await
        };
        let (one, other) = tokio::join!(change("one"), change("two"));
        let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
        let won = assert_at(&won, revision + 1);
        assert_problem(&lost, 412, "revision_mismatch");
        let [rules, options] = stored(&app, &poll).await;
        assert_eq!(
            (&rules["question"]["S"], &rules["revision"]["N"]),
            (&won["question"], &json!((revision + 1).to_string()))
        );
        assert_eq!(options["labels"]["L"][0]["S"], won["options"][0]["label"], "rules and options are of one change");
    }
}

#[tokio::test]
async fn a_peak_raised_while_votes_come_in_spreads_them_over_more_lanes_and_loses_none() {
    const PEAK: u64 = 30_000;
    const LANES: u64 = 4;
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, json!({"question": "Best colour?", "options": ["Red", "Blue", "Green"]})).await;
    let lanes_before = app.aws.poll_item(&poll, "RULES").await["lanes"]["N"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(lanes_before <= LANES, "the stack has {lanes_before} lanes at least, so this shows nothing");
    let raise = async {
        app.votes_for(&poll, [0, 1, 2, 0, 1, 2]).await;
        assert_at(&app.change_poll(&poll, &owner, "\"1\"", &json!({"peak_votes_per_second": PEAK})).await, 2);
    };
    tokio::join!(raise, app.votes_for(&poll, (0..60).map(|n| n % 3)));
    assert_eq!(app.aws.poll_item(&poll, "RULES").await["lanes"]["N"], LANES.to_string());
    eventually("votes in every lane", async || {
        app.votes_for(&poll, [0, 1, 2, 0, 1, 2]).await;
        let votes = app.aws.votes_of(&poll).await;
        let used: BTreeSet<u64> = votes.iter().map(|vote| vote.lane).collect();
        if used == (0..LANES).collect() { Ok(()) } else { Err(format!("{used:?}")) }
    })
    .await;
    let votes = app.aws.votes_of(&poll).await.len() as u64;
    let results = app.results_settle_at(&poll, votes).await;
    app.assert_recounted(&poll, &results).await;
    app.assert_no_dead_letter_of(&poll).await;
}

// --- Closing -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn closing_lies_nine_seconds_ahead_and_is_the_same_again() {
    let app = App::new();
    let owner = app.account(&someone());
    for body in [colours(), colours_with(json!({"closes_at": in_ms(HOUR_MS)}))] {
        let mut poll = app.create_poll(&owner, &body).await.json();
        let id = poll["poll_id"].as_str().unwrap().to_owned();
        let asked = now_ms();
        let first = assert_at(&app.close_poll(&id, &owner).await, 2);
        let answered = now_ms();
        (poll["revision"], poll["closes_at"]) = (json!(2), first["closes_at"].clone());
        assert_eq!(first, poll);
        let at = |millis: u64| Timestamp::from_millis(millis).unwrap().to_string();
        let (earliest, latest) = (at(asked + FELT_MS - SKEW_MS), at(answered + FELT_MS + SKEW_MS));
        let closes_at = first["closes_at"].as_str().unwrap();
        assert!(earliest.as_str() <= closes_at && closes_at <= latest.as_str(), "{earliest} {closes_at} {latest}");
        let close = app.request(Method::POST, &format!("/v1/polls/{id}/close")).bearer_auth(&owner);
        let again = assert_at(&Answer::of(close.json(&json!({}))).await, 2);
        assert_eq!(again["closes_at"], first["closes_at"]);
        eventually("closing for readers", async || {
            let shown = app.shown(&id).await;
            if shown["closes_at"] == first["closes_at"] { Ok(()) } else { Err(shown.to_string()) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_closing_that_is_nearer_already_stays() {
    let app = App::new();
    let owner = app.account(&someone());
    let closes_at = in_ms(FELT_MS - SKEW_MS);
    let poll = app.poll_of(&owner, colours_with(json!({"closes_at": closes_at}))).await;
    let closed = assert_at(&app.close_poll(&poll, &owner).await, 1);
    assert_eq!(closed["closes_at"], closes_at);
}

#[tokio::test]
async fn a_poll_is_not_closed_before_it_opens_nor_by_a_request_with_fields() {
    let app = App::new();
    let owner = app.account(&someone());
    let (scheduled, open) = (scheduled_poll(&app, &owner).await, app.poll_of(&owner, colours()).await);
    let before = [stored(&app, &scheduled).await, stored(&app, &open).await];
    assert_problem(&app.close_poll(&scheduled, &owner).await, 409, "poll_not_open");
    let path = format!("/v1/polls/{open}/close");
    let problem = assert_problem(&app.post(&path, &owner, &json!({"closes_at": null})).await, 400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/closes_at", "{problem}");
    let text = app.request(Method::POST, &path).bearer_auth(&owner).body("now");
    assert_problem(&Answer::of(text).await, 415, "unsupported_media_type");
    assert_eq!([stored(&app, &scheduled).await, stored(&app, &open).await], before);
}

#[tokio::test]
async fn of_closings_that_race_all_say_the_same_time() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, colours()).await;
    let answers = join_all((0..6).map(|_| app.close_poll(&poll, &owner))).await;
    let polls: Vec<Value> = answers.iter().map(|answer| assert_at(answer, 2)).collect();
    assert!(polls.iter().all(|poll| poll["closes_at"] == polls[0]["closes_at"]), "{polls:#?}");
    assert_eq!(app.aws.poll_item(&poll, "RULES").await["revision"]["N"], "2");
}
