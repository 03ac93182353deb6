//! Polls of every kind besides choices and rankings: what they take, and what they show.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, assert_problem, eventually, someone, votes_by_option};

/// How long a change of hidden answers may take until it is in effect.
const IN_EFFECT: Duration = Duration::from_secs(9);

/// A poll with these settings.
async fn poll(app: &App, settings: Value) -> String {
    let mut body = json!({"question": "How was it?", "options": ["a", "b", "c"]});
    body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    if body["kind"] == "text" {
        body.as_object_mut().unwrap().remove("options");
    }
    app.poll(body).await
}

async fn cast(app: &App, poll: &str, token: &str, ballot: &Value) -> Answer {
    app.post(&format!("/v1/polls/{poll}/votes"), token, ballot).await
}

/// Has each of these ballots cast by a voter of its own.
async fn cast_all(app: &App, poll: &str, ballots: &[Value]) {
    for ballot in ballots {
        let vote = cast(app, poll, &app.account(&someone()), ballot).await;
        assert_eq!(vote.status, 201, "{ballot}: {vote}");
        let fields = ballot.as_object().unwrap().iter().filter(|(name, _)| *name != "segments");
        fields.for_each(|(name, value)| assert_eq!(vote.json()[name], *value, "{vote}"));
    }
}

/// The results once they hold that many ballots.
async fn results(app: &App, poll: &str, ballots: u64) -> Value {
    eventually(&format!("{ballots} ballots"), async || {
        let results = app.results(poll).await;
        let is_there = results["ballots"] == ballots && results["unavailable"].is_null();
        if is_there { Ok(results) } else { Err(results.to_string()) }
    })
    .await
}

#[tokio::test]
async fn ratings_have_their_counts_mean_and_median() {
    let app = App::new();
    let poll =
        poll(&app, json!({"kind": "rating", "scale": {"min": 0, "max": 10}, "vote_change": "until_close"})).await;
    let rate = |ratings: &[(u64, i64)]| json!({"ratings": ratings.iter().map(|(option, value)| json!({"option": option, "value": value})).collect::<Vec<_>>()});
    cast_all(&app, &poll, &[rate(&[(0, 10), (2, 3)]), rate(&[(0, 9)]), rate(&[(0, 6), (1, 7)])]).await;
    let changing = app.account(&someone());
    assert_eq!(cast(&app, &poll, &changing, &rate(&[(1, 0)])).await.status, 201);
    results(&app, &poll, 4).await;
    assert_eq!(cast(&app, &poll, &changing, &rate(&[(0, 2)])).await.status, 201);
    let shown = eventually("the change", async || {
        let shown = results(&app, &poll, 4).await;
        if votes_by_option(&shown) == [4, 1, 1] { Ok(shown) } else { Err(shown.to_string()) }
    })
    .await;
    let first = &shown["options"][0]["rating"];
    assert_eq!((&first["ratings"], &first["mean"], &first["median"]), (&json!(4), &json!(6.75), &json!(6)), "{shown}");
    assert_eq!(first["net_promoter_score"], json!(0.0), "two promoters, two detractors");
    assert_eq!(first["counts"][10], json!({"value": 10, "count": 1}));
    let second = &shown["options"][1]["rating"];
    assert_eq!((&second["ratings"], &second["counts"][0]["count"]), (&json!(1), &json!(0)), "{shown}");
}

#[tokio::test]
async fn answers_are_grouped_by_what_people_mean() {
    let app = App::new();
    let poll = poll(&app, json!({"kind": "text"})).await;
    assert_eq!(app.shown(&poll).await["options"], json!([]));
    let texts = ["Great", "great", "GREAT", "great", "so  so", "Stra\u{df}e", "STRASSE"];
    let ballots: Vec<Value> = texts.iter().map(|text| json!({"text": text})).collect();
    for ballot in &ballots {
        assert_eq!(cast(&app, &poll, &app.account(&someone()), ballot).await.status, 201);
    }
    let answers = results(&app, &poll, 7).await["answers"].clone();
    let top = json!([{"text": "great", "count": 4}, {"text": "STRASSE", "count": 2}, {"text": "so so", "count": 1}]);
    assert_eq!((&answers["top"], &answers["distinct"], &answers["distinct_is"]), (&top, &json!(3), &json!("exact")));
}

fn hidden_request(app: &App, method: Method, poll: &str, token: &str) -> reqwest::RequestBuilder {
    app.request(method, &format!("/v1/polls/{poll}/hidden-answers")).bearer_auth(token)
}

async fn hidden(app: &App, poll: &str, token: &str) -> Answer {
    Answer::of(hidden_request(app, Method::GET, poll, token)).await
}

/// Hides these answers over the list with this entity tag.
async fn hide(app: &App, poll: &str, token: &str, tag: &str, answers: &[&str]) -> Answer {
    let request = hidden_request(app, Method::PUT, poll, token).json(&json!({"answers": answers}));
    Answer::of(request.header("If-Match", tag)).await
}

/// A poll of texts in which four people have answered, three of them the same; and its owner.
async fn answered(app: &App) -> (String, String) {
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, json!({"question": "How was it?", "kind": "text"})).await;
    for text in ["Rotten", "rotten", "ROTTEN", "good"] {
        assert_eq!(cast(app, &poll, &app.account(&someone()), &json!({"text": text})).await.status, 201);
    }
    results(app, &poll, 4).await;
    (poll, owner)
}

/// The answers, once that many ballots of them are hidden.
async fn answers_hiding(app: &App, poll: &str, ballots: u64) -> Value {
    eventually(&format!("{ballots} hidden ballots"), async || {
        let results = app.results(poll).await;
        let is_there = results["answers"]["hidden"] == ballots;
        if is_there { Ok(results["answers"].clone()) } else { Err(results.to_string()) }
    })
    .await
}

#[tokio::test]
async fn a_hidden_answer_is_in_no_result_in_any_spelling_and_still_counts() {
    let app = App::new();
    let (poll, owner) = answered(&app).await;
    let kept = hide(&app, &poll, &owner, "\"0\"", &["  rOtten", "\u{ff32}OTTEN", "unseen"]).await;
    assert_eq!((kept.status, kept.header("etag")), (200, "\"2\""), "{kept}");
    assert_eq!(kept.json(), json!({"revision": 2, "answers": ["rOtten", "unseen"]}));
    let answers = answers_hiding(&app, &poll, 3).await;
    assert_eq!((&answers["top"], &answers["distinct"]), (&json!([{"text": "good", "count": 1}]), &json!(2)));
    assert_eq!(app.results(&poll).await["ballots"], 4);
    assert_eq!(cast(&app, &poll, &app.account(&someone()), &json!({"text": "rotten"})).await.status, 201);
    assert_eq!(answers_hiding(&app, &poll, 4).await["further"], 0);
    // Another process may show what it has read a second ago.
    app.results_settle_at(&poll, 5).await;
    let shown = hidden(&app, &poll, &owner).await;
    assert_eq!((shown.status, shown.header("etag"), shown.json()), (200, "\"2\"", kept.json()), "{shown}");
    assert_eq!(hide(&app, &poll, &owner, "\"2\"", &[]).await.status, 200);
    let answers = answers_hiding(&app, &poll, 0).await;
    assert_eq!(answers["top"][0], json!({"text": "rotten", "count": 4}), "{answers}");
}

#[tokio::test]
async fn answers_are_hidden_in_a_closed_poll_that_nobody_looks_at() {
    let app = App::new();
    let (poll, owner) = answered(&app).await;
    assert_eq!(app.close_poll(&poll, &owner).await.status, 200);
    eventually("the closing", async || {
        let status = app.results(&poll).await["status"].clone();
        if status == "closed" { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    assert_eq!(hide(&app, &poll, &owner, "*", &["rotten"]).await.status, 200);
    tokio::time::sleep(IN_EFFECT).await;
    // The first to look since: what is assembled is from before.
    let first = app.results(&poll).await;
    assert!(!first.to_string().to_lowercase().contains("rotten"), "{first}");
    assert_eq!(first["ballots"], 4);
    let answers = answers_hiding(&app, &poll, 3).await;
    assert_eq!(answers["top"], json!([{"text": "good", "count": 1}]));
}

#[tokio::test]
async fn hidden_answers_are_for_editors_and_replaced_under_their_revision() {
    let app = App::new();
    let organisation = someone();
    let member = |role: &str| app.account_with(&someone(), &json!({"organisation": organisation, "role": role}));
    let (owner, editor, viewer) = (member("owner"), member("editor"), member("viewer"));
    let poll = &app.poll_of(&owner, json!({"question": "How was it?", "kind": "text"})).await;
    let key = app.key(&owner, "editor").await["key"].as_str().unwrap().to_owned();
    assert_eq!(hide(&app, poll, &key, "\"0\"", &["rotten"]).await.status, 200);
    // Two editors who have seen the same list: the second learns of the first.
    assert_eq!(hide(&app, poll, &owner, "\"2\"", &["rotten", "foul"]).await.status, 200);
    assert_problem(&hide(&app, poll, &editor, "\"2\"", &["stale"]).await, 412, "revision_mismatch");
    assert_eq!(hidden(&app, poll, &editor).await.json()["answers"], json!(["rotten", "foul"]));
    for other in [&viewer, &app.account(&someone()), &app.device().await] {
        assert_problem(&hide(&app, poll, other, "*", &[]).await, 403, "forbidden");
        assert_problem(&hidden(&app, poll, other).await, 403, "forbidden");
    }
    let without = hidden_request(&app, Method::PUT, poll, &owner).json(&json!({"answers": []}));
    assert_problem(&Answer::of(without).await, 428, "precondition_required");
    let log = eventually("rows", async || {
        let rows = Answer::of(app.request(Method::GET, "/v1/audit").bearer_auth(&owner)).await;
        if rows.body.matches("\"hidden_answers\"").count() == 2 { Ok(rows) } else { Err(rows.to_string()) }
    })
    .await;
    assert!(!log.body.contains("rotten"), "{log}");
}

#[tokio::test]
async fn a_list_of_hidden_answers_that_no_poll_takes_gets_its_reason() {
    let app = App::new();
    let owner = app.account(&someone());
    let plain = app.poll_of(&owner, json!({"question": "Q", "options": ["a", "b"]})).await;
    for answer in [hide(&app, &plain, &owner, "*", &["a"]).await, hidden(&app, &plain, &owner).await] {
        let reason = assert_problem(&answer, 404, "not_found")["detail"].clone();
        assert_eq!(reason, "The poll has no answers to hide: it is not of kind text, and takes no write-ins.");
    }
    let body = json!({"question": "Q", "options": ["a", "b"], "write_in": true});
    let poll = app.poll_of(&owner, body).await;
    let numbered: Vec<String> = (0..1_001).map(|number| number.to_string()).collect();
    let numbered: Vec<&str> = numbered.iter().map(String::as_str).collect();
    let long = "x".repeat(101);
    for (answers, pointer) in [(&numbered[..], "/answers"), (&["a", " "], "/answers/1"), (&[long.as_str()], "/answers")]
    {
        let answer = hide(&app, &poll, &owner, "*", answers).await;
        assert_eq!(assert_problem(&answer, 400, "invalid_request")["errors"][0]["pointer"], pointer);
    }
    assert_eq!(hide(&app, &poll, &owner, "*", &numbered[..1_000]).await.status, 200);
    assert_eq!(hidden(&app, &poll, &owner).await.json()["answers"].as_array().unwrap().len(), 1_000);
}

#[tokio::test]
async fn write_ins_count_beside_the_options() {
    let app = App::new();
    let poll = poll(&app, json!({"kind": "multiple", "write_in": true, "max_choices": 2})).await;
    cast_all(
        &app,
        &poll,
        &[
            json!({"choices": [0, 1]}),
            json!({"choices": [0], "other": "D"}),
            json!({"other": "d"}),
            json!({"other": "E"}),
        ],
    )
    .await;
    let shown = results(&app, &poll, 4).await;
    assert_eq!(votes_by_option(&shown), [2, 1, 0]);
    assert_eq!(shown["write_ins"]["top"], json!([{"text": "D", "count": 2}, {"text": "E", "count": 1}]), "{shown}");
    let voter = app.account(&someone());
    let too_many = cast(&app, &poll, &voter, &json!({"choices": [0, 1], "other": "D"})).await;
    assert_eq!(assert_problem(&too_many, 422, "invalid_choice")["errors"][0]["pointer"], "/choices");
}

#[tokio::test]
async fn a_quiz_keeps_its_answers_until_it_is_closed() {
    let app = App::new();
    let owner = app.account(&someone());
    let body =
        json!({"question": "Which are prime?", "options": ["2", "3", "4"], "kind": "multiple", "correct": [1, 0]});
    let poll = app.poll_of(&owner, body).await;
    cast_all(&app, &poll, &[json!({"choices": [0, 1]}), json!({"choices": [0]}), json!({"choices": [0, 1, 2]})]).await;
    let open = results(&app, &poll, 3).await;
    assert_eq!((&open["quiz"], &app.shown(&poll).await["correct"]), (&Value::Null, &Value::Null));
    assert_eq!(app.close_poll(&poll, &owner).await.status, 200);
    let quiz = eventually("the right answers", async || {
        let shown = app.results(&poll).await;
        if shown["quiz"].is_null() { Err(shown.to_string()) } else { Ok(shown["quiz"].clone()) }
    })
    .await;
    assert_eq!(quiz, json!({"correct": [0, 1], "right": 1, "share": 0.3333}));
    assert_eq!(app.shown(&poll).await["correct"], json!([0, 1]));
}

#[tokio::test]
async fn a_ballot_of_another_kind_or_out_of_bounds_gets_its_reason_and_is_not_stored() {
    let app = App::new();
    let voter = app.account(&someone());
    let rating = poll(&app, json!({"kind": "rating"})).await;
    let text = poll(&app, json!({"kind": "text"})).await;
    let chosen = poll(&app, json!({"kind": "multiple", "min_choices": 2})).await;
    let rate = |option: i64, value: i64| json!({"ratings": [{"option": option, "value": value}]});
    for (poll, ballot, pointer) in [
        (&rating, json!({"ratings": []}), "/ratings"),
        (&rating, rate(3, 1), "/ratings/0/option"),
        (&rating, rate(0, 6), "/ratings/0/value"),
        (&rating, json!({"ratings": [{"option": 1, "value": 1}, {"option": 1, "value": 2}]}), "/ratings/1/option"),
        (&rating, json!({"choices": [0]}), ""),
        (&text, json!({"text": " \u{200b} "}), "/text"),
        (&text, json!({"text": "x".repeat(141)}), "/text"),
        (&text, json!({"text": "two\nlines"}), "/text"),
        (&text, json!({"ranking": [0]}), ""),
        (&chosen, json!({"choices": [0]}), "/choices"),
        (&chosen, json!({"choices": [0, 1], "other": "D"}), "/other"),
        (&chosen, json!({"choices": [0, 1], "segments": {"region": "north"}}), "/segments/region"),
    ] {
        let answer = cast(&app, poll, &voter, &ballot).await;
        assert_eq!(assert_problem(&answer, 422, "invalid_choice")["errors"][0]["pointer"], pointer, "{ballot}");
        assert_problem(&app.my_vote(poll, &voter).await, 404, "not_found");
    }
    for (ballot, pointer) in [
        (json!({"ratings": [{"option": 1}]}), "/ratings/0/value"),
        (json!({"text": 7}), "/text"),
        (json!({"text": null}), "/text"),
        (json!({"text": "a", "segments": {"region": 1}}), "/segments/region"),
    ] {
        let answer = cast(&app, &text, &voter, &ballot).await;
        assert_eq!(assert_problem(&answer, 400, "invalid_request")["errors"][0]["pointer"], pointer, "{ballot}");
    }
    let both = cast(&app, &text, &voter, &json!({"text": "a", "choices": [0]})).await;
    assert_problem(&both, 422, "invalid_choice");
    let nothing = cast(&app, &text, &voter, &json!({"segments": {"region": "north"}})).await;
    assert_problem(&nothing, 422, "invalid_choice");
}
