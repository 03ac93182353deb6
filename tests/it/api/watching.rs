//! Watching results, as a page or an app should: by the polite client of `landslide_watcher`.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use futures_util::future::join_all;
use http::Method;
use landslide_watcher::{Answer as Watched, Document, Version, Watcher, watch};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use crate::support::{Answer, App, assert_public_results, eventually, in_ms, someone, votes_by_option};

const WATCHERS: u64 = 12;
const VOTERS: u64 = 60;
/// Between two votes, so that there is something to watch for some time.
const VOTERS_PAUSE: Duration = Duration::from_millis(200);

fn seconds(answer: &Answer, name: &str) -> Option<u64> {
    answer.headers.get(name).map(|value| value.to_str().unwrap().parse().unwrap())
}

/// What came of a request for results.
fn watched(answer: &Answer) -> Watched<Value> {
    match answer.status {
        200 => {
            let results = answer.json();
            let number = |name: &str| results["version"][name].as_u64().unwrap();
            let version = Version { poll: number("poll"), counts: number("counts") };
            let (etag, is_final) = (answer.header("etag").to_owned(), results["final"] == true);
            Watched::Results(Document { etag, version, is_final, results }, seconds(answer, "landslide-poll-after"))
        }
        304 => Watched::Unchanged(seconds(answer, "landslide-poll-after")),
        429 | 500.. => Watched::Failed(seconds(answer, "retry-after")),
        status => Watched::Refused(status),
    }
}

/// What somebody saw who watched a poll, and how often it asked.
struct Seen {
    results: Vec<Value>,
    requests: u64,
    /// What the answers said in all that it should wait.
    told: Duration,
    /// From the first answer until the last request.
    waited: Duration,
}

/// Watches until that many ballots are shown.
async fn seen_until(app: &App, poll: &str, seed: u64, ballots: u64) -> Seen {
    let (all_are_shown, results) = (Notify::new(), RefCell::new(Vec::<Value>::new()));
    let (requests, told, answered) = (Cell::new(0), Cell::new(Duration::ZERO), Cell::new(None::<(Instant, Duration)>));
    let waited = Cell::new(Duration::ZERO);
    let ask = async |tag: Option<&str>| {
        if let Some((at, pause)) = answered.get() {
            told.set(told.get() + pause);
            waited.set(waited.get() + at.elapsed());
        }
        let request = app.request(Method::GET, &format!("/v1/polls/{poll}/results"));
        let answer =
            Answer::of(tag.into_iter().fold(request, |request, tag| request.header("If-None-Match", tag))).await;
        assert_public_results(&answer);
        requests.set(requests.get() + 1);
        let pause = Duration::from_secs(seconds(&answer, "landslide-poll-after").unwrap());
        answered.set(Some((Instant::now(), pause)));
        watched(&answer)
    };
    let show = |shown: &Value| {
        results.borrow_mut().push(shown.clone());
        if shown["ballots"] == ballots {
            all_are_shown.notify_one();
        }
    };
    tokio::select! {
        outcome = watch(Watcher::new(seed), ask, show) => panic!("nothing is final yet: {outcome:?}"),
        () = all_are_shown.notified() => {}
    }
    Seen { results: results.into_inner(), requests: requests.get(), told: told.get(), waited: waited.get() }
}

/// Fails if any number that was shown is lower than one shown before it.
fn assert_nothing_went_down(results: &[Value]) {
    let numbers = |shown: &Value| {
        let version = &shown["version"];
        let of_document =
            [&shown["ballots"], &version["poll"], &version["counts"]].map(|number| number.as_u64().unwrap());
        of_document.into_iter().chain(votes_by_option(shown)).collect::<Vec<u64>>()
    };
    for pair in results.windows(2) {
        let (before, after) = (numbers(&pair[0]), numbers(&pair[1]));
        assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "{before:?}, then {after:?}");
    }
}

#[tokio::test]
async fn all_who_watch_see_counts_rise_to_the_right_ones_and_ask_no_more_often_than_they_are_told() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let vote = async {
        for voter in 0..VOTERS {
            app.votes_for(&poll, [voter % 3]).await;
            tokio::time::sleep(VOTERS_PAUSE).await;
        }
    };
    let watchers = join_all((0..WATCHERS).map(|seed| seen_until(&app, &poll, seed, VOTERS)));
    let ((), seen) = tokio::join!(vote, watchers);
    for seen in &seen {
        assert_nothing_went_down(&seen.results);
        assert_eq!(votes_by_option(seen.results.last().unwrap()), [VOTERS / 3; 3]);
        assert!(seen.requests > 2, "it watched");
        assert!(seen.told <= seen.waited, "told to wait for {:?}, and waited for {:?}", seen.told, seen.waited);
        assert!(seen.requests - 1 <= seen.waited.as_secs(), "{} requests in {:?}", seen.requests, seen.waited);
    }
    app.assert_recounted(&poll, seen[0].results.last().unwrap()).await;
}

#[tokio::test]
async fn an_owner_who_expects_more_viewers_has_all_of_them_ask_less_often() {
    let app = App::new();
    let owner = app.account(&someone());
    let body = json!({"question": "Best colour?", "options": ["Red", "Blue"], "viewers": 1_000_000});
    let poll = app.poll_of(&owner, body).await;
    let path = format!("/v1/polls/{poll}/results");
    let first = app.get(&path).await;
    assert_eq!(seconds(&first, "landslide-poll-after"), Some(5), "{first}");
    let answer = app.change_poll(&poll, &owner, "\"1\"", &json!({"viewers": 2_000_000})).await;
    assert_eq!((answer.status, &answer.json()["viewers"]), (200, &json!(2_000_000)), "{answer}");
    let changed = eventually("results after the change", async || {
        let answer = app.get(&path).await;
        if answer.json()["version"]["poll"] == 2 { Ok(answer) } else { Err(answer.to_string()) }
    })
    .await;
    assert_eq!(seconds(&changed, "landslide-poll-after"), Some(10), "{changed}");
    assert_ne!(changed.header("etag"), first.header("etag"));
    // Another process may show what it has read before, for a second.
    eventually("the owner's results after the change", async || {
        let mine = app.my_results(&poll, &owner).await;
        assert_eq!(mine.header("cache-control"), "private, no-store");
        let is_the_same = (seconds(&mine, "landslide-poll-after"), mine.json()) == (Some(10), changed.json());
        if is_the_same { Ok(()) } else { Err(mine.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_poll_that_nobody_votes_in_is_asked_for_ever_less_often_and_so_is_one_that_is_not_open_yet() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let path = format!("/v1/polls/{poll}/results");
    assert_eq!(seconds(&app.get(&path).await, "landslide-poll-after"), Some(2), "nobody knows yet");
    eventually("a pause of 10 s", async || {
        let answer = app.get(&path).await;
        if seconds(&answer, "landslide-poll-after") == Some(10) { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
    let opens_at = in_ms(3_600_000);
    let scheduled = app.poll(json!({"question": "Later?", "options": ["a", "b"], "opens_at": opens_at})).await;
    let answer = app.get(&format!("/v1/polls/{scheduled}/results")).await;
    assert_eq!(seconds(&answer, "landslide-poll-after"), Some(10), "{answer}");
}
