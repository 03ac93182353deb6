//! Polls of kind `ranked`: rankings, and how they are counted.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use landslide_domain::method::{Lot, Method, Rankings, tally};
use serde_json::{Value, json};

use crate::support::{Answer, App, CONNECTIONS, assert_problem, eventually, someone, votes_by_option};

/// A ranked poll with these options and further settings.
async fn ranked_poll(app: &App, options: &[&str], further: Value) -> String {
    let mut body = json!({"question": "Who should be mayor?", "options": options, "kind": "ranked"});
    body.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    app.poll(body).await
}

/// The results once they hold that many ballots.
async fn assembled(app: &App, poll: &str, ballots: u64) -> Value {
    eventually(&format!("{ballots} ballots in the rounds"), async || {
        let results = app.results(poll).await;
        if results["tally"]["ballots"] == ballots { Ok(results) } else { Err(results.to_string()) }
    })
    .await
}

/// Nine voters of which each method finds another winner's way.
const BALLOTS: [&[u64]; 9] = [&[0], &[0], &[0], &[0], &[1, 2], &[1, 2], &[1, 2], &[2, 1], &[2, 1]];

#[tokio::test]
async fn rankings_are_counted_by_the_polls_method_and_shown_by_any_that_its_seats_allow() {
    let app = App::new();
    let poll = ranked_poll(&app, &["a", "b", "c"], json!({})).await;
    for ranking in BALLOTS {
        let vote = app.rank(&poll, &app.account(&someone()), ranking).await;
        assert_eq!((vote.status, &vote.json()["ranking"]), (201, &json!(ranking)), "{vote}");
        assert!(vote.json().get("choices").is_none(), "{vote}");
    }
    let results = assembled(&app, &poll, 9).await;
    assert_eq!(votes_by_option(&results), [4, 3, 2], "first choices");
    let (tally, unavailable) = (&results["tally"], &results["unavailable"]);
    assert_eq!((&results["ballots"], &tally["seats"], unavailable), (&json!(9), &json!(1), &Value::Null));
    assert_eq!(tally["first_choices"], json!([4, 3, 2]));
    assert_eq!(tally["method"], "irv");
    assert_eq!(tally["outcome"]["winners"], json!([1]), "{tally}");
    for method in ["condorcet", "borda", "stv", "irv"] {
        // Another process may show for a second what it has read before.
        let tally = eventually("nine ballots", async || {
            let answer = app.get(&format!("/v1/polls/{poll}/results?method={method}")).await;
            assert_eq!(answer.status, 200, "{answer}");
            let tally = answer.json()["tally"].clone();
            if tally["ballots"] == 9 { Ok(tally) } else { Err(tally.to_string()) }
        })
        .await;
        assert_eq!((&tally["method"], &tally["outcome"]["winners"]), (&json!(method), &json!([1])), "{tally}");
    }
}

#[tokio::test]
async fn a_method_that_is_none_or_that_the_poll_does_not_have_is_refused() {
    let app = App::new();
    let ranked = ranked_poll(&app, &["a", "b", "c"], json!({"seats": 2})).await;
    let plain = app.single_choice_poll().await;
    for (poll, method, status, code) in [
        (&ranked, "plurality", 400, "invalid_request"),
        (&ranked, "", 400, "invalid_request"),
        (&ranked, "irv", 404, "not_found"),
        (&plain, "irv", 404, "not_found"),
    ] {
        let answer = app.get(&format!("/v1/polls/{poll}/results?method={method}")).await;
        assert_problem(&answer, status, code);
    }
    assert_eq!(app.get(&format!("/v1/polls/{ranked}/results?method=borda")).await.status, 200);
}

#[tokio::test]
async fn a_ranking_may_be_repeated_and_another_order_is_another_vote() {
    let app = App::new();
    let (never, voter) = (ranked_poll(&app, &["a", "b", "c"], json!({})).await, app.account(&someone()));
    assert_eq!(app.rank(&never, &voter, &[2, 0]).await.status, 201);
    let again = app.rank(&never, &voter, &[2, 0]).await;
    assert_eq!((again.status, app.my_vote(&never, &voter).await.json()), (200, again.json()));
    assert_problem(&app.rank(&never, &voter, &[0, 2]).await, 409, "already_voted");

    let changing = ranked_poll(&app, &["a", "b", "c"], json!({"vote_change": "until_close"})).await;
    let voters = [app.account(&someone()), app.account(&someone()), app.account(&someone())];
    for (voter, ranking) in voters.iter().zip([&[0, 1][..], &[0, 2], &[1]]) {
        assert_eq!(app.rank(&changing, voter, ranking).await.status, 201);
    }
    assert_eq!(votes_by_option(&assembled(&app, &changing, 3).await), [2, 1, 0]);
    assert_eq!(app.rank(&changing, &voters[0], &[2, 1]).await.status, 201);
    let retracted = app.request(http::Method::DELETE, &format!("/v1/polls/{changing}/votes/mine"));
    assert_eq!(Answer::of(retracted.bearer_auth(&voters[2])).await.status, 204);
    let results = eventually("the change and the retraction", async || {
        let results = app.results(&changing).await;
        if votes_by_option(&results) == [1, 0, 1] { Ok(results) } else { Err(results.to_string()) }
    })
    .await;
    assert_eq!(results["tally"]["pairwise"], json!([[0, 1, 1], [1, 0, 0], [1, 2, 0]]), "{results}");
}

#[tokio::test]
async fn a_ballot_that_the_poll_does_not_take_gets_its_reason_and_is_not_stored() {
    let app = App::new();
    let poll = ranked_poll(&app, &["a", "b", "c", "d"], json!({"max_choices": 3})).await;
    let (votes, voter) = (format!("/v1/polls/{poll}/votes"), app.account(&someone()));
    for (body, detail) in [
        (json!({"ranking": []}), "/ranking names no option."),
        (json!({"ranking": [1, 1]}), "/ranking/1 names option 1 again."),
        (json!({"ranking": [4]}), "/ranking/0 names option 4, which the poll does not have."),
        (json!({"ranking": [0, 1, 2, 3]}), "/ranking names 4 options, and the poll takes at most 3."),
        (json!({"choices": [0]}), "The body is no vote of this poll: its votes have `ranking`."),
    ] {
        let answer = app.post(&votes, &voter, &body).await;
        assert_eq!(assert_problem(&answer, 422, "invalid_choice")["detail"], detail, "{body}");
    }
    for (body, pointer) in [
        (json!({"ranking": null}), "/ranking"),
        (json!({"ranking": [0, null]}), "/ranking/1"),
        (json!({"ranking": {"0": 1}}), "/ranking"),
        (json!({"rankings": [0]}), "/rankings"),
    ] {
        let answer = app.post(&votes, &voter, &body).await;
        assert_eq!(assert_problem(&answer, 400, "invalid_request")["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_problem(&app.post(&votes, &voter, &json!({"ranking": [0], "choices": [0]})).await, 422, "invalid_choice");
    assert_problem(&app.my_vote(&poll, &voter).await, 404, "not_found");
    let plain = app.single_choice_poll().await;
    assert_problem(&app.rank(&plain, &voter, &[0]).await, 422, "invalid_choice");
}

#[tokio::test]
async fn seats_and_methods_that_a_poll_can_not_have_are_refused() {
    let app = App::new();
    let owner = app.account(&someone());
    let ranked = |further: Value| {
        let mut body = json!({"question": "Q", "options": ["a", "b", "c"], "kind": "ranked"});
        body.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        body
    };
    for (body, pointer) in [
        (ranked(json!({"seats": 0})), "/seats"),
        (ranked(json!({"seats": 3})), "/seats"),
        (ranked(json!({"seats": 2, "method": "irv"})), "/method"),
        (ranked(json!({"seats": 2, "method": "condorcet"})), "/method"),
        (ranked(json!({"method": "plurality"})), "/method"),
        (ranked(json!({"max_choices": 4})), "/max_choices"),
        (json!({"question": "Q", "options": ["a", "b"], "seats": 2}), "/seats"),
        (json!({"question": "Q", "options": ["a", "b"], "method": "irv"}), "/method"),
    ] {
        let answer = app.create_poll(&owner, &body).await;
        let problem = assert_problem(&answer, 400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {answer}");
    }
    let made = app.create_poll(&owner, &ranked(json!({"seats": 2}))).await;
    assert_eq!((&made.json()["method"], &made.json()["max_choices"]), (&json!("stv"), &json!(3)), "{made}");
}

/// More different rankings than HEAD has room for: they lie in runs, and these are merged.
#[tokio::test]
async fn many_different_rankings_are_counted_exactly() {
    const VOTERS: u64 = 400;
    let app = App::new();
    let labels: Vec<String> = (0..8).map(|number| format!("option {number}")).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let poll = ranked_poll(&app, &labels, json!({"seats": 2})).await;
    let rankings: Vec<Vec<u64>> = (0..VOTERS).map(a_ranking).collect();
    let casts = rankings.iter().map(|ranking| {
        let (app, poll) = (&app, &poll);
        async move {
            let vote = app.rank(poll, &app.account(&someone()), ranking).await;
            assert_eq!(vote.status, 201, "{vote}");
        }
    });
    stream::iter(casts).buffer_unordered(CONNECTIONS).collect::<Vec<()>>().await;
    let results = assembled(&app, &poll, VOTERS).await;
    let mut counted: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for ranking in &rankings {
        *counted.entry(ranking.iter().map(|id| *id as u8).collect()).or_default() += 1;
    }
    let counted: Vec<(Vec<u8>, u64)> = counted.into_iter().collect();
    let expected = tally(&Rankings::new(8, &counted), 2, Method::Stv, &Lot::Provisional).unwrap();
    assert_eq!(results["tally"], serde_json::to_value(&expected).unwrap());
}

/// The n-th of very many rankings, of one to eight options.
fn a_ranking(n: u64) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(n);
    let mut ids: Vec<u64> = (0..8).collect();
    random.shuffle(&mut ids);
    ids.truncate(1 + random.usize(..8));
    ids
}
