//! Processes that Lambda freezes (C6): one that slept while its poll closed, opened or was edited wakes with what it
//! remembers, and lets that decide nothing.
//!
//! The process is the function as it is deployed, over the stack's tables, run by the test itself: it sleeps (SIGSTOP)
//! where the test says, between two requests or inside one.

use landslide_domain::time::Timestamp;
use serde_json::{Value, json};

use crate::support::{App, OwnProcess, eventually, in_ms, now_ms, passes, someone, vote_event};

const HOUR_MS: u64 = 3_600_000;

/// A poll and a process of cast-vote that remembers it.
struct Scene {
    app: App,
    owner: String,
    poll: String,
    process: OwnProcess,
}

impl Scene {
    /// None where a process can't be run beside the cloud. The fields are asked for once the stack is free: it may take
    /// minutes until another test, which has it alone, is over.
    async fn of(fields: impl FnOnce() -> Value) -> Option<Self> {
        let app = App::new();
        if app.stack.lacks("plain-http") {
            return None;
        }
        let owner = app.account(&someone());
        let mut body = json!({"question": "Now?", "options": ["a", "b", "c"]});
        body.as_object_mut().unwrap().extend(fields().as_object().unwrap().clone());
        let poll = app.poll_of(&owner, body).await;
        let process = OwnProcess::start(&app, "cast-vote").await;
        Some(Self { app, owner, poll, process })
    }

    /// Hands the process a vote; status, and what it says.
    fn vote(&self, subject: &str, choice: u64) -> impl Future<Output = (u64, Value)> + use<> {
        self.process.hand(vote_event(&self.poll, self.app.issuer.authorized(subject), &json!([choice])))
    }

    async fn assert_refused(&self, choice: u64, status: u64, code: &str) {
        let (refused, problem) = self.vote(&someone(), choice).await;
        assert_eq!((refused, &problem["code"]), (status, &json!(code)), "{problem}");
    }

    /// Closes the poll early, and waits until it has closed.
    async fn closes(&self) -> Timestamp {
        let answer = self.app.close_poll(&self.poll, &self.owner).await;
        assert_eq!(answer.status, 200, "{answer}");
        let closes_at: Timestamp = serde_json::from_value(answer.json()["closes_at"].take()).unwrap();
        passes(closes_at).await;
        closes_at
    }

    /// Fails unless that many votes are stored, each cast before the poll closed.
    async fn assert_stored(&self, votes: usize, closes_at: Timestamp) {
        let stored = self.app.aws.votes_of(&self.poll).await;
        assert_eq!(stored.len(), votes, "{stored:?}");
        assert!(stored.iter().all(|vote| vote.cast_at < closes_at), "cast at or after {closes_at}: {stored:?}");
    }
}

#[tokio::test]
async fn a_process_that_sleeps_through_an_early_closing_takes_no_vote_when_it_wakes() {
    let Some(scene) = Scene::of(|| json!({})).await else { return };
    let voter = someone();
    let (status, vote) = scene.vote(&voter, 1).await;
    assert_eq!(status, 201, "{vote}");
    scene.process.freeze().await;
    // One request reaches it before the closing, one after: it takes them up when it wakes.
    let early = scene.vote(&someone(), 0);
    let closes_at = scene.closes().await;
    let late = scene.vote(&someone(), 1);
    scene.process.wake();
    for (status, problem) in [early.await, late.await] {
        assert_eq!((status, &problem["code"]), (409, &json!("poll_closed")), "{problem}");
    }
    assert_eq!(scene.vote(&voter, 1).await, (200, vote));
    scene.assert_stored(1, closes_at).await;
}

#[tokio::test]
async fn a_vote_whose_process_sleeps_while_it_is_written_is_cast_before_the_closing() {
    let Some(scene) = Scene::of(|| json!({})).await else { return };
    let voter = someone();
    let write = scene.process.hold("PutItem");
    let vote = scene.vote(&voter, 1);
    let let_through = write.arrives().await;
    let written_by = now_ms();
    scene.process.freeze().await;
    let closes_at = scene.closes().await;
    assert!(scene.app.aws.votes_of(&scene.poll).await.is_empty());
    let_through.send(()).unwrap();
    scene.process.wake();
    // It may know what became of its write, or only that it knows nothing of it.
    let (status, answer) = vote.await;
    assert!(matches!(status, 201 | 503), "{answer}");
    let stored = eventually("late write", async || {
        let votes = scene.app.aws.votes_of(&scene.poll).await;
        if votes.len() == 1 { Ok(votes) } else { Err(format!("{votes:?}")) }
    })
    .await;
    assert!(stored[0].cast_at.as_millis() <= written_by, "{stored:?}");
    let (again, stands) = scene.vote(&voter, 1).await;
    assert_eq!((again, &stands["cast_at"]), (200, &json!(stored[0].cast_at)), "{stands}");
    scene.assert_refused(1, 409, "poll_closed").await;
    scene.assert_stored(1, closes_at).await;
    let results = scene.app.results_settle_at(&scene.poll, 1).await;
    scene.app.assert_recounted(&scene.poll, &results).await;
}

#[tokio::test]
async fn a_process_that_sleeps_through_an_edit_and_the_opening_judges_by_the_edited_poll() {
    // Time enough to get here and edit it, which ends 9 s before.
    let mut opens_at = 0;
    let fields = || {
        opens_at = now_ms() + 40_000;
        json!({"opens_at": Timestamp::from_millis(opens_at)})
    };
    let Some(scene) = Scene::of(fields).await else { return };
    scene.assert_refused(2, 409, "poll_not_open").await;
    scene.process.freeze().await;
    let change = json!({"options": ["a", "b"], "kind": "single", "vote_change": "until_close"});
    let answer = scene.app.change_poll(&scene.poll, &scene.owner, "\"1\"", &change).await;
    assert_eq!(answer.status, 200, "{answer}");
    passes(Timestamp::from_millis(opens_at).unwrap()).await;
    scene.process.wake();
    scene.assert_refused(2, 422, "invalid_choice").await;
    let voter = someone();
    for (choice, revision) in [(0, 1), (1, 2)] {
        let (status, vote) = scene.vote(&voter, choice).await;
        assert_eq!((status, &vote["revision"]), (201, &json!(revision)), "{vote}");
    }
}

#[tokio::test]
async fn a_process_that_sleeps_while_the_opening_is_moved_to_now_refuses_nobody() {
    let Some(scene) = Scene::of(|| json!({"opens_at": in_ms(HOUR_MS)})).await else { return };
    scene.assert_refused(0, 409, "poll_not_open").await;
    let seen_at = now_ms();
    scene.process.freeze().await;
    let answer = scene.app.change_poll(&scene.poll, &scene.owner, "\"1\"", &json!({"opens_at": null})).await;
    assert_eq!(answer.status, 200, "{answer}");
    // What it was refused by is believed for a second.
    passes(Timestamp::from_millis(seen_at + 1_000).unwrap()).await;
    scene.process.wake();
    let (status, vote) = scene.vote(&someone(), 0).await;
    assert_eq!(status, 201, "{vote}");
}

#[tokio::test]
async fn a_process_that_sleeps_while_the_closing_is_moved_away_refuses_nobody() {
    // Time enough to get here and move it, which ends 4 s before.
    let mut closes_at = 0;
    let fields = || {
        closes_at = now_ms() + 20_000;
        json!({"closes_at": Timestamp::from_millis(closes_at)})
    };
    let Some(scene) = Scene::of(fields).await else { return };
    assert_eq!(scene.vote(&someone(), 0).await.0, 201);
    scene.process.freeze().await;
    let answer = scene.app.change_poll(&scene.poll, &scene.owner, "\"1\"", &json!({"closes_at": in_ms(HOUR_MS)})).await;
    assert_eq!(answer.status, 200, "{answer}");
    passes(Timestamp::from_millis(closes_at).unwrap()).await;
    scene.process.wake();
    let (status, vote) = scene.vote(&someone(), 0).await;
    assert_eq!(status, 201, "{vote}");
}
