//! PATCH /v1/polls/{poll_id}.

use std::collections::BTreeSet;

use http::Method;
use landslide_domain::lease::PROPAGATION_MS;
use serde_json::{Value, json};

use super::{HOUR_MS, assert_at, colours, colours_with, list, scheduled_poll, stored};
use crate::support::{Answer, App, SKEW_MS, assert_problem, eventually, for_anyone, in_ms, someone};

#[tokio::test]
async fn a_change_names_the_revision_that_it_changes() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = scheduled_poll(&app, &owner).await;
    let before = stored(&app, &poll).await;
    let body = json!({"question": "Worst colour?"});
    let silent = app.request(Method::PATCH, &format!("/v1/polls/{poll}")).bearer_auth(&owner).json(&body);
    assert_problem(&Answer::of(silent).await, 428, "precondition_required");
    for other in ["\"2\"", "\"0\"", "\"01\"", "\"\"", "\"*\"", "\"x\"", "\"2\", \"3\"", "\"2-scheduled\"", "\"1-soon\""]
    {
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
    // Entity tags, of whichever status: a change is for the revision.
    assert_at(&app.change_poll(&poll, &owner, "\"4-scheduled\"", &json!({"question": "Which colour?"})).await, 5);
    assert_at(&app.change_poll(&poll, &owner, "\"5-open\"", &body).await, 6);
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
        if shown == for_anyone(&poll) { Ok(()) } else { Err(shown.to_string()) }
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
    let soon = colours_with(json!({"kind": "multiple", "opens_at": in_ms(PROPAGATION_MS - SKEW_MS)}));
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
    for too_near in [in_ms(PROPAGATION_MS - SKEW_MS), in_ms(0), "2020-01-01T00:00:00Z".to_owned()] {
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

const UNKNOWN: &str = "of_a_later_release";

/// Stores an attribute in both items of a poll that no code here knows, as a later release may before a rollback.
async fn add_unknown(app: &App, poll: &str) {
    for item in ["RULES", "OPTIONS"] {
        app.aws.set_poll_attribute(poll, item, UNKNOWN, "stays").await;
    }
}

/// Fails unless the change is done, and the attribute still in both items.
async fn assert_unknown_stays(app: &App, poll: &str, change: &Answer, revision: u64) {
    assert_at(change, revision);
    for item in ["RULES", "OPTIONS"] {
        let stored = app.aws.poll_item(poll, item).await;
        assert_eq!(stored[UNKNOWN]["S"], "stays", "revision {revision}, {item}: {stored}");
    }
}

#[tokio::test]
async fn what_a_later_release_has_stored_stays_through_every_change_of_a_poll() {
    let app = App::new();
    let owner = app.account(&someone());
    let scheduled = scheduled_poll(&app, &owner).await;
    add_unknown(&app, &scheduled).await;
    let labels = app.change_poll(&scheduled, &owner, "*", &json!({"options": ["x", "y"]})).await;
    assert_unknown_stays(&app, &scheduled, &labels, 2).await;
    let opened = app.change_poll(&scheduled, &owner, "*", &json!({"opens_at": null})).await;
    assert_unknown_stays(&app, &scheduled, &opened, 3).await;
    let stored = app.aws.poll_item(&scheduled, "RULES").await;
    assert!(stored["opens_at"].is_null(), "what the code does know is removed: {stored}");

    let open = app.poll_of(&owner, colours()).await;
    add_unknown(&app, &open).await;
    let heir = someone();
    let offer = json!({"issuer": app.issuer.claims(&heir)["iss"], "kind": "account", "value": heir});
    let changed = app.change_poll(&open, &owner, "*", &json!({"peak_votes_per_second": 9_000})).await;
    assert_unknown_stays(&app, &open, &changed, 2).await;
    for (verb, revision) in [("pause", 3), ("resume", 4)] {
        let answer = app.post_without_body(&format!("/v1/polls/{open}/{verb}"), &owner).await;
        assert_unknown_stays(&app, &open, &answer, revision).await;
    }
    let offered = app.post(&format!("/v1/polls/{open}/transfer"), &owner, &offer).await;
    assert_unknown_stays(&app, &open, &offered, 5).await;
    let heir = app.account(&heir);
    let accepted = app.post_without_body(&format!("/v1/polls/{open}/transfer/accept"), &heir).await;
    assert_unknown_stays(&app, &open, &accepted, 6).await;
    assert_unknown_stays(&app, &open, &app.close_poll(&open, &heir).await, 7).await;
}
