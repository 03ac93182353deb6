//! What the gateway answers by itself.

use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use crate::support::{Answer, App, assert_problem, eventually, someone, while_changed};

const PATHS: [(&str, &[Method]); 8] = [
    ("/v1/polls", &[Method::POST, Method::GET, Method::HEAD]),
    ("/v1/polls/some-poll", &[Method::PATCH, Method::GET, Method::HEAD]),
    ("/v1/polls/some-poll/close", &[Method::POST]),
    ("/v1/polls/some-poll/votes", &[Method::POST]),
    ("/v1/polls/some-poll/votes/mine", &[Method::DELETE, Method::GET, Method::HEAD]),
    ("/v1/polls/some-poll/results", &[Method::GET, Method::HEAD]),
    ("/v1/polls/some-poll/results/mine", &[Method::GET, Method::HEAD]),
    ("/v1/devices", &[Method::POST]),
];

#[tokio::test]
async fn a_browser_may_call_every_path() {
    let app = App::new();
    for (path, methods) in PATHS {
        let preflight = app
            .request(Method::OPTIONS, path)
            .header("Origin", "https://example.org")
            .header("Access-Control-Request-Method", methods[0].as_str())
            .header("Access-Control-Request-Headers", "authorization,content-type");
        let answer = Answer::of(preflight).await;
        assert_eq!(answer.status, 200, "{path}: {answer}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-max-age"), "600");
        let exposed = answer.header("access-control-expose-headers").to_ascii_lowercase();
        assert!(exposed.contains("landslide-poll-after"), "{path}: {answer}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let allowed: Vec<&str> = answer.header("access-control-allow-methods").split(',').map(str::trim).collect();
        for method in methods {
            assert!(allowed.contains(&method.as_str()), "{path}: {answer}");
        }
        let headers = answer.header("access-control-allow-headers").to_ascii_lowercase();
        let headers: Vec<&str> = headers.split(',').map(str::trim).collect();
        assert_eq!(
            headers,
            ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match"],
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_wrong_verb_is_not_found() {
    let app = App::new();
    for (path, methods) in PATHS {
        // Verbs that no path will have, or not these.
        for method in [Method::PUT, Method::POST] {
            if !methods.contains(&method) {
                assert_not_found_with_and_without_token(&app, method, path).await;
            }
        }
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_try_again() {
    const METHOD: &str = "v1/devices/POST";
    let app = App::alone();
    let api = app.stack.output("ApiId");
    let (rate, burst) = app.aws.throttle(api, METHOD).await;
    let answer_of = async |status: u16| {
        eventually(&format!("answer {status}"), async || {
            let all = join_all((0..3).map(|_| Answer::of(app.request(Method::POST, "/v1/devices")))).await;
            let shown = format!("{:?}", all.iter().map(ToString::to_string).collect::<Vec<_>>());
            all.into_iter().find(|answer| answer.status == status).ok_or(shown)
        })
        .await
    };
    let refused = while_changed(
        app.aws.set_throttle(api, METHOD, ("1", "1")),
        answer_of(429),
        app.aws.set_throttle(api, METHOD, (&rate, &burst)),
    )
    .await;
    assert_problem(&refused, 429, "throttled");
    answer_of(201).await;
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let app = App::new();
    for path in ["/", "/v1", "/v2/polls", "/v1/poll", "/v1/polls/a/b", "/v1/polls/a/votes/yours", "/v1/devices/a"] {
        assert_not_found_with_and_without_token(&app, Method::GET, path).await;
    }
}

#[tokio::test]
async fn head_answers_with_the_status_and_headers_of_get() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, json!({"question": "Best colour?", "options": ["Red", "Blue"]})).await;
    assert_eq!(app.vote(&poll, &owner, &[0]).await.status, 201);
    let readable = PATHS.iter().filter(|(_, methods)| methods.contains(&Method::GET));
    let paths = readable.flat_map(|(path, _)| [(*path).to_owned(), path.replace("some-poll", &poll)]);
    for path in paths {
        for token in [Some(&owner), None] {
            let [get, head] = [Method::GET, Method::HEAD].map(|method| match token {
                Some(token) => app.request(method, &path).bearer_auth(token),
                None => app.request(method, &path),
            });
            let (get, head) = (Answer::of(get).await, Answer::of(head).await);
            assert_eq!((head.status, &*head.body), (get.status, ""), "{path}: {head}, GET: {get}");
            for name in ["content-type", "cache-control", "access-control-allow-origin", "www-authenticate"] {
                assert_eq!(head.headers.get(name), get.headers.get(name), "{path}: {head}, GET: {get}");
            }
        }
    }
}

/// A REST API takes an `Authorization` header for a signature where the path or the verb is unknown.
async fn assert_not_found_with_and_without_token(app: &App, method: Method, path: &str) {
    let token = app.account("alice");
    for request in [app.request(method.clone(), path), app.request(method.clone(), path).bearer_auth(token)] {
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 404, "{method} {path}: {answer}");
        assert_problem(&answer, 404, "not_found");
    }
}
