//! `landslide tenant`, over the stack that is up.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, assert_problem, operator_environment, run_operator, someone};

/// What `landslide tenant` prints about an account, if it succeeds.
fn tenant(app: &App, action: &str, subject: &str, flags: &[&str]) -> Result<String, String> {
    let owner = app.issuer.owner(subject);
    let (issuer, _) = owner.split_once(' ').unwrap();
    let whose = ["tenant", action, "--issuer", issuer, "--account", subject];
    let output = run_operator(&operator_environment(app), &[&whose, flags].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// What the row of a limit says, its words one space apart.
fn row(shown: &str, limit: &str) -> String {
    let line = shown.lines().find_map(|line| line.strip_prefix(limit)).unwrap_or_else(|| panic!("{limit}: {shown}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn limits_that_the_operator_sets_are_in_force_shown_and_in_the_log() {
    let app = App::new();
    let subject = someone();
    let shown = tenant(&app, "show", &subject, &[]).unwrap();
    assert!(shown.contains("Nobody has seen this tenant"), "{shown}");
    assert_eq!(row(&shown, "new polls a day"), "1000 as all 0 today");

    let shown = tenant(&app, "set", &subject, &["--polls-per-day", "1", "--open-polls", "7"]).unwrap();
    assert_eq!(row(&shown, "new polls a day"), "1 its own 0 today");
    assert_eq!(row(&shown, "open polls"), "7 its own 0 now");

    let (owner, body) = (app.account(&subject), json!({"question": "Q", "options": ["a", "b"]}));
    app.poll_of(&owner, body.clone()).await;
    assert_problem(&app.create_poll(&owner, &body).await, 429, "limit_exceeded");

    let shown = tenant(&app, "set", &subject, &["--default", "polls-per-day"]).unwrap();
    assert!(!shown.contains("Nobody has seen"), "{shown}");
    assert_eq!(row(&shown, "new polls a day"), "1000 as all 1 today");
    assert_eq!(row(&shown, "management requests a minute"), "600 as all 2 today");

    let log = app.aws.log_of(&app.issuer.owner(&subject)).await;
    let set: Vec<Value> = log.into_iter().filter(|entry| entry["action"] == "limits.set").collect();
    assert_eq!(set.len(), 2, "{set:?}");
    assert_eq!(set[0]["author"], json!({"kind": "operator"}));
    assert_eq!(
        set[0]["changes"],
        json!({"polls_per_day": {"from": null, "to": 1}, "open_polls": {"from": null, "to": 7}})
    );
    assert_eq!(set[1]["changes"], json!({"polls_per_day": {"from": 1, "to": null}}));
}

#[tokio::test]
async fn usage_is_printed_as_the_api_shows_it() {
    let app = App::new();
    let subject = someone();
    let printed = tenant(&app, "usage", &subject, &["--month", "2020-02"]).unwrap();
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        (&printed["month"], &printed["polls"], &printed["complete"]),
        (&json!("2020-02"), &json!(0), &json!(true))
    );
}

#[tokio::test]
async fn a_tenant_that_only_asked_is_seen() {
    let app = App::new();
    let subject = someone();
    let unseen = |told: &str| told.contains("Nobody has seen this tenant");
    assert!(unseen(&tenant(&app, "show", &subject, &[]).unwrap()));
    let list = Answer::of(app.request(Method::GET, "/v1/polls").bearer_auth(app.account(&subject))).await;
    assert_eq!(list.status, 200, "{list}");
    assert!(!unseen(&tenant(&app, "show", &subject, &[]).unwrap()));
}
