//! The CDN's rules (infra/cdn.yaml) in Varnish, in front of an origin that counts: what is kept and by which key, herds, a
//! restart, and an origin that is slow or fails. What is kept of the API's own answers is in `api::caching`.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use http::Method;
use reqwest::Client;

use crate::support::{Origin, PROOF, Says, Varnish, eventually};

/// Results, as they will say who may keep them.
const RESULTS: Says =
    Says { status: 200, cache_control: "public, max-age=1, stale-while-revalidate=1, stale-if-error=10", cookie: None };
/// Results that nobody has to ask for again while a test runs.
const FOR_LONG: Says = Says { cache_control: "public, max-age=60", ..RESULTS };
/// A problem.
const PROBLEM: Says = Says { status: 503, cache_control: "private, no-store", cookie: None };
/// How long results of `RESULTS` are kept at most, unless their origin fails.
const EXPIRED: Duration = Duration::from_millis(2_200);
/// How many clients a herd has.
const HERD: usize = 1_000;

const PATH: &str = "/v1/polls/K-8jCdoGHg9WCTErRZ2thA/results";

/// A CDN before an origin, and who asks.
struct Scene {
    origin: Origin,
    varnish: Varnish,
    http: Client,
}

/// An answer as far as these tests look at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Got {
    status: u16,
    body: String,
}

impl Scene {
    /// `None` where there is no Varnish.
    async fn new(says: Says) -> Option<Self> {
        let origin = Origin::scripted(says).await;
        let varnish = Varnish::start(&origin).await?;
        Some(Self { origin, varnish, http: Client::builder().timeout(Duration::from_secs(60)).build().unwrap() })
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Got {
        let mut request = self.http.request(method, self.varnish.url() + path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        Got { status: answer.status().as_u16(), body: answer.text().await.unwrap() }
    }

    async fn get(&self, path: &str) -> Got {
        self.send(Method::GET, path, &[]).await
    }

    /// What clients get who ask at once.
    async fn herd(&self, clients: usize) -> BTreeSet<Got> {
        join_all((0..clients).map(|_| self.get(PATH))).await.into_iter().collect()
    }
}

fn got(status: u16, number: usize) -> Got {
    Got { status, body: format!("answer {number}") }
}

#[tokio::test]
async fn results_are_shared_by_path_and_listed_query_names_and_reach_the_origin_without_the_rest() {
    let Some(scene) = Scene::new(FOR_LONG).await else { return };
    let first = scene.send(Method::GET, &format!("{PATH}?utm=1&by=a&x"), &[("authorization", "Bearer a")]).await;
    for (query, header) in [
        ("?by=a", ("authorization", "Bearer b")),
        ("?by=a&utm=2", ("cookie", "a=1")),
        ("?_=3&by=a", ("origin", "https://example.org")),
        ("?by=a&byte=1&&", ("accept-language", "nl")),
    ] {
        assert_eq!(scene.send(Method::GET, &format!("{PATH}{query}"), &[header]).await, first, "{query}");
    }
    let seen = scene.origin.last();
    assert_eq!((scene.origin.count(), &*seen.target), (1, &*format!("{PATH}?by=a")));
    for dropped in
        ["authorization", "cookie", "origin", "accept-language", "accept-encoding", "landslide-origin-verify"]
    {
        assert_eq!(seen.headers.get(dropped), None, "{dropped}");
    }
    let mut others = BTreeSet::from([first]);
    for query in ["", "?by=b", "?by=a&step=60", "?by=a&from=1", "?to=1", "?lang=nl", "?view=a", "?method=irv"] {
        assert!(others.insert(scene.get(&format!("{PATH}{query}")).await), "{query} has a key of its own");
    }
    for kind in ["segments", "series"] {
        assert_eq!(scene.get(&format!("{PATH}/{kind}?a=1")).await, scene.get(&format!("{PATH}/{kind}?a=2")).await);
    }
}

#[tokio::test]
async fn all_other_paths_and_methods_reach_the_origin_as_they_were_sent() {
    let Some(scene) = Scene::new(FOR_LONG).await else { return };
    let token = [("authorization", "Bearer a"), ("cookie", "a=1"), ("if-match", "\"1\"")];
    for path in [
        "/v1/polls",
        "/v1/polls/a",
        "/v1/polls/a/results/",
        "/v1/polls/a/results/mine",
        "/v1/polls/a/results/mine/segments?by=a&x=1",
        "/v1/polls/a/results/mine/series",
        "/v1/polls/a/votes/mine",
        "/v1/keys?results",
    ] {
        for number in 1..=2 {
            let before = scene.origin.count();
            scene.send(Method::GET, path, &token).await;
            let seen = scene.origin.last();
            assert_eq!((scene.origin.count(), &*seen.target), (before + 1, path), "time {number}");
            assert!(token.iter().all(|(name, value)| seen.headers[*name] == *value), "{path}: {seen:?}");
        }
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let before = scene.origin.count();
        scene.send(method.clone(), PATH, &[]).await;
        assert_eq!((scene.origin.count(), scene.origin.last().method), (before + 1, method));
    }
}

#[tokio::test]
async fn what_is_private_is_never_kept_even_where_results_are() {
    let Some(scene) = Scene::new(RESULTS).await else { return };
    for cache_control in ["private, no-store", "no-store", "private, max-age=60", "no-cache", "public, max-age=0"] {
        scene.origin.says(Says { cache_control, ..RESULTS });
        let path = format!("{PATH}?by={}", cache_control.len());
        assert_ne!(scene.get(&path).await, scene.get(&path).await, "{cache_control}");
    }
}

#[tokio::test]
async fn a_vote_carries_the_country_and_its_proof_and_nothing_else_does() {
    let Some(scene) = Scene::new(FOR_LONG).await else { return };
    let sent =
        [("test-viewer-country", "NL"), ("cloudfront-viewer-country", "US"), ("landslide-origin-verify", "guess")];
    for (method, path) in [(Method::POST, "/v1/polls/a/votes"), (Method::GET, "/p/a")] {
        scene.send(method, path, &sent).await;
        let headers = scene.origin.last().headers;
        assert_eq!(
            (&headers["cloudfront-viewer-country"], &headers["landslide-origin-verify"]),
            (&"NL".parse().unwrap(), &PROOF.parse().unwrap())
        );
    }
    for path in ["/v1/polls/a/votes/", "/v1/polls/a/votes/mine", "/v1/polls/a", "/v1/polls/a/results"] {
        scene.send(Method::POST, path, &sent).await;
        assert_ne!(scene.origin.last().headers["landslide-origin-verify"], PROOF, "{path}");
    }
    // Who sends no country's header and comes from nowhere has none.
    scene.send(Method::POST, "/v1/polls/a/votes", &[("cloudfront-viewer-country", "US")]).await;
    assert_eq!(scene.origin.last().headers.get("cloudfront-viewer-country"), None);
}

#[tokio::test]
async fn pages_are_kept_by_country_and_token_for_a_second_at_most() {
    let Some(scene) = Scene::new(FOR_LONG).await else { return };
    let page = async |country: &'static str, token: &'static str| {
        scene.send(Method::GET, "/p/a", &[("test-viewer-country", country), ("authorization", token)]).await
    };
    let pages = [page("NL", "a").await, page("BE", "a").await, page("NL", "b").await];
    assert_eq!(BTreeSet::from(pages.clone()).len(), 3);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(!pages.contains(&page("NL", "a").await), "the origin grants a minute, the policy a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_after_expiry_are_one_request_to_the_origin() {
    let Some(scene) = Scene::new(RESULTS).await else { return };
    assert_eq!(scene.get(PATH).await, got(200, 1));
    scene.origin.says(FOR_LONG);
    tokio::time::sleep(EXPIRED).await;
    assert_eq!(scene.herd(HERD).await, BTreeSet::from([got(200, 2)]));
    assert_eq!(scene.origin.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cdn_that_restarts_asks_once_for_a_thousand_clients() {
    let Some(mut scene) = Scene::new(FOR_LONG).await else { return };
    scene.get(PATH).await;
    scene.varnish.restart().await;
    assert_eq!(scene.herd(HERD).await, BTreeSet::from([got(200, 2)]));
    assert_eq!(scene.origin.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_origin_is_asked_once_and_an_old_answer_serves_meanwhile() {
    let Some(scene) = Scene::new(FOR_LONG).await else { return };
    let hold = scene.origin.hold().await;
    let herd = scene.herd(HERD);
    let release = async {
        eventually("request at the origin", async || match scene.origin.count() {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        })
        .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(hold);
    };
    assert_eq!(tokio::join!(herd, release).0, BTreeSet::from([got(200, 1)]));
    assert_eq!(scene.origin.count(), 1);

    // An answer that has just expired is shown while its successor is on its way. A machine that is held up for a second
    // comes too late for that, and tries again.
    scene.origin.says(RESULTS);
    eventually("answer while the origin is silent", async || {
        let path = format!("{PATH}?by={}", scene.origin.count());
        let first = scene.get(&path).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let hold = scene.origin.hold().await;
        let meanwhile = tokio::time::timeout(Duration::from_secs(5), scene.get(&path)).await;
        drop(hold);
        if meanwhile.as_ref() == Ok(&first) { Ok(()) } else { Err(format!("{meanwhile:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_origin_fails_an_old_answer_serves_for_as_long_as_it_allows() {
    let old = Says { cache_control: "public, max-age=1, stale-while-revalidate=1, stale-if-error=6", ..RESULTS };
    let Some(scene) = Scene::new(old).await else { return };
    assert_eq!(scene.get(PATH).await, got(200, 1));
    scene.origin.says(PROBLEM);
    tokio::time::sleep(EXPIRED).await;
    let began = Instant::now();
    assert_eq!(scene.herd(100).await, BTreeSet::from([got(200, 1)]));
    // Once a second it is asked whether it still fails.
    let asked = scene.origin.count() - 1;
    assert!((1..=1 + began.elapsed().as_secs() as usize).contains(&asked), "asked {asked} times");

    eventually("end of the old answer", async || match scene.get(PATH).await {
        got if got.status == 503 => Ok(()),
        got => Err(format!("{got:?}")),
    })
    .await;
    scene.origin.says(RESULTS);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(scene.get(PATH).await.status, 200, "an error is kept for a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_kept_for_a_second_as_it_is_and_a_404_not_at_all() {
    let Some(scene) = Scene::new(PROBLEM).await else { return };
    let began = Instant::now();
    let answers = scene.herd(100).await;
    let asked = scene.origin.count();
    assert!((1..=1 + began.elapsed().as_secs() as usize).contains(&asked), "asked {asked} times");
    assert_eq!(answers, (1..=asked).map(|number| got(503, number)).collect(), "the origin's own words");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(scene.get(PATH).await, got(503, asked + 1), "asked again");

    scene.origin.says(Says { status: 404, ..PROBLEM });
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for number in [asked + 2, asked + 3] {
        assert_eq!(scene.get(PATH).await, got(404, number));
    }
    scene.origin.says(RESULTS);
    assert_eq!(scene.get(PATH).await, got(200, asked + 4));
}

/// Has a thousand clients ask once a second each, and a thousand more all at once in the middle, as at a closing. Holds
/// the origin to two requests a second.
async fn watch_a_closing(scene: &Scene, watched: Duration) {
    let began = Instant::now();
    let is_over = || began.elapsed() >= watched;
    let client = async || {
        let mut last = 0;
        while !is_over() {
            tokio::time::sleep(Duration::from_secs(1).mul_f64(0.75 + 0.5 * fastrand::f64())).await;
            let got = scene.get(PATH).await;
            let number: usize = got.body.trim_start_matches("answer ").parse().unwrap();
            assert!(got.status == 200 && number >= last, "{got:?} after answer {last}");
            last = number;
        }
        last
    };
    let closing = async {
        tokio::time::sleep(watched / 2).await;
        let until_closing = scene.origin.count();
        scene.herd(HERD).await;
        until_closing
    };
    let (last, until_closing) = tokio::join!(join_all((0..HERD).map(|_| client())), closing);
    let (asked, most, seconds) = (scene.origin.count(), scene.origin.most_in_a_second(), began.elapsed().as_secs_f64());
    println!("{HERD} clients for {seconds:.1} s: {asked} requests to the origin, at most {most} in a second");
    assert!(last.into_iter().all(|last| last > until_closing), "all have seen what the origin says since the closing");
    assert!(asked as f64 <= 2.0 * seconds + 1.0 && most <= 10, "{asked} requests in {seconds} s, {most} in a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pollers_over_a_closing_cost_the_origin_two_requests_a_second_at_most() {
    let Some(scene) = Scene::new(RESULTS).await else { return };
    watch_a_closing(&scene, Duration::from_secs(6)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of a minute: make test-it ARGS='--ignored --nocapture a_minute_of_a_thousand_pollers'"]
async fn a_minute_of_a_thousand_pollers_over_a_closing() {
    let Some(scene) = Scene::new(RESULTS).await else { return };
    watch_a_closing(&scene, Duration::from_secs(60)).await;
}
