//! `landslide audit-log verify` over the stack: an audit log as it was written, and one that was tampered with by hand.

use std::process::Output;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{App, eventually, operator_environment, run_operator, someone};

/// A tenant with one poll of four revisions, all of them in its log.
struct Logged {
    app: App,
    subject: String,
    poll: String,
}

impl Logged {
    async fn new() -> Self {
        let app = App::new();
        let subject = someone();
        let owner = app.account(&subject);
        let poll = app.poll_of(&owner, json!({"question": "Best colour?", "options": ["Red", "Blue"]})).await;
        for revision in 1..4 {
            let edit = json!({"peak_votes_per_second": 1_000 + revision});
            assert_eq!(app.change_poll(&poll, &owner, &format!("\"{revision}\""), &edit).await.status, 200);
        }
        let logged = Self { app, subject, poll };
        eventually("log of four rows", async || match logged.row(4).await {
            Value::Null => Err("not yet".to_owned()),
            _ => Ok(()),
        })
        .await;
        logged
    }

    fn tenant(&self) -> String {
        self.app.issuer.owner(&self.subject)
    }

    async fn row(&self, number: u64) -> Value {
        self.app.aws.audit_row(&self.tenant(), number).await
    }

    /// Runs the command for this tenant. A revision without a row is never on its way.
    fn verify(&self, flags: &[&str]) -> Output {
        let tenant = self.tenant();
        let (issuer, account) = tenant.split_once(' ').unwrap();
        let command = ["audit-log", "verify", "--issuer", issuer, "--account", account, "--on-their-way-seconds", "0"];
        run_operator(&operator_environment(&self.app), &[&command, flags].concat())
    }

    #[track_caller]
    fn assert_clean(&self) {
        let output = self.verify(&[]);
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(
            told.contains("4 rows, the last is 4:") && told.contains("1 polls") && told.contains("0 faults"),
            "{told}"
        );
    }

    #[track_caller]
    fn assert_fault(&self, flags: &[&str], fault: &str) {
        let output = self.verify(flags);
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(3), "{told}");
        assert!(told.contains(&format!("FAULT {fault}\n")), "no {fault:?} in {told}");
    }
}

/// A row with another entry, whose hash is right.
fn rewritten(row: &Value) -> Value {
    let entry = row["entry"]["S"].as_str().unwrap().replace("poll.edited", "poll.closed");
    let number: u64 = row["item"]["S"].as_str().unwrap().trim_start_matches("ROW#").parse().unwrap();
    let text = format!("{}\n{number}\n{entry}", row["previous"]["S"].as_str().unwrap());
    let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut rewritten = row.clone();
    rewritten["entry"]["S"] = json!(entry);
    rewritten["hash"]["S"] = json!(hash);
    rewritten
}

#[tokio::test]
async fn each_way_to_tamper_with_a_log_is_named() {
    let logged = Logged::new().await;
    let aws = &logged.app.aws;
    logged.assert_clean();
    let (second, last) = (logged.row(2).await, logged.row(4).await);
    let noted = format!("4:{}", last["hash"]["S"].as_str().unwrap());
    assert_eq!(logged.verify(&["--noted", &noted]).status.code(), Some(0));

    let mut changed = second.clone();
    changed["entry"] = rewritten(&second)["entry"].clone();
    aws.put_audit_row(&changed).await;
    logged.assert_fault(&[], "row 2 is not what it was when it was written");

    aws.put_audit_row(&rewritten(&second)).await;
    logged.assert_fault(&[], "row 2 is not the one that the next row names");

    aws.delete_audit_row(&second).await;
    logged.assert_fault(&[], "rows 2 to 2 are missing");
    logged.assert_fault(&[], &format!("revision 2 of poll {} has no row", logged.poll));
    aws.put_audit_row(&second).await;
    logged.assert_clean();

    // At the end of the log, the chain alone shows nothing.
    aws.delete_audit_row(&last).await;
    logged.assert_fault(&[], &format!("revision 4 of poll {} has no row", logged.poll));
    logged.assert_fault(&["--noted", &noted], "row 4 is not the one that was noted");
    aws.put_audit_row(&rewritten(&last)).await;
    logged.assert_clean();
    logged.assert_fault(&["--noted", &noted], "row 4 is not the one that was noted");
    aws.put_audit_row(&last).await;
    logged.assert_clean();
}

#[tokio::test]
async fn all_tenants_are_checked_where_none_is_named() {
    let logged = Logged::new().await;
    let output = run_operator(&operator_environment(&logged.app), &["audit-log", "verify"]);
    let told = String::from_utf8(output.stdout).unwrap();
    let line = format!("account {:?} of ", logged.subject);
    assert!(told.lines().any(|told| told.starts_with(&line) && told.contains("4 rows")), "no {line} in {told}");
    assert!(told.lines().last().unwrap().contains(" tenants, "), "{told}");
}

#[tokio::test]
async fn a_tenant_that_can_not_be_is_refused() {
    let app = App::new();
    for (flags, code) in
        [(["--issuer", "https://id.example.org"], 1), (["--account", "alice"], 2), (["--noted", "x"], 2)]
    {
        let output = run_operator(&operator_environment(&app), &[&["audit-log", "verify"], &flags[..]].concat());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}

#[tokio::test]
async fn a_tenant_that_nobody_has_seen_does_not_look_healthy() {
    let app = App::new();
    let tenant = app.issuer.owner(&someone());
    let (issuer, account) = tenant.split_once(' ').unwrap();
    let verify = |flags: &[&str]| {
        let command = ["audit-log", "verify", "--issuer", issuer, "--account", account];
        run_operator(&operator_environment(&app), &[&command, flags].concat())
    };
    let output = verify(&[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("nothing to verify"), "{told}");
    let noted = verify(&["--noted", &format!("1:{}", "a".repeat(64))]);
    assert_eq!(noted.status.code(), Some(3), "a log that was noted and is gone is a fault: {noted:?}");
}
