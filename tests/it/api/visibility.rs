//! Who may see results: `results` of a poll, …/results for anyone and …/results/mine for the caller.

use std::time::Duration;

use http::Method;
use landslide_domain::{lease::CLOCK_SKEW_MS, time::Timestamp};
use serde_json::{Value, json};

use crate::support::{
    Answer, App, assert_headers_of_all, assert_problem, assert_public_results, eventually, now_ms, someone,
    votes_by_option,
};

/// By how much the ages of two answers may differ (C5).
const CACHES_AGE_MAX: Duration = Duration::from_secs(2);

/// A poll with two votes, and the callers who ask for its results. One vote is for the third option. The other was for
/// the first option, and is retracted.
struct Scene {
    app: App,
    poll: String,
    /// The callers: the owner, a voter, a voter who retracted the vote, another account, another device.
    owner: String,
    voter: String,
    retracted: String,
    stranger: String,
    device: String,
}

impl Scene {
    async fn of(results: &str) -> Self {
        let app = App::new();
        let (owner, voter, retracted) = (app.account(&someone()), app.account(&someone()), app.device().await);
        let body = json!({"question": "Best colour?", "options": ["Red", "Blue", "Green"], "results": results,
            "vote_change": "until_close"});
        let poll = app.poll_of(&owner, body).await;
        assert_eq!(app.vote(&poll, &voter, &[2]).await.status, 201);
        assert_eq!(app.vote(&poll, &retracted, &[0]).await.status, 201);
        assert_eq!(app.retract(&poll, &retracted).await.status, 204);
        let (stranger, device) = (app.account(&someone()), app.device().await);
        let scene = Self { app, poll, owner, voter, retracted, stranger, device };
        let newest = scene.app.aws.votes_of(&scene.poll).await.iter().map(|vote| vote.cast_at).max().unwrap();
        eventually("owner's view of all that was cast", async || {
            let answer = scene.mine(&scene.owner).await;
            let counted = answer.status == 200 && answer.json()["as_of"] == newest.to_string();
            if counted { Ok(()) } else { Err(answer.to_string()) }
        })
        .await;
        // Other processes may remember what was before.
        tokio::time::sleep(CACHES_AGE_MAX).await;
        scene
    }

    async fn mine(&self, token: &str) -> Answer {
        self.app.my_results(&self.poll, token).await
    }

    async fn anyones(&self) -> Answer {
        self.app.get(&format!("/v1/polls/{}/results", self.poll)).await
    }

    fn callers(&self) -> [(&'static str, &str); 5] {
        [
            ("owner", &self.owner),
            ("voter", &self.voter),
            ("retracted", &self.retracted),
            ("stranger", &self.stranger),
            ("device", &self.device),
        ]
    }

    /// Fails unless exactly these callers see the counts, and anyone does only if `public`.
    async fn assert_seen_by(&self, seeing: &[&str], public: bool) {
        for (name, token) in self.callers() {
            let answer = self.mine(token).await;
            if seeing.contains(&name) {
                assert_eq!(answer.status, 200, "{name}: {answer}");
                assert_eq!(votes_by_option(&answer.json()), [0, 0, 1], "{name}: {answer}");
                assert_eq!(answer.header("cache-control"), "private, no-store", "{name}: {answer}");
                assert!(answer.header("etag").starts_with('"'), "{name}: {answer}");
                assert_headers_of_all(&answer);
            } else {
                assert_eq!(answer.status, 403, "{name}: {answer}");
                assert_hidden(&answer);
            }
        }
        let answer = self.anyones().await;
        if public {
            assert_eq!((answer.status, votes_by_option(&answer.json())), (200, vec![0, 0, 1]), "{answer}");
            assert_public_results(&answer);
        } else {
            assert_hidden(&answer);
        }
    }

    /// Closes the poll early, and waits until it has closed for every process that shows results, and by every clock.
    async fn closes(&self) {
        assert_eq!(self.app.close_poll(&self.poll, &self.owner).await.status, 200);
        eventually("closed poll", async || {
            let answer = self.mine(&self.owner).await;
            if answer.json()["status"] == "closed" { Ok(()) } else { Err(answer.to_string()) }
        })
        .await;
        tokio::time::sleep(Duration::from_millis(CLOCK_SKEW_MS)).await;
    }
}

/// Fails unless an answer hides the results and everything of them; the problem but for the id of its request.
#[track_caller]
fn assert_hidden(answer: &Answer) -> Value {
    let mut problem = assert_problem(answer, 403, "results_hidden");
    assert_eq!(answer.header("cache-control"), "private, no-store", "{answer}");
    for name in ["etag", "last-modified", "location"] {
        assert!(!answer.headers.contains_key(name), "{answer}");
    }
    assert!(!problem["detail"].as_str().unwrap().contains(|c: char| c.is_ascii_digit()), "{answer}");
    problem["request_id"].take();
    problem
}

#[tokio::test]
async fn results_for_always_are_anyones_while_it_is_open_and_after() {
    let scene = Scene::of("always").await;
    let all = ["owner", "voter", "retracted", "stranger", "device"];
    scene.assert_seen_by(&all, true).await;
    scene.closes().await;
    scene.assert_seen_by(&all, true).await;
}

#[tokio::test]
async fn results_after_vote_are_the_owners_and_of_those_whose_vote_stands() {
    let scene = Scene::of("after_vote").await;
    scene.assert_seen_by(&["owner", "voter"], false).await;
    // A voter sees the results at once, and no longer after retracting the vote.
    assert_hidden(&scene.mine(&scene.device).await);
    assert_eq!(scene.app.vote(&scene.poll, &scene.device, &[2]).await.status, 201);
    assert_eq!(scene.mine(&scene.device).await.status, 200);
    assert_eq!(scene.app.retract(&scene.poll, &scene.device).await.status, 204);
    assert_hidden(&scene.mine(&scene.device).await);
    assert_eq!(scene.app.vote(&scene.poll, &scene.retracted, &[0]).await.status, 201);
    assert_eq!(scene.mine(&scene.retracted).await.status, 200);
}

#[tokio::test]
async fn results_after_vote_stay_hidden_from_who_did_not_vote_when_it_has_closed() {
    let scene = Scene::of("after_vote").await;
    scene.closes().await;
    scene.assert_seen_by(&["owner", "voter"], false).await;
}

#[tokio::test]
async fn results_after_close_are_the_owners_before_and_anyones_from_the_closing_on() {
    let scene = Scene::of("after_close").await;
    scene.assert_seen_by(&["owner"], false).await;
    scene.closes().await;
    scene.assert_seen_by(&["owner", "voter", "retracted", "stranger", "device"], true).await;
}

#[tokio::test]
async fn results_after_close_show_by_themselves_once_every_clock_has_reached_the_closing() {
    let app = App::new();
    let closes_at = now_ms() + 6_000;
    let in_api = Timestamp::EPOCH.plus_millis(closes_at);
    let poll = app
        .poll(json!({"question": "Now?", "options": ["a", "b"], "results": "after_close", "closes_at": in_api}))
        .await;
    app.votes_for(&poll, [1]).await;
    let shown = eventually("results for anyone", async || {
        let answer = app.get(&format!("/v1/polls/{poll}/results")).await;
        if answer.status != 200 {
            assert_hidden(&answer);
            return Err(answer.to_string());
        }
        assert!(now_ms() >= closes_at + CLOCK_SKEW_MS, "a slower clock may still let a vote in: {answer}");
        assert_eq!(answer.json()["status"], "closed", "{answer}");
        if answer.json()["ballots"] == 1 { Ok(answer.json()) } else { Err(answer.to_string()) }
    })
    .await;
    assert_eq!(votes_by_option(&shown), [0, 1]);
}

#[tokio::test]
async fn results_for_the_owner_are_nobody_elses_not_even_when_it_has_closed() {
    let scene = Scene::of("owner").await;
    scene.assert_seen_by(&["owner"], false).await;
    scene.closes().await;
    scene.assert_seen_by(&["owner"], false).await;
}

#[tokio::test]
async fn hidden_results_look_the_same_whatever_they_are_and_whoever_asks() {
    let app = App::new();
    let owner = app.account(&someone());
    let body = json!({"question": "Best colour?", "options": ["Red", "Blue", "Green"], "results": "owner"});
    let poll = app.poll_of(&owner, body).await;
    let path = format!("/v1/polls/{poll}/results");
    let empty = assert_hidden(&app.get(&path).await);
    let (voter, stranger) = (app.account(&someone()), app.device().await);
    assert_eq!(app.vote(&poll, &voter, &[1]).await.status, 201);
    let seen = eventually("owner's view of one ballot", async || {
        let answer = app.my_results(&poll, &owner).await;
        if answer.json()["ballots"] == 1 { Ok(answer) } else { Err(answer.to_string()) }
    })
    .await;
    assert_eq!(assert_hidden(&app.get(&path).await), empty);
    for token in [&voter, &stranger] {
        assert_eq!(assert_hidden(&app.my_results(&poll, token).await), empty);
    }
    // A tag that is right, or any, gets no 304 out of it; nor does the owner's token where it isn't asked for.
    for tag in [seen.header("etag"), "*"] {
        for path in [path.clone(), format!("{path}/mine")] {
            let request = app.request(Method::GET, &path).bearer_auth(&voter).header("If-None-Match", tag);
            assert_eq!(assert_hidden(&Answer::of(request).await), empty, "{path} {tag}");
        }
    }
    let request = app.request(Method::GET, &path).bearer_auth(&owner);
    assert_eq!(assert_hidden(&Answer::of(request).await), empty);
}

#[tokio::test]
async fn who_has_their_results_already_gets_304_that_nobody_keeps() {
    let scene = Scene::of("after_vote").await;
    let path = format!("/v1/polls/{}/results/mine", scene.poll);
    for token in [&scene.owner, &scene.voter] {
        let tag = scene.mine(token).await.header("etag").to_owned();
        let ask = async |tags: &str| {
            Answer::of(scene.app.request(Method::GET, &path).bearer_auth(token).header("If-None-Match", tags)).await
        };
        for tags in [&tag, &format!("W/{tag}"), "*"] {
            let answer = ask(tags).await;
            assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{tags}: {answer}");
            assert_eq!(answer.header("etag"), tag);
            assert_eq!(answer.header("cache-control"), "private, no-store");
            assert_headers_of_all(&answer);
        }
        assert_eq!(ask("\"other\"").await.status, 200);
    }
    let tag = scene.mine(&scene.voter).await.header("etag").to_owned();
    assert_eq!(scene.app.vote(&scene.poll, &scene.voter, &[1]).await.status, 201);
    let moved = eventually("changed results", async || {
        let request = scene.app.request(Method::GET, &path).bearer_auth(&scene.voter).header("If-None-Match", &tag);
        let answer = Answer::of(request).await;
        if answer.status == 200 { Ok(answer) } else { Err(answer.to_string()) }
    })
    .await;
    assert_ne!(moved.header("etag"), tag);
    assert_eq!(votes_by_option(&moved.json()), [0, 1, 0]);
}

#[tokio::test]
async fn ones_own_results_take_a_token_and_a_poll() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let path = format!("/v1/polls/{poll}/results/mine");
    assert_problem(&app.get(&path).await, 401, "unauthorized");
    let request = app.request(Method::GET, &path).header("Authorization", "Bearer nonsense");
    assert_problem(&Answer::of(request).await, 401, "unauthorized");
    let token = app.account(&someone());
    assert_problem(&app.get(&format!("{path}?access_token={token}")).await, 401, "unauthorized");
    assert_problem(&app.my_results("nobody", &token).await, 404, "not_found");
}

#[tokio::test]
async fn no_answer_to_a_token_may_be_kept() {
    let app = App::new();
    let (owner, voter, stranger) = (app.account(&someone()), app.account(&someone()), app.account(&someone()));
    let body = json!({"question": "Best colour?", "options": ["Red", "Blue"], "vote_change": "until_close",
        "results": "after_vote"});
    let created = app.create_poll(&owner, &body).await;
    let poll = created.json()["poll_id"].as_str().unwrap().to_owned();
    let list = Answer::of(app.request(Method::GET, "/v1/polls").bearer_auth(&owner)).await;
    let change = json!({"peak_votes_per_second": 2_000});
    let answers = [
        (201, created),
        (200, list),
        (201, app.vote(&poll, &voter, &[1]).await),
        (200, app.vote(&poll, &voter, &[1]).await),
        (422, app.vote(&poll, &voter, &[7]).await),
        (200, app.my_vote(&poll, &voter).await),
        (404, app.my_vote(&poll, &stranger).await),
        (200, app.my_results(&poll, &voter).await),
        (403, app.my_results(&poll, &stranger).await),
        (404, app.my_results("nobody", &voter).await),
        (412, app.change_poll(&poll, &owner, "\"2\"", &change).await),
        (200, app.change_poll(&poll, &owner, "\"1\"", &change).await),
        (403, app.change_poll(&poll, &stranger, "*", &change).await),
        (204, app.retract(&poll, &voter).await),
        (404, app.retract(&poll, &stranger).await),
        (403, app.close_poll(&poll, &stranger).await),
        (200, app.close_poll(&poll, &owner).await),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{answer}");
        assert_eq!(answer.header("cache-control"), "private, no-store", "{answer}");
        assert_headers_of_all(&answer);
    }
}
