//! The audit log while relay-changes fails, is killed, and gets its batches again: no row lost, none there twice.

use std::{
    process::Output,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, Process, eventually, operator_environment, run_operator, someone, while_set};

/// An owner with a poll that has been changed a few times.
struct Owner {
    subject: String,
    token: String,
    poll: String,
}

/// How often each poll is changed.
const CHANGES: usize = 8;

impl Owner {
    async fn new(app: &App) -> Self {
        let subject = someone();
        let token = app.account(&subject);
        let poll = app.poll_of(&token, json!({"question": "Best colour?", "options": ["Red", "Blue"]})).await;
        Self { subject, token, poll }
    }

    async fn change(&self, app: &App) {
        for revision in 1..=CHANGES {
            let edit = json!({"peak_votes_per_second": 1_000 + revision});
            assert_eq!(app.change_poll(&self.poll, &self.token, &format!("\"{revision}\""), &edit).await.status, 200);
        }
    }

    /// The events of the log, oldest first.
    async fn events(&self, app: &App) -> Vec<String> {
        let request = app.request(Method::GET, "/v1/audit?limit=100").bearer_auth(&self.token);
        let rows = Answer::of(request).await.json()["rows"].clone();
        rows.as_array().unwrap().iter().rev().map(|row| row["entry"]["event"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until all revisions are in the log. Fails if one is there twice, in another order, or if the chain has a fault.
    async fn assert_logged(&self, app: &App) {
        let expected: Vec<String> = (1..=CHANGES + 1).map(|revision| format!("{}#{revision}", self.poll)).collect();
        eventually("whole log", async || {
            let events = self.events(app).await;
            if events.len() >= expected.len() { Ok(()) } else { Err(format!("{events:?}")) }
        })
        .await;
        assert_eq!(self.events(app).await, expected);
        let output = self.verify(app);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }

    /// Checks the owner's log. A revision without a row is never on its way.
    fn verify(&self, app: &App) -> Output {
        let tenant = app.issuer.owner(&self.subject);
        let (issuer, account) = tenant.split_once(' ').unwrap();
        let command = ["audit-log", "verify", "--issuer", issuer, "--account", account, "--on-their-way-seconds", "0"];
        run_operator(&operator_environment(app), &command)
    }

    /// The stream's record of the poll's creation, as if it came again.
    async fn record(&self, app: &App) -> Value {
        let item = app.aws.poll_item(&self.poll, "RULES").await;
        let keys = json!({"poll_id": item["poll_id"], "item": item["item"]});
        json!({"eventName": "INSERT", "dynamodb": {"Keys": keys, "NewImage": item, "SequenceNumber": "1"}})
    }
}

#[tokio::test]
async fn changes_made_while_the_log_can_not_be_written_come_later_each_once() {
    let app = App::alone();
    let owner = Owner::new(&app).await;
    while_set(&app, "relay-changes", "AUDIT_TABLE", "no-such-table", async {
        owner.change(&app).await;
        let event = json!({"Records": [owner.record(&app).await]});
        let refused = app.aws.invoke(&app.stack.function("relay-changes"), &event).await;
        assert!(refused.is_err(), "a batch that is not written must come again: {refused:?}");
    })
    .await;
    owner.assert_logged(&app.share()).await;
}

#[tokio::test]
async fn a_batch_that_comes_again_and_an_unreadable_record_change_no_log() {
    let app = App::new();
    let owner = Owner::new(&app).await;
    owner.change(&app).await;
    owner.assert_logged(&app).await;
    let mut unreadable = owner.record(&app).await;
    unreadable["dynamodb"]["NewImage"]["stamp"] = json!({"S": "{}"});
    let event = json!({"Records": [owner.record(&app).await, unreadable, owner.record(&app).await]});
    for _ in 0..3 {
        app.aws.invoke(&app.stack.function("relay-changes"), &event).await.unwrap();
    }
    owner.assert_logged(&app).await;
    for _ in 0..3 {
        let letter =
            app.aws.take_letter(app.stack.output("RelayDlqUrl"), |letter| letter.body.contains(&owner.poll)).await;
        let letter: Value = serde_json::from_str(&letter.body).unwrap();
        let salt = letter["dynamodb"]["NewImage"]["salt"]["B"].as_str().unwrap();
        assert!(salt.starts_with("AAAAAAAA"), "a letter shows no salt: {letter}");
    }
}

#[tokio::test]
async fn a_change_that_never_reached_the_log_is_there_once_after_a_replay_from_the_bucket() {
    let app = App::alone();
    let owner = Owner::new(&app).await;
    owner.change(&app).await;
    owner.assert_logged(&app).await;
    // As if the relay had given the last change up: there is no row of it, and its batch is in the bucket.
    let (tenant, last) = (app.issuer.owner(&owner.subject), CHANGES + 1);
    let event = json!({"tenant": {"S": tenant}, "item": {"S": format!("EVENT#{}#{last}", owner.poll)}});
    let row = app.aws.audit_row(&tenant, last as u64).await;
    for item in [&row, &event] {
        app.aws.delete_audit_row(item).await;
    }
    let told = String::from_utf8(owner.verify(&app).stdout).unwrap();
    assert!(told.contains(&format!("FAULT revision {last} of poll {} has no row", owner.poll)), "{told}");
    let mut record = owner.record(&app).await;
    let mut before = record["dynamodb"]["NewImage"].clone();
    before["revision"] = json!({"N": CHANGES.to_string()});
    before["peak_votes_per_second"] = json!({"N": (1_000 + CHANGES - 1).to_string()});
    record["eventName"] = json!("MODIFY");
    record["dynamodb"]["OldImage"] = before;
    let batch = json!({"payload": {"Records": [record]}});
    let (bucket, key) = (app.stack.output("RelayFailuresBucket"), format!("aws/lambda/audit/{}", owner.poll));
    for _ in 0..2 {
        app.aws.put_object(bucket, &key, batch.to_string()).await;
        let output = run_operator(&operator_environment(&app), &["replay"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(!app.aws.objects(bucket).await.contains(&key), "what is relayed is removed");
        owner.assert_logged(&app).await;
    }
    let again = app.aws.audit_row(&tenant, last as u64).await;
    assert_eq!(again["entry"], row["entry"], "the same row, whenever it is written");
}

#[tokio::test]
async fn killed_between_change_and_log_no_row_is_lost_and_none_is_there_twice() {
    let app = App::alone();
    if app.stack.lacks("function-processes") {
        return;
    }
    let owners = join_all((0..4).map(|_| Owner::new(&app))).await;
    let done = AtomicBool::new(false);
    let change = async {
        join_all(owners.iter().map(|owner| owner.change(&app))).await;
        done.store(true, Ordering::Relaxed);
    };
    let kill = async {
        let mut killed = 0;
        while !done.load(Ordering::Relaxed) || killed == 0 {
            let name = app.stack.function("relay-changes");
            killed +=
                Process::of(&app.stack).iter().filter(|process| process.function == name && process.kill()).count();
            tokio::time::sleep(Duration::from_millis(fastrand::u64(50..250))).await;
        }
        killed
    };
    let ((), killed) = tokio::join!(change, kill);
    eprintln!("killed relay-changes {killed} times");
    let app = app.share();
    for owner in &owners {
        owner.assert_logged(&app).await;
    }
}
