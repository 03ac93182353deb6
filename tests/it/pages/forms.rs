//! Whose a form is, and which vote it changes: what is sent again, late, or beside another tab.

use serde_json::json;

use super::{Browser, hidden_fields, poll_of};
use crate::support::{Answer, App};

/// A browser with a page that it has just loaded.
async fn opened(app: &App, poll: &str) -> (Browser, Answer) {
    let mut browser = Browser::new(app);
    let page = browser.open(poll).await;
    (browser, page)
}

#[tokio::test]
async fn a_form_that_is_sent_again_after_another_page_came_is_one_vote() {
    let app = App::new();
    let poll = poll_of(&app, json!({})).await;
    // Two first pages at once: the browser ends up with the second one's cookie.
    let (first, page) = opened(&app, &poll).await;
    let (second, other) = opened(&app, &poll).await;
    assert_ne!(first.cookie, second.cookie);
    let form = format!("{}&c=1", hidden_fields(&page));
    for browser in [&first, &second, &second] {
        let answer = browser.send(&poll, form.clone()).await;
        assert_eq!(answer.status, 303, "{answer}");
        assert!(answer.header("set-cookie").starts_with(first.cookie.as_deref().unwrap()), "{answer}");
    }
    // The other tab's form comes from a browser that has voted by now.
    let late = first.send(&poll, format!("{}&c=0", hidden_fields(&other))).await;
    assert_eq!(late.status, 409, "{late}");
    let results = app.results_settle_at(&poll, 1).await;
    assert_eq!(results["options"][1]["votes"], 1, "{results}");
}

#[tokio::test]
async fn a_form_of_an_older_page_undoes_no_newer_vote() {
    let app = App::new();
    let poll = poll_of(&app, json!({"vote_change": "until_close"})).await;
    let (mut browser, page) = opened(&app, &poll).await;
    let first = hidden_fields(&page);
    assert_eq!(browser.send(&poll, format!("{first}&c=0")).await.status, 303);
    let second = hidden_fields(&browser.open(&format!("{poll}?view=ballot")).await);
    assert_eq!(browser.send(&poll, format!("{second}&c=1")).await.status, 303);
    for late in [format!("{first}&c=0"), format!("{second}&do=withdraw")] {
        let answer = browser.send(&poll, late).await;
        assert_eq!(answer.status, 409, "{answer}");
        assert!(answer.body.contains("Your vote has changed since this page was loaded"), "{answer}");
    }
    let results = app.results_settle_at(&poll, 1).await;
    assert_eq!(results["options"][1]["votes"], 1, "{results}");
}
