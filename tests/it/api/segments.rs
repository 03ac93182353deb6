//! Segments and series: votes by groups and by time.

use serde_json::{Value, json};

use crate::support::{Answer, App, Origin, Varnish, assert_problem, eventually, someone};

fn region(from: &str) -> Value {
    json!({"name": "region", "values": ["north", "south"], "from": from})
}

/// A poll with these settings, and its owner.
async fn poll(app: &App, settings: Value) -> (String, String) {
    let owner = app.account(&someone());
    let mut body = json!({"question": "Q", "options": ["a", "b"], "vote_change": "until_close"});
    body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    (app.poll_of(&owner, body).await, owner)
}

async fn cast(app: &App, poll: &str, token: &str, choice: u64, region: Option<&str>) -> Answer {
    let mut ballot = json!({"choices": [choice]});
    if let Some(region) = region {
        ballot["segments"] = json!({"region": region});
    }
    app.post(&format!("/v1/polls/{poll}/votes"), token, &ballot).await
}

async fn as_owner(app: &App, path: &str, owner: &str) -> Answer {
    Answer::of(app.request(http::Method::GET, path).bearer_auth(owner)).await
}

/// The segments of a voter's own vote, as the voter is shown them.
async fn own_segments(app: &App, poll: &str, voter: &str) -> Value {
    app.my_vote(poll, voter).await.json()["segments"].clone()
}

/// Ballots and votes by option of each value: north, south, unknown.
fn rows(shown: &Value) -> Vec<(Value, Value, Value)> {
    let row = |row: &Value| (row["value"].clone(), row["ballots"].clone(), row["votes"].clone());
    shown["rows"].as_array().unwrap().iter().map(row).collect()
}

/// What the owner sees once it holds for that.
async fn own(app: &App, poll: &str, owner: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually("segments", async || {
        let answer = as_owner(app, &format!("/v1/polls/{poll}/results/mine/segments?by=region"), owner).await;
        assert_eq!(answer.status, 200, "{answer}");
        let shown = answer.json().clone();
        let ballots = shown["rows"].as_array().unwrap().iter().map(|row| row["ballots"].as_i64().unwrap()).sum::<i64>();
        assert_eq!(shown["ballots"], ballots, "the parts sum to the total: {shown}");
        if holds(&shown) { Ok(shown) } else { Err(shown.to_string()) }
    })
    .await
}

#[tokio::test]
async fn a_vote_counts_in_its_segment_and_moves_with_a_change() {
    let app = App::new();
    let (poll, owner) = poll(&app, json!({"segments": [region("vote")]})).await;
    let changing = app.account(&someone());
    assert_eq!(cast(&app, &poll, &changing, 0, Some("north")).await.status, 201);
    assert_eq!(cast(&app, &poll, &changing, 0, Some("north")).await.status, 200, "a repeat");
    for place in [Some("south"), Some("elsewhere"), None] {
        assert_eq!(cast(&app, &poll, &app.account(&someone()), 1, place).await.status, 201);
    }
    let shown = own(&app, &poll, &owner, |shown| shown["ballots"] == 4).await;
    let unknown = (Value::Null, json!(2), json!([0, 2]));
    let south = (json!("south"), json!(1), json!([0, 1]));
    assert_eq!(rows(&shown), [unknown.clone(), (json!("north"), json!(1), json!([1, 0])), south.clone()]);
    assert_eq!((&shown["blurred"], &shown["others"]), (&json!(false), &Value::Null));
    assert_eq!(own_segments(&app, &poll, &changing).await, json!({"region": "north"}));
    let changed = cast(&app, &poll, &changing, 0, Some("south")).await;
    assert_eq!((changed.status, &changed.json()["segments"]), (201, &json!({"region": "south"})), "{changed}");
    assert_eq!(own_segments(&app, &poll, &changing).await, json!({"region": "south"}));
    let shown = own(&app, &poll, &owner, |shown| shown["rows"][2]["ballots"] == 2).await;
    let south = (json!("south"), json!(2), json!([1, 1]));
    assert_eq!(rows(&shown), [unknown, (json!("north"), json!(0), json!([0, 0])), south]);
    let public = app.get(&format!("/v1/polls/{poll}/results/segments")).await;
    assert_eq!(
        (&public.json()["blurred"], &public.json()["ballots"]),
        (&json!(true), &json!(0)),
        "four in all: {public}"
    );
}

#[tokio::test]
async fn others_than_the_tenant_see_small_rows_as_one() {
    let app = App::new();
    let (poll, owner) = poll(&app, json!({"segments": [region("vote")], "min_cell": 2})).await;
    for place in ["north", "north", "north", "south"] {
        assert_eq!(cast(&app, &poll, &app.account(&someone()), 0, Some(place)).await.status, 201);
    }
    own(&app, &poll, &owner, |shown| shown["ballots"] == 4).await;
    let path = format!("/v1/polls/{poll}/results/segments?by=region");
    let public = app.get(&path).await.json().clone();
    let all_shown = public["rows"].as_array().unwrap().iter().chain([&public["others"]]);
    let all_shown: Vec<i64> = all_shown.filter_map(|row| row["ballots"].as_i64()).collect();
    assert!(all_shown.iter().all(|ballots| *ballots == 0 || *ballots >= 2), "nobody's own vote is a row: {public}");
    assert_eq!(public["ballots"], all_shown.iter().sum::<i64>(), "the parts sum to the total: {public}");
    assert_eq!(app.close_poll(&poll, &owner).await.status, 200);
    let shown = eventually("the rows of the closed poll", async || {
        let shown = app.get(&path).await.json().clone();
        if shown["ballots"] == 4 { Ok(shown) } else { Err(shown.to_string()) }
    })
    .await;
    assert_eq!((&shown["others"]["ballots"], &shown["others"]["votes"]), (&json!(4), &json!([4, 0])), "{shown}");
    assert_eq!(rows(&shown), [], "1 in the south would be seen beside 3 in the north");
    let voter = app.account(&someone());
    let as_voter = as_owner(&app, &format!("/v1/polls/{poll}/results/mine/segments"), &voter).await;
    assert_eq!(as_voter.json()["blurred"], json!(true), "{as_voter}");
}

#[tokio::test]
async fn a_segment_from_a_claim_is_what_the_token_says() {
    let app = App::new();
    let (poll, owner) = poll(&app, json!({"segments": [region("claim:region")], "min_cell": 1})).await;
    let (north, nobody) = (app.account_with(&someone(), &json!({"region": "north"})), app.account(&someone()));
    assert_eq!(cast(&app, &poll, &north, 0, None).await.status, 201);
    assert_eq!(cast(&app, &poll, &nobody, 1, None).await.status, 201);
    for (voter, region) in [(&north, json!("north")), (&nobody, Value::Null)] {
        assert_eq!(own_segments(&app, &poll, voter).await, json!({"region": region}));
    }
    let said = cast(&app, &poll, &nobody, 1, Some("north")).await;
    assert_eq!(assert_problem(&said, 422, "invalid_choice")["errors"][0]["pointer"], "/segments/region");
    let shown = own(&app, &poll, &owner, |shown| shown["ballots"] == 2).await;
    assert_eq!(shown["blurred"], json!(true), "to the owner too");
    let unknown = (Value::Null, json!(1), json!([0, 1]));
    assert_eq!(rows(&shown), [unknown, (json!("north"), json!(1), json!([1, 0]))]);
    assert_eq!(shown["others"], json!({"ballots": 0, "votes": [0, 0]}), "nobody in the south");
}

/// A poll by the voters' countries, and its owner.
async fn poll_by_country(app: &App) -> (String, String) {
    let home = json!({"name": "region", "values": ["NL", "BE"], "from": "country"});
    poll(app, json!({"segments": [home], "min_cell": 1})).await
}

/// Casts a vote with these headers.
async fn cast_from(app: &App, poll: &str, token: &str, choice: u64, headers: &[(&str, &str)]) -> Answer {
    let mut request = app.request(http::Method::POST, &format!("/v1/polls/{poll}/votes")).bearer_auth(token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.json(&json!({"choices": [choice]}))).await
}

/// The key by which the stack's CDN proves itself.
async fn proof(app: &App) -> String {
    let secret: Value = serde_json::from_str(&app.aws.secret(app.stack.output("OriginVerifySecret")).await).unwrap();
    secret["first"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_segment_from_the_country_is_what_the_cdn_says_if_it_proves_itself() {
    let app = App::new();
    let ((poll, owner), proof) = (poll_by_country(&app).await, proof(&app).await);
    let from = |country| [("CloudFront-Viewer-Country", country), ("Landslide-Origin-Verify", proof.as_str())];
    let guess = [from("NL")[0], ("Landslide-Origin-Verify", "a guess, and as long as what the stack has")];
    for headers in [&from("NL")[..], &guess, &from("NL")[..1], &from("DE")[..]] {
        assert_eq!(cast_from(&app, &poll, &app.account(&someone()), 0, headers).await.status, 201);
    }
    let traveller = app.account(&someone());
    assert_eq!(cast_from(&app, &poll, &traveller, 1, &from("BE")).await.status, 201);
    assert_eq!(cast_from(&app, &poll, &traveller, 1, &from("NL")).await.status, 200, "a repeat says nothing new");
    let said = cast(&app, &poll, &traveller, 1, Some("NL")).await;
    assert_eq!(assert_problem(&said, 422, "invalid_choice")["errors"][0]["pointer"], "/segments/region");

    let shown = own(&app, &poll, &owner, |shown| shown["ballots"] == 5).await;
    assert_eq!(shown["blurred"], json!(true), "to the owner too");
    let unknown = (Value::Null, json!(3), json!([3, 0]));
    let row = |code: &str, votes: Value| (json!(code), json!(1), votes);
    assert_eq!(rows(&shown), [unknown.clone(), row("NL", json!([1, 0])), row("BE", json!([0, 1]))]);
    assert_eq!(cast_from(&app, &poll, &traveller, 0, &from("DE")).await.status, 201, "a change is from where it comes");
    let shown = own(&app, &poll, &owner, |shown| rows(shown).first().is_some_and(|row| row.1 == 4)).await;
    assert_eq!(rows(&shown)[0].2, json!([4, 0]), "{shown}");
}

#[tokio::test]
async fn through_the_cdn_a_voter_is_where_the_cdn_sees_them() {
    let app = App::new();
    let (origin, proof) = (Origin::of(&app).await, proof(&app).await);
    let Some(varnish) = Varnish::start_with(&origin, &proof).await else { return };
    let (poll, owner) = poll_by_country(&app).await;
    let app = app.through(varnish.url());
    for (country, choice) in [("NL", 0), ("BE", 1)] {
        let headers = [("Test-Viewer-Country", country), ("CloudFront-Viewer-Country", "NL")];
        assert_eq!(cast_from(&app, &poll, &app.account(&someone()), choice, &headers).await.status, 201);
    }
    let shown = own(&app, &poll, &owner, |shown| shown["ballots"] == 2).await;
    let row = |code: &str, votes: Value| (json!(code), json!(1), votes);
    assert_eq!(rows(&shown), [row("NL", json!([1, 0])), row("BE", json!([0, 1]))], "{shown}");
}

#[tokio::test]
async fn votes_are_shown_by_the_slot_in_which_they_were_cast() {
    let app = App::new();
    let (poll, _) = poll(&app, json!({"series": true, "closes_at": "2099-01-01T00:00:00Z"})).await;
    for choice in [0, 1, 1] {
        assert_eq!(cast(&app, &poll, &app.account(&someone()), choice, None).await.status, 201);
    }
    let path = format!("/v1/polls/{poll}/results/series");
    let shown = eventually("three ballots", async || {
        let shown = app.get(&path).await.json().clone();
        if shown["ballots"] == 3 { Ok(shown) } else { Err(shown.to_string()) }
    })
    .await;
    let created_at = app.shown(&poll).await["created_at"].clone();
    assert_eq!(
        (&shown["slot"], &shown["step_seconds"]),
        (&json!("day"), &json!(86_400)),
        "declared for more than 60 days"
    );
    assert_eq!(shown["points"], json!([{"at": created_at, "ballots": 3, "votes": [1, 2]}]));
    let week = app.get(&format!("{path}?step=604800&from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z")).await;
    let points = week.json()["points"].as_array().unwrap().clone();
    assert_eq!((points.len(), &week.json()["ballots"]), (1_500_usize.div_ceil(7), &json!(3)));
    for (query, status, code) in [
        ("step=0", 400, "invalid_request"),
        ("step=-60", 400, "invalid_request"),
        ("from=yesterday", 400, "invalid_request"),
        ("step=60", 404, "not_found"),
    ] {
        assert_problem(&app.get(&format!("{path}?{query}")).await, status, code);
    }
}

#[tokio::test]
async fn a_poll_without_the_dimension_or_without_series_has_none() {
    let app = App::new();
    let (broken_down, _) = poll(&app, json!({"segments": [region("vote")]})).await;
    let plain = app.single_choice_poll().await;
    for path in [
        format!("{broken_down}/results/segments?by=age"),
        format!("{broken_down}/results/series"),
        format!("{plain}/results/segments"),
        format!("{plain}/results/series"),
    ] {
        assert_problem(&app.get(&format!("/v1/polls/{path}")).await, 404, "not_found");
    }
    assert_problem(&app.get("/v1/polls/none/results/segments").await, 404, "not_found");
}

#[tokio::test]
async fn settings_of_segments_that_a_poll_can_not_have_are_refused_with_their_pointer() {
    let app = App::new();
    let owner = app.account(&someone());
    let with = |settings: Value| {
        let mut body = json!({"question": "Q", "options": ["a", "b"]});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        body
    };
    let labels: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for (body, pointer) in [
        (with(json!({"segments": vec![region("vote"); 5]})), "/segments"),
        (with(json!({"segments": [region("claim:email")]})), "/segments/0/from"),
        (with(json!({"segments": [region("country")]})), "/segments/0/values/0"),
        (with(json!({"segments": [region("cookie")]})), "/segments/0/from"),
        (with(json!({"segments": [{"name": "r", "values": ["a"], "from": "vote"}]})), "/segments/0/values"),
        (json!({"question": "Q", "options": labels, "series": true}), "/series"),
        (with(json!({"min_cell": 0})), "/min_cell"),
    ] {
        let problem = assert_problem(&app.create_poll(&owner, &body).await, 400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
}
