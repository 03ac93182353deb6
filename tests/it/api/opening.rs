//! Strict opening: processes remember a poll, and still every vote is judged by the poll as it was last edited before it
//! opened.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use landslide_domain::{lease::PROPAGATION_MS, time::Timestamp};
use serde_json::{Value, json};

use crate::support::{
    App, SKEW_MS, assert_problem, assert_several_processes, eventually, now_ms, someone, votes_by_option,
};

/// How many voters vote at once.
const CONNECTIONS: usize = 8;
/// For how long it is edited before that.
const EDITING_MS: u64 = 3_000;

/// The n-th edit: one more option than before, and votes that may change after every other.
fn edit(n: u64) -> Value {
    let labels: Vec<String> = (0..n + 2).map(|id| format!("option {id}")).collect();
    json!({"options": labels, "vote_change": if n % 2 == 1 { "until_close" } else { "never" }})
}

/// Edits a poll until that is refused; the last edit that was accepted.
async fn edit_until_refused(app: &App, poll: &str, owner: &str) -> u64 {
    let mut accepted = 0;
    eventually("end of editing", async || {
        let answer = app.change_poll(poll, owner, "*", &edit(accepted + 1)).await;
        if answer.status != 200 {
            assert_problem(&answer, 409, "not_editable");
            return Ok(());
        }
        accepted += 1;
        Err(format!("edit {accepted}"))
    })
    .await;
    accepted
}

#[tokio::test]
async fn a_poll_that_is_edited_until_just_before_it_opens_opens_as_it_was_edited_last() {
    let app = App::new();
    let owner = app.account(&someone());
    let opens_at = now_ms() + PROPAGATION_MS + EDITING_MS;
    let mut body = edit(0);
    (body["question"], body["opens_at"]) = (json!("Which?"), json!(Timestamp::from_millis(opens_at)));
    let poll = app.poll_of(&owner, body).await;

    // While it is edited, processes see and remember now this poll, now that.
    let is_edited = AtomicBool::new(true);
    let look = join_all((0..CONNECTIONS).map(async |_| {
        while is_edited.load(Ordering::Relaxed) {
            assert_problem(&app.vote(&poll, &app.account(&someone()), &[0]).await, 409, "poll_not_open");
        }
    }));
    let edit = async {
        let last = edit_until_refused(&app, &poll, &owner).await;
        is_edited.store(false, Ordering::Relaxed);
        last
    };
    let (_, last) = tokio::join!(look, edit);
    assert_several_processes(&app);
    assert!(last > 1, "{last} edits show nothing");

    // From the first moment on, each voter takes the option that came last, and what may become of that vote is as in
    // the last edit.
    let (newest, changes) = (last + 1, last % 2 == 1);
    join_all((0..CONNECTIONS).map(async |_| {
        let voter = app.account(&someone());
        eventually("vote after the opening", async || {
            let asked_at = now_ms();
            let answer = app.vote(&poll, &voter, &[newest]).await;
            if answer.status == 201 {
                return Ok(());
            }
            // Until then a process may judge by the poll that it has seen, or by the new one.
            assert!(asked_at < opens_at + SKEW_MS, "{answer}");
            assert!(asked_at < opens_at || answer.json()["code"] == "poll_not_open", "{answer}");
            Err(answer.body)
        })
        .await;
        assert_problem(&app.vote(&poll, &voter, &[newest + 1]).await, 422, "invalid_choice");
        let other = app.vote(&poll, &voter, &[0]).await;
        if changes {
            assert_eq!((other.status, &other.json()["revision"]), (201, &json!(2)), "{other}");
        } else {
            assert_problem(&other, 409, "already_voted");
        }
    }))
    .await;
    let opened = Timestamp::from_millis(opens_at).unwrap();
    assert!(app.aws.votes_of(&poll).await.iter().all(|vote| vote.cast_at >= opened));
    let mut expected = vec![0; usize::try_from(newest + 1).unwrap()];
    *if changes { &mut expected[0] } else { expected.last_mut().unwrap() } = CONNECTIONS as u64;
    assert_eq!(votes_by_option(&app.results_recounted(&poll).await), expected);
}
