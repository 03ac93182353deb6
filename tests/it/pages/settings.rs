//! What a poll's owner sets for its page.

use http::Method;
use serde_json::json;

use super::{Browser, hidden_fields, poll_of};
use crate::support::{Answer, App, eventually, someone};

#[tokio::test]
async fn on_a_shared_device_each_vote_is_another_voters_and_tells_nothing_of_the_last() {
    let app = App::new();
    let poll = poll_of(&app, json!({"devices": "shared"})).await;
    let mut browser = Browser::new(&app);
    let mut page = browser.open(&poll).await;
    for option in 0..3 {
        let cast = browser.send(&poll, format!("{}&c={option}", hidden_fields(&page))).await;
        assert_eq!(cast.status, 303, "{cast}");
        assert!(cast.header("set-cookie").starts_with(&format!("__Host-landslide-voter-{poll}=")), "{cast}");
        let thanks = browser.open(&poll).await;
        assert!(thanks.body.contains("Next, please") && !thanks.body.contains("<bdi>Tea<"), "{thanks}");
        page = browser.open(&format!("{poll}?view=next")).await;
        assert!(page.body.contains("<form"), "{page}");
    }
    let results = app.results_settle_at(&poll, 3).await;
    let votes = [0, 1, 2].map(|option: usize| results["options"][option]["votes"].as_u64());
    assert_eq!(votes, [Some(1); 3], "{results}");
}

#[tokio::test]
async fn an_own_vote_that_is_hidden_is_nowhere_on_its_page() {
    let app = App::new();
    let poll = poll_of(&app, json!({"own_vote": "hide", "vote_change": "until_close"})).await;
    let mut browser = Browser::new(&app);
    let fields = hidden_fields(&browser.open(&poll).await);
    assert_eq!(browser.send(&poll, format!("{fields}&c=1")).await.status, 303);
    let shown = browser.open(&poll).await;
    assert!(shown.body.contains("Your vote is recorded.") && !shown.body.contains("Your vote:"), "{shown}");
    let ballot = browser.open(&format!("{poll}?view=ballot")).await;
    assert!(ballot.body.contains("<fieldset") && !ballot.body.contains("\" checked"), "{ballot}");
}

#[tokio::test]
async fn only_listed_sites_frame_a_page_and_a_frame_has_no_ballot() {
    let app = App::new();
    let poll = poll_of(&app, json!({"embed": ["https://news.example"], "listed": true})).await;
    let browser = Browser::new(&app);
    let asked = browser.request(Method::GET, &format!("/p/{poll}")).header("Sec-Fetch-Dest", "iframe");
    let framed = Answer::of(asked).await;
    assert!(framed.header("content-security-policy").ends_with("frame-ancestors https://news.example"), "{framed}");
    assert!(!framed.headers.contains_key("set-cookie") && !framed.body.contains("<form"), "{framed}");
    assert!(framed.body.contains("target=\"_blank\"") && !framed.body.contains("noindex"), "{framed}");
}

#[tokio::test]
async fn a_wall_shows_hidden_results_by_a_link_until_it_is_deleted() {
    let app = App::new();
    let owner = app.account(&someone());
    let body = json!({"question": "Tea or coffee?", "options": ["Tea", "Coffee"], "results": "owner"});
    let poll = app.poll_of(&owner, body).await;
    let link = app.post(&format!("/v1/polls/{poll}/views"), &owner, &json!({})).await.json();
    let mut wall = Browser::new(&app);
    let exchanged = wall.open(&format!("{poll}?view=stage&link={}", link["token"].as_str().unwrap())).await;
    assert_eq!((exchanged.status, exchanged.header("location")), (303, &*format!("{poll}?lang=en&view=stage")));
    let stage = wall.open(&format!("{poll}?view=stage")).await;
    assert!(stage.body.contains("<div data-version"), "{stage}");
    let live = async || Answer::of(wall.request(Method::GET, &format!("/p/{poll}/live"))).await;
    assert_eq!(live().await.status, 200);
    let other = poll_of(&app, json!({"results": "owner"})).await;
    let elsewhere = Answer::of(wall.request(Method::GET, &format!("/p/{other}/live"))).await;
    assert_eq!(elsewhere.status, 404, "{elsewhere}");
    let path = format!("/v1/polls/{poll}/views/{}", link["view_id"].as_str().unwrap());
    let deleted = Answer::of(app.request(Method::DELETE, &path).bearer_auth(&owner)).await;
    assert_eq!(deleted.status, 200, "{deleted}");
    assert_eq!(live().await.status, 404);
}

#[tokio::test]
async fn a_poll_that_is_counted_by_time_shows_its_results() {
    let app = App::new();
    let poll = poll_of(&app, json!({"series": true})).await;
    let mut browser = Browser::new(&app);
    let fields = hidden_fields(&browser.open(&poll).await);
    assert_eq!(browser.send(&poll, format!("{fields}&c=1")).await.status, 303);
    eventually("results with one vote", async || {
        let page = Answer::of(browser.request(Method::GET, &format!("/p/{poll}/results"))).await;
        if page.body.contains("1 vote<") { Ok(()) } else { Err(page.body) }
    })
    .await;
}
