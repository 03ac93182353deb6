//! POST …/votes and GET …/votes/mine.

use http::Method;
use serde_json::json;

use crate::support::{Answer, App, assert_headers_of_all, assert_problem, eventually, in_ms};

#[tokio::test]
async fn a_first_vote_is_201_and_its_repeat_200_with_the_same_vote() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let voter = app.account("alice");
    let first = app.vote(&poll, &voter, &[1]).await;
    assert_eq!(first.status, 201, "{first}");
    let vote = first.json();
    let names: Vec<&String> = vote.as_object().unwrap().keys().collect();
    assert_eq!(names, ["cast_at", "choices", "poll_id", "revision"]);
    assert_eq!((&vote["poll_id"], &vote["choices"], &vote["revision"]), (&json!(poll), &json!([1]), &json!(1)));
    assert_eq!(first.header("location"), "votes/mine");
    assert_eq!(first.header("etag"), "\"1\"");
    assert_eq!(first.header("cache-control"), "private, no-store");
    assert_headers_of_all(&first);
    let again = app.vote(&poll, &voter, &[1]).await;
    assert_eq!((again.status, again.json()), (200, vote));
    assert_eq!(app.aws.votes_of(&poll).await.len(), 1);
}

#[tokio::test]
async fn the_order_of_choices_does_not_matter() {
    let app = App::new();
    let poll = app.poll(json!({"question": "Which?", "options": ["a", "b", "c"], "kind": "multiple"})).await;
    let voter = app.account("alice");
    let first = app.vote(&poll, &voter, &[0, 2]).await;
    let again = app.vote(&poll, &voter, &[2, 0]).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(again.json()["choices"], json!([0, 2]));
}

#[tokio::test]
async fn a_second_vote_is_refused_without_a_word_of_the_first() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let voter = app.account("alice");
    app.vote(&poll, &voter, &[2]).await;
    let refused = app.vote(&poll, &voter, &[1]).await;
    let problem = assert_problem(&refused, 409, "already_voted");
    let detail = problem["detail"].as_str().unwrap();
    assert!(!detail.contains(|c: char| c.is_ascii_digit()) && !detail.contains("Green"), "{detail}");
    assert!(!refused.headers.contains_key("etag") && !refused.headers.contains_key("location"), "{refused}");
    assert_eq!(app.my_vote(&poll, &voter).await.json()["choices"], json!([2]));
}

#[tokio::test]
async fn choices_that_the_poll_does_not_take_are_refused_each_with_its_reason() {
    let app = App::new();
    let poll =
        app.poll(json!({"question": "Which?", "options": ["a", "b", "c"], "kind": "multiple", "max_choices": 2})).await;
    let voter = app.account("alice");
    for (choices, reason) in [
        (vec![], "no option"),
        (vec![3], "option 3"),
        (vec![u64::MAX], "18446744073709551615"),
        (vec![1, 1], "option 1 again"),
        (vec![0, 1, 2], "at most 2"),
        (vec![0; 1_000], "option 0 again"),
    ] {
        let problem = assert_problem(&app.vote(&poll, &voter, &choices).await, 422, "invalid_choice");
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    }
    assert_problem(&app.my_vote(&poll, &voter).await, 404, "not_found");
    assert!(app.aws.votes_of(&poll).await.is_empty());
}

#[tokio::test]
async fn a_poll_takes_votes_only_from_its_opening_on() {
    let app = App::new();
    let opens_at = in_ms(5_000);
    let poll = app.poll(json!({"question": "Soon?", "options": ["a", "b"], "opens_at": opens_at})).await;
    let voter = app.account("alice");
    assert_problem(&app.vote(&poll, &voter, &[0]).await, 409, "poll_not_open");
    let vote = eventually("vote after the opening", async || {
        let answer = app.vote(&poll, &voter, &[0]).await;
        if answer.status == 201 {
            return Ok(answer.json());
        }
        assert_problem(&answer, 409, "poll_not_open");
        Err(answer.body)
    })
    .await;
    assert!(vote["cast_at"].as_str().unwrap() >= opens_at.as_str(), "{vote} is before {opens_at}");
}

#[tokio::test]
async fn after_closing_a_repeat_is_200_and_all_else_is_poll_closed() {
    let app = App::new();
    let poll = app.poll(json!({"question": "Now?", "options": ["a", "b"], "closes_at": in_ms(5_000)})).await;
    let (alice, bob) = (app.account("alice"), app.account("bob"));
    let first = app.vote(&poll, &alice, &[0]).await;
    assert_eq!(first.status, 201, "{first}");
    let mut strangers = 0;
    let refused = eventually("closing", async || {
        strangers += 1;
        let answer = app.vote(&poll, &app.account(&format!("stranger {strangers}")), &[0]).await;
        if answer.status == 201 { Err(answer.body) } else { Ok(answer) }
    })
    .await;
    assert_problem(&refused, 409, "poll_closed");
    assert_problem(&app.vote(&poll, &bob, &[0]).await, 409, "poll_closed");
    assert_problem(&app.vote(&poll, &alice, &[1]).await, 409, "poll_closed");
    let again = app.vote(&poll, &alice, &[0]).await;
    assert_eq!((again.status, again.json()), (200, first.json()));
    assert_problem(&app.vote(&poll, &alice, &[7]).await, 422, "invalid_choice");
    assert_problem(&app.my_vote(&poll, &bob).await, 404, "not_found");
}

#[tokio::test]
async fn a_poll_of_accounts_refuses_a_device() {
    let app = App::new();
    let poll = app.poll(json!({"question": "Who?", "options": ["a", "b"], "identity": "account"})).await;
    assert_problem(&app.vote(&poll, &app.device().await, &[0]).await, 403, "forbidden");
    assert_eq!(app.vote(&poll, &app.account("alice"), &[0]).await.status, 201);
    assert_eq!(app.aws.votes_of(&poll).await.len(), 1);
}

#[tokio::test]
async fn a_poll_of_devices_takes_accounts_too() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    assert_eq!(app.vote(&poll, &app.device().await, &[0]).await.status, 201);
    assert_eq!(app.vote(&poll, &app.account("alice"), &[0]).await.status, 201);
}

#[tokio::test]
async fn voting_takes_a_token() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let path = format!("/v1/polls/{poll}/votes");
    let cast = app.request(Method::POST, &path).json(&json!({"choices": [0]}));
    assert_problem(&Answer::of(cast).await, 401, "unauthorized");
    assert_problem(&app.get(&format!("{path}/mine")).await, 401, "unauthorized");
    assert!(app.aws.votes_of(&poll).await.is_empty());
}

#[tokio::test]
async fn voters_see_their_own_vote_at_once_and_only_theirs() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let (alice, bob) = (app.account("alice"), app.device().await);
    assert_problem(&app.my_vote(&poll, &alice).await, 404, "not_found");
    let cast = app.vote(&poll, &alice, &[1]).await.json();
    let mine = app.my_vote(&poll, &alice).await;
    assert_eq!((mine.status, mine.json()), (200, cast));
    assert_eq!(mine.header("cache-control"), "private, no-store");
    assert_eq!(mine.header("etag"), "\"1\"");
    assert_headers_of_all(&mine);
    assert_problem(&app.my_vote(&poll, &bob).await, 404, "not_found");
    assert_problem(&app.my_vote("nobody", &alice).await, 404, "not_found");
}

#[tokio::test]
async fn one_voter_has_a_key_of_their_own_in_each_poll() {
    let app = App::new();
    let (first, second) = (app.single_choice_poll().await, app.single_choice_poll().await);
    let voter = app.account("alice");
    app.vote(&first, &voter, &[0]).await;
    app.vote(&second, &voter, &[0]).await;
    let (first, second) = (app.aws.votes_of(&first).await, app.aws.votes_of(&second).await);
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].voter, second[0].voter);
}
