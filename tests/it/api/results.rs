//! GET …/results.

use http::Method;
use serde_json::json;

use crate::support::{Answer, App, assert_headers_of_all, assert_public_results, eventually, in_ms, votes_by_option};

async fn results_unless(app: &App, poll: &str, tags: &str) -> Answer {
    let request = app.request(Method::GET, &format!("/v1/polls/{poll}/results")).header("If-None-Match", tags);
    Answer::of(request).await
}

#[tokio::test]
async fn a_poll_without_votes_has_zeros_and_no_as_of() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let answer = app.get(&format!("/v1/polls/{poll}/results")).await;
    assert_eq!(answer.status, 200, "{answer}");
    let expected = json!({
        "poll_id": poll, "status": "open", "ballots": 0, "as_of": null, "final": false, "version": {"poll": 1, "counts": 0},
        "options": [
            {"id": 0, "label": "Red", "votes": 0}, {"id": 1, "label": "Blue", "votes": 0},
            {"id": 2, "label": "Green", "votes": 0},
        ],
    });
    assert_eq!(answer.json(), expected);
    assert_public_results(&answer);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_headers_of_all(&answer);
}

#[tokio::test]
async fn who_has_the_results_already_gets_304() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let tag = app.get(&format!("/v1/polls/{poll}/results")).await.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
    for tags in [&tag, &format!("W/{tag}"), &format!("\"other\", {tag}"), &format!("{tag},\"other\""), "*"] {
        let answer = results_unless(&app, &poll, tags).await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{tags}: {answer}");
        assert_eq!(answer.header("etag"), tag);
        assert_public_results(&answer);
        assert_headers_of_all(&answer);
    }
    for tags in ["\"other\"", tag.trim_matches('"'), "", "\"*\"", "\""] {
        let answer = results_unless(&app, &poll, tags).await;
        assert_eq!(answer.status, 200, "{tags}: {answer}");
    }
}

#[tokio::test]
async fn a_counted_vote_changes_the_tag() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let tag = app.get(&format!("/v1/polls/{poll}/results")).await.header("etag").to_owned();
    app.votes_for(&poll, [1]).await;
    let changed = eventually("changed results", async || {
        let answer = results_unless(&app, &poll, &tag).await;
        if answer.status == 200 { Ok(answer) } else { Err(answer.to_string()) }
    })
    .await;
    assert_ne!(changed.header("etag"), tag);
    assert_eq!(votes_by_option(&changed.json()), [0, 1, 0]);
}

#[tokio::test]
async fn a_ballot_of_several_choices_is_one_ballot() {
    let app = App::new();
    let poll = app.poll(json!({"question": "Which?", "options": ["a", "b", "c"], "kind": "multiple"})).await;
    for (voter, choices) in [("alice", vec![0, 2]), ("bob", vec![2]), ("carol", vec![0, 1, 2])] {
        assert_eq!(app.vote(&poll, &app.account(voter), &choices).await.status, 201);
    }
    let results = app.results_settle_at(&poll, 3).await;
    assert_eq!(votes_by_option(&results), [2, 1, 3]);
    app.assert_recounted(&poll, &results).await;
}

#[tokio::test]
async fn a_hundred_options_are_counted_each_for_itself() {
    let app = App::new();
    let labels: Vec<String> = (0..100).map(|id| format!("option {id}")).collect();
    let poll = app.poll(json!({"question": "Which?", "options": labels, "kind": "multiple"})).await;
    let all: Vec<u64> = (0..100).collect();
    assert_eq!(app.vote(&poll, &app.account("alice"), &all).await.status, 201);
    assert_eq!(app.vote(&poll, &app.account("bob"), &[99]).await.status, 201);
    let results = app.results_settle_at(&poll, 2).await;
    let mut expected = vec![1; 99];
    expected.push(2);
    assert_eq!(votes_by_option(&results), expected);
}

#[tokio::test]
async fn a_closed_poll_shows_its_results_as_closed() {
    let app = App::new();
    let poll = app.poll(json!({"question": "Now?", "options": ["a", "b"], "closes_at": in_ms(5_000)})).await;
    app.votes_for(&poll, [1, 1]).await;
    let results = eventually("closed poll with 2 ballots", async || {
        let results = app.results(&poll).await;
        let done = results["status"] == "closed" && results["ballots"] == 2;
        if done { Ok(results) } else { Err(results.to_string()) }
    })
    .await;
    assert_eq!(votes_by_option(&results), [0, 2]);
}
