//! What the gateway answers by itself.

use futures_util::future::join_all;
use http::Method;

use crate::support::{Answer, App, assert_problem, eventually, while_changed};

const PATHS: [(&str, &[Method]); 8] = [
    ("/v1/polls", &[Method::POST, Method::GET]),
    ("/v1/polls/some-poll", &[Method::PATCH, Method::GET]),
    ("/v1/polls/some-poll/close", &[Method::POST]),
    ("/v1/polls/some-poll/votes", &[Method::POST]),
    ("/v1/polls/some-poll/votes/mine", &[Method::DELETE, Method::GET]),
    ("/v1/polls/some-poll/results", &[Method::GET]),
    ("/v1/polls/some-poll/results/mine", &[Method::GET]),
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
            if methods.contains(&method) {
                continue;
            }
            let request = app.request(method.clone(), path).bearer_auth(app.account("alice"));
            let answer = Answer::of(request).await;
            assert_eq!(answer.status, 404, "{method} {path}: {answer}");
            assert_problem(&answer, 404, "not_found");
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
        let answer = app.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {answer}");
        assert_problem(&answer, 404, "not_found");
    }
}
