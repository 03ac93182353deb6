//! GET /v1/analytics/… in a stack with or without analytics. What they show is in `pipeline::analytics`.

use http::Method;

use crate::support::{Answer, App, assert_headers_of_all, assert_problem, someone};

#[tokio::test]
async fn each_route_is_there_in_a_stack_with_analytics_alone_and_nobody_may_keep_its_answer() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, serde_json::json!({"question": "Q", "options": ["a", "b"]})).await;
    for path in ["polls", "days", "segments", &*format!("polls/{poll}/history")] {
        let request = app.request(Method::GET, &format!("/v1/analytics/{path}")).bearer_auth(&owner);
        let answer = Answer::of(request).await;
        if app.stack.has("analytics") {
            // The poll's copy may not be there yet.
            assert!(answer.status == 200 || path.starts_with("polls/") && answer.status == 404, "{path}: {answer}");
        } else {
            assert_problem(&answer, 404, "not_found");
            assert!(answer.body.contains("This deployment has no analytics."), "{answer}");
        }
        assert_eq!(answer.header("cache-control"), "private, no-store", "{answer}");
        assert_headers_of_all(&answer);
    }
    assert_problem(&app.get("/v1/analytics/polls").await, 401, "unauthorized");
}
