//! Pages behind the CDN's rules: no reader gets what another one asked for.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use super::{Browser, SAME_ORIGIN, hidden_fields, poll_of};
use crate::support::{Answer, App, Origin, Varnish};

/// What somebody may send to have a cache keep something else than the page.
const POISONS: [(&str, &str); 10] = [
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Scheme", "http"),
    ("X-Original-URL", "/p/evil"),
    ("X-HTTP-Method-Override", "POST"),
    ("Forwarded", "host=evil.example"),
    ("Accept-Language", "ar"),
    ("Cookie", "__Host-landslide=evil"),
    ("Authorization", "Bearer evil"),
    ("Sec-Fetch-Dest", "iframe"),
    ("CloudFront-Viewer-Country", "XX"),
];

/// A browser whose requests go through the CDN.
fn through(varnish: &Varnish, app: &App) -> Browser {
    Browser { pages_url: varnish.url(), ..Browser::new(app) }
}

#[tokio::test]
async fn readers_at_once_are_voters_of_their_own_and_share_results() {
    let app = App::new();
    let origin = Origin::of_pages(&app).await;
    let Some(varnish) = Varnish::start(&origin).await else { return };
    let poll = poll_of(&app, json!({})).await;
    let mut browsers: Vec<Browser> = (0..8).map(|_| through(&varnish, &app)).collect();
    let pages = join_all(browsers.iter_mut().map(|browser| browser.open(&poll))).await;
    let cookies: BTreeSet<&str> = pages.iter().map(|page| page.header("set-cookie")).collect();
    assert_eq!(cookies.len(), browsers.len());
    let votes = browsers.iter().zip(&pages).map(|(browser, page)| {
        let form = format!("{}&c=1", hidden_fields(page));
        Answer::of(browser.form(&poll, form).header(SAME_ORIGIN.0, SAME_ORIGIN.1))
    });
    for vote in join_all(votes).await {
        assert_eq!(vote.status, 303, "{vote}");
    }
    app.results_settle_at(&poll, browsers.len() as u64).await;
    let own = join_all(browsers.iter_mut().map(|browser| browser.open(&poll))).await;
    assert!(own.iter().all(|page| page.body.contains("Your vote:")));
    let before = origin.count();
    let path = format!("/p/{poll}/results?lang=en");
    let shared = join_all(browsers.iter().map(|it| Answer::of(it.request(Method::GET, &path)))).await;
    assert!(shared.iter().all(|answer| answer.status == 200 && answer.body == shared[0].body));
    assert!(origin.count() - before < browsers.len(), "{} requests reached the origin", origin.count() - before);
}

#[tokio::test]
async fn no_header_and_no_query_of_one_reader_changes_what_another_one_gets() {
    let app = App::new();
    let origin = Origin::of_pages(&app).await;
    let Some(varnish) = Varnish::start(&origin).await else { return };
    let poll = poll_of(&app, json!({"embed": ["https://news.example"]})).await;
    let browser = through(&varnish, &app);
    let results = format!("/p/{poll}/results?lang=de");
    let clean = async |path: &str| Answer::of(browser.request(Method::GET, path)).await;
    for (name, value) in POISONS {
        for path in [&results, &format!("/p/{poll}?lang=de")] {
            let poisoned = format!("{path}&evil=%3Cscript%3E&callback=evil");
            Answer::of(browser.request(Method::GET, &poisoned).header(name, value)).await;
            let answer = clean(path).await;
            assert_eq!(answer.status, 200, "{name}: {answer}");
            assert!(!answer.body.contains("evil") && answer.header("content-language") == "de", "{name}: {answer}");
        }
        let page = clean(&format!("/p/{poll}?lang=de")).await;
        assert!(page.body.contains("<form"), "{name}: {page}");
    }
    // Each of these leads to a page for one reader, or to nobody's.
    for path in ["live", "live?lang=de", "sign-in", "%2e%2e/p/results"] {
        let answer = clean(&format!("/p/{poll}/{path}")).await;
        assert!(!answer.header("cache-control").contains("public"), "{path}: {answer}");
    }
}
