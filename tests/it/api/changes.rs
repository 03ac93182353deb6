//! Votes that change and go: `vote_change: until_close`, DELETE …/votes/mine, and If-Match on a vote's revision.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, future::join_all, stream};
use http::Method;
use serde_json::json;

use crate::support::{
    Answer, App, CONNECTIONS, assert_headers_of_all, assert_problem, in_ms, replay, someone, votes_by_option,
};

/// A poll of three options whose votes may change.
async fn changing_poll(app: &App) -> String {
    app.poll(json!({"question": "Best colour?", "options": ["Red", "Blue", "Green"], "vote_change": "until_close"}))
        .await
}

/// POST …/votes over the revision, as in If-Match.
async fn vote_over(app: &App, poll: &str, token: &str, revision: &str, choices: &[u64]) -> Answer {
    let request = app.request(Method::POST, &format!("/v1/polls/{poll}/votes")).bearer_auth(token);
    Answer::of(request.header("If-Match", revision).json(&json!({"choices": choices}))).await
}

/// DELETE …/votes/mine over the revision, as in If-Match.
async fn retract_over(app: &App, poll: &str, token: &str, revision: &str) -> Answer {
    let request = app.request(Method::DELETE, &format!("/v1/polls/{poll}/votes/mine")).bearer_auth(token);
    Answer::of(request.header("If-Match", revision)).await
}

/// Fails unless each option has those votes, once all is counted.
async fn assert_counted(app: &App, poll: &str, votes: &[u64]) {
    assert_eq!(votes_by_option(&app.results_recounted(poll).await), votes);
}

/// Fails unless a vote of that revision was written by the request.
#[track_caller]
fn assert_cast(answer: &Answer, revision: u64, choices: &[u64]) {
    assert_eq!(answer.status, 201, "{answer}");
    let vote = answer.json();
    assert_eq!((&vote["revision"], &vote["choices"]), (&json!(revision), &json!(choices)), "{answer}");
    assert_eq!(answer.header("etag"), format!("\"{revision}\""), "{answer}");
}

/// Fails unless the answer says that the vote is retracted, and nothing else.
#[track_caller]
fn assert_gone(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{answer}");
    assert_eq!(answer.header("cache-control"), "private, no-store", "{answer}");
    assert!(!answer.headers.contains_key("etag"), "{answer}");
    assert_headers_of_all(answer);
}

#[tokio::test]
async fn a_changed_vote_is_201_of_the_next_revision_and_moves_its_count() {
    let app = App::new();
    let poll = changing_poll(&app).await;
    let voter = app.account(&someone());
    assert_cast(&app.vote(&poll, &voter, &[0]).await, 1, &[0]);
    assert_counted(&app, &poll, &[1, 0, 0]).await;
    let changed = app.vote(&poll, &voter, &[2]).await;
    assert_cast(&changed, 2, &[2]);
    assert_eq!(changed.header("location"), "votes/mine");
    let mine = app.my_vote(&poll, &voter).await;
    assert_eq!((mine.status, mine.json(), mine.header("etag")), (200, changed.json(), "\"2\""));
    let again = app.vote(&poll, &voter, &[2]).await;
    assert_eq!((again.status, again.json()), (200, changed.json()));
    assert_counted(&app, &poll, &[0, 0, 1]).await;
    // And back: what stood before is a change as any other.
    assert_cast(&app.vote(&poll, &voter, &[0]).await, 3, &[0]);
    assert_counted(&app, &poll, &[1, 0, 0]).await;
}

#[tokio::test]
async fn a_retracted_vote_is_gone_and_may_be_cast_again() {
    let app = App::new();
    let poll = changing_poll(&app).await;
    let voter = app.device().await;
    assert_cast(&app.vote(&poll, &voter, &[1]).await, 1, &[1]);
    assert_counted(&app, &poll, &[0, 1, 0]).await;
    assert_gone(&app.retract(&poll, &voter).await);
    assert_gone(&app.retract(&poll, &voter).await);
    assert_problem(&app.my_vote(&poll, &voter).await, 404, "not_found");
    assert_counted(&app, &poll, &[0, 0, 0]).await;
    let stored = app.aws.votes_of(&poll).await;
    assert_eq!((stored.len(), stored[0].revision, stored[0].item.get("choices")), (1, 2, None), "{stored:?}");
    assert_cast(&app.vote(&poll, &voter, &[1]).await, 3, &[1]);
    assert_counted(&app, &poll, &[0, 1, 0]).await;
}

#[tokio::test]
async fn who_never_voted_has_nothing_to_take_back() {
    let app = App::new();
    let poll = changing_poll(&app).await;
    let voter = app.account(&someone());
    assert_problem(&app.retract(&poll, &voter).await, 404, "not_found");
    assert_problem(&app.retract("nobody", &voter).await, 404, "not_found");
    let path = format!("/v1/polls/{poll}/votes/mine");
    assert_problem(&Answer::of(app.request(Method::DELETE, &path)).await, 401, "unauthorized");
    let scheduled = json!({"question": "Soon?", "options": ["a", "b"], "vote_change": "until_close",
        "opens_at": in_ms(3_600_000)});
    let scheduled = app.poll(scheduled).await;
    assert_problem(&app.retract(&scheduled, &voter).await, 404, "not_found");
    let accounts = app.poll(json!({"question": "Who?", "options": ["a", "b"], "identity": "account",
        "vote_change": "until_close"}));
    assert_problem(&app.retract(&accounts.await, &app.device().await).await, 403, "forbidden");
    assert!(app.aws.votes_of(&poll).await.is_empty());
}

#[tokio::test]
async fn a_vote_that_may_not_change_can_not_be_taken_back() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let voter = app.account(&someone());
    assert_problem(&app.retract(&poll, &voter).await, 404, "not_found");
    assert_cast(&app.vote(&poll, &voter, &[1]).await, 1, &[1]);
    let before = app.aws.votes_of(&poll).await[0].item.clone();
    for answer in [app.retract(&poll, &voter).await, retract_over(&app, &poll, &voter, "\"1\"").await] {
        let problem = assert_problem(&answer, 409, "vote_change_not_allowed");
        assert!(!problem["detail"].as_str().unwrap().contains(|c: char| c.is_ascii_digit()), "{problem}");
    }
    assert_problem(&vote_over(&app, &poll, &voter, "\"1\"", &[0]).await, 409, "already_voted");
    assert_eq!(app.aws.votes_of(&poll).await[0].item, before);
    assert_eq!(app.my_vote(&poll, &voter).await.json()["choices"], json!([1]));
}

#[tokio::test]
async fn a_change_lands_over_the_revision_that_it_names_only() {
    let app = App::new();
    let poll = changing_poll(&app).await;
    let voter = app.account(&someone());
    for revision in ["\"1\"", "\"0\"", "*"] {
        assert_problem(&vote_over(&app, &poll, &voter, revision, &[0]).await, 412, "revision_mismatch");
        assert_problem(&retract_over(&app, &poll, &voter, revision).await, 404, "not_found");
    }
    assert!(app.aws.votes_of(&poll).await.is_empty());
    assert_cast(&app.vote(&poll, &voter, &[0]).await, 1, &[0]);
    for other in ["\"0\"", "\"2\"", "\"01\"", "\"\"", "\"2\", \"3\"", "\"*\""] {
        let answer = vote_over(&app, &poll, &voter, other, &[1]).await;
        assert_eq!(answer.status, 412, "{other}: {answer}");
        assert_problem(&answer, 412, "revision_mismatch");
        assert_problem(&retract_over(&app, &poll, &voter, other).await, 412, "revision_mismatch");
    }
    for bad in ["W/\"1\"", "1", "\"1", "\"1\" \"1\"", "*, \"1\""] {
        let answer = vote_over(&app, &poll, &voter, bad, &[1]).await;
        assert_eq!(answer.status, 400, "{bad}: {answer}");
        assert_problem(&answer, 400, "invalid_request");
        assert_problem(&retract_over(&app, &poll, &voter, bad).await, 400, "invalid_request");
    }
    assert_eq!(app.my_vote(&poll, &voter).await.json()["choices"], json!([0]));
    assert_cast(&vote_over(&app, &poll, &voter, "\"1\"", &[1]).await, 2, &[1]);
    assert_cast(&vote_over(&app, &poll, &voter, "*", &[2]).await, 3, &[2]);
    assert_cast(&vote_over(&app, &poll, &voter, "\"9\", \"3\"", &[0]).await, 4, &[0]);
    assert_gone(&retract_over(&app, &poll, &voter, "\"4\"").await);
    assert_problem(&vote_over(&app, &poll, &voter, "\"4\"", &[0]).await, 412, "revision_mismatch");
    assert_cast(&vote_over(&app, &poll, &voter, "\"5\"", &[0]).await, 6, &[0]);
    assert_gone(&retract_over(&app, &poll, &voter, "*").await);
    assert_counted(&app, &poll, &[0, 0, 0]).await;
}

#[tokio::test]
async fn of_changes_of_one_revision_that_race_one_lands() {
    const ROUNDS: u64 = 6;
    let app = App::new();
    let poll = changing_poll(&app).await;
    let voter = app.account(&someone());
    assert_cast(&app.vote(&poll, &voter, &[0]).await, 1, &[0]);
    let mut stands = 0;
    for revision in 1..=ROUNDS {
        let tag = format!("\"{revision}\"");
        let options = [(stands + 1) % 3, (stands + 2) % 3];
        let change = async |option: u64| vote_over(&app, &poll, &voter, &tag, &[option]).await;
        let answers = join_all(options.map(change)).await;
        let won = answers.iter().position(|answer| answer.status == 201).unwrap_or_else(|| panic!("{}", answers[0]));
        assert_cast(&answers[won], revision + 1, &[options[won]]);
        assert_problem(&answers[1 - won], 412, "revision_mismatch");
        stands = options[won];
    }
    let mut expected = [0; 3];
    expected[usize::try_from(stands).unwrap()] = 1;
    assert_counted(&app, &poll, &expected).await;
}

#[tokio::test]
async fn racing_changes_and_retractions_of_one_voter_count_as_the_vote_that_stands() {
    const ROUNDS: u64 = 5;
    const RACING: u64 = 12;
    let app = App::new();
    for round in 0..ROUNDS {
        let poll = changing_poll(&app).await;
        let voter = app.account(&someone());
        assert_cast(&app.vote(&poll, &voter, &[round % 3]).await, 1, &[round % 3]);
        let answers = join_all((0..RACING).map(async |n| match (n + round) % 4 {
            3 => app.retract(&poll, &voter).await,
            option => app.vote(&poll, &voter, &[option]).await,
        }))
        .await;
        let mut written = Vec::new();
        for answer in &answers {
            match answer.status {
                201 => written.push(answer.json()["revision"].as_u64().unwrap()),
                200 | 204 => {}
                // Overtaken again and again by the others.
                _ => drop(assert_problem(answer, 503, "unavailable")),
            }
        }
        written.sort_unstable();
        assert!(written.windows(2).all(|two| two[0] < two[1]), "two changes of one revision: {written:?}");
        let stored = app.aws.votes_of(&poll).await;
        let [stands] = &stored[..] else { panic!("{stored:?}") };
        assert!(written.last().is_some_and(|last| *last <= stands.revision), "{written:?} and {stands:?}");
        let mine = app.my_vote(&poll, &voter).await;
        if stands.choices.is_empty() {
            assert_problem(&mine, 404, "not_found");
        } else {
            assert_eq!(mine.json()["choices"], json!(stands.choices));
            assert_eq!(mine.json()["revision"], stands.revision);
        }
        // One more vote, the newest: of racing requests the last one written need not be that of the latest time.
        app.votes_for(&poll, [0]).await;
        let mut expected = [1, 0, 0];
        stands.choices.iter().for_each(|choice| expected[usize::try_from(*choice).unwrap()] += 1);
        assert_counted(&app, &poll, &expected).await;
        app.assert_no_dead_letter_of(&poll).await;
    }
}

/// What each voter of the crowd does: three steps, each a choice or, at 3, a retraction.
fn steps(voter: u64) -> [u64; 3] {
    [voter % 3, (voter / 3) % 4, (voter / 12) % 4]
}

#[tokio::test]
async fn a_crowd_that_changes_its_mind_is_counted_exactly_and_adds_up_on_the_way() {
    const VOTERS: u64 = 96;
    let app = App::new();
    let poll = changing_poll(&app).await;
    let done = AtomicBool::new(false);
    let vote = async {
        let voters = (0..VOTERS).map(|n| {
            let (app, poll) = (&app, &poll);
            async move {
                let voter = app.account(&someone());
                for step in steps(n) {
                    let answer = match step {
                        3 => app.retract(poll, &voter).await,
                        option => app.vote(poll, &voter, &[option]).await,
                    };
                    assert!(matches!(answer.status, 200 | 201 | 204), "{answer}");
                }
            }
        });
        stream::iter(voters).buffer_unordered(CONNECTIONS).collect::<()>().await;
        let mut expected = [0; 3];
        (0..VOTERS)
            .filter_map(|n| expected.get_mut(usize::try_from(steps(n)[2]).unwrap()).map(|count| *count += 1))
            .count();
        assert_counted(&app, &poll, &expected).await;
        done.store(true, Ordering::Relaxed);
    };
    let watch = async {
        let mut versions = std::collections::BTreeSet::new();
        while !done.load(Ordering::Relaxed) {
            let count = app.aws.tally(&poll, 0, "COUNT").await;
            let number = |name: &str| count[name]["N"].as_str().map_or(0, |number| number.parse::<i64>().unwrap());
            // One choice a ballot, so whatever came in which order, the options add up to the ballots.
            assert_eq!(number("o0") + number("o1") + number("o2"), number("ballots"), "{count}");
            versions.insert(number("version"));
            tokio::task::yield_now().await;
        }
        versions
    };
    let ((), versions) = tokio::join!(vote, watch);
    assert!(versions.len() > 2, "{versions:?} show nothing");
    app.assert_no_dead_letter_of(&poll).await;
}

#[tokio::test]
async fn ballots_of_several_choices_change_choice_by_choice() {
    let app = App::new();
    let body =
        json!({"question": "Which?", "options": ["a", "b", "c"], "kind": "multiple", "vote_change": "until_close"});
    let poll = app.poll(body).await;
    let (alice, bob) = (app.account(&someone()), app.account(&someone()));
    assert_cast(&app.vote(&poll, &alice, &[0, 1]).await, 1, &[0, 1]);
    assert_cast(&app.vote(&poll, &bob, &[2]).await, 1, &[2]);
    assert_counted(&app, &poll, &[1, 1, 1]).await;
    assert_cast(&app.vote(&poll, &alice, &[2, 1]).await, 2, &[1, 2]);
    assert_counted(&app, &poll, &[0, 1, 2]).await;
    assert_problem(&app.vote(&poll, &alice, &[3]).await, 422, "invalid_choice");
    assert_problem(&app.vote(&poll, &alice, &[]).await, 422, "invalid_choice");
    assert_gone(&app.retract(&poll, &bob).await);
    assert_counted(&app, &poll, &[0, 1, 1]).await;
}

#[tokio::test]
async fn a_change_that_comes_twice_is_counted_once() {
    let app = App::new();
    let poll = changing_poll(&app).await;
    for choices in [[0, 1], [0, 2], [1, 1], [2, 0]] {
        let voter = app.account(&someone());
        for choice in choices {
            assert!(matches!(app.vote(&poll, &voter, &[choice]).await.status, 200 | 201));
        }
    }
    assert_counted(&app, &poll, &[1, 2, 1]).await;
    replay(&app, &poll, 2).await;
    let counted = app.nothing_more_is_counted_than(&poll, 4).await;
    assert_eq!(votes_by_option(&counted), [2, 2, 1], "and the one vote that followed");
    app.assert_recounted(&poll, &counted).await;
}
