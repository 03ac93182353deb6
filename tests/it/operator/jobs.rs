//! `landslide jobs`, over the stack that is up.

use landslide_domain::time::DAY_MS;
use serde_json::json;

use crate::support::{App, CLOSED_AGO_MS, begin, eventually, is_due, is_final, operator_environment, run_operator};

/// What `landslide jobs` prints, if it succeeds; else why not.
fn jobs(app: &App, arguments: &[&str]) -> Result<String, String> {
    let output = run_operator(&operator_environment(app), &[&["jobs"], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// The line of a poll's job in a list.
fn line_of(listed: &str, poll: &str) -> Option<String> {
    listed.lines().find(|line| line.contains(poll)).map(str::to_owned)
}

#[tokio::test]
async fn a_job_that_was_given_up_is_listed_with_why_and_done_once_it_is_retried() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    app.votes_for(&poll, [0, 1]).await;
    app.results_settle_at(&poll, 2).await;
    is_due(&app, &poll, 61 * DAY_MS).await;
    begin(&app, &poll).await;
    let line = eventually("job that was given up", async || {
        let listed = jobs(&app, &["list"]).unwrap();
        line_of(&listed, &poll).filter(|line| line.starts_with("given up")).ok_or(listed)
    })
    .await;
    assert!(line.ends_with("the poll closed too long ago: its votes may be gone"), "{line}");

    is_due(&app, &poll, CLOSED_AGO_MS).await;
    let told = jobs(&app, &["retry", &poll, "--yes"]).unwrap();
    assert!(told.contains(&poll), "{told}");
    assert_eq!(is_final(&app, &poll).await["ballots"], json!(2));
    eventually("job that is done", async || {
        let (open, all) = (jobs(&app, &["list"]).unwrap(), jobs(&app, &["list", "--all"]).unwrap());
        let is_done = line_of(&all, &poll).is_some_and(|line| line.starts_with("done"));
        if is_done && line_of(&open, &poll).is_none() { Ok(()) } else { Err(all) }
    })
    .await;
    let refused = jobs(&app, &["retry", &poll, "--yes"]).unwrap_err();
    assert!(refused.contains("are final already"), "{refused}");
}
