use std::time::SystemTime;

use lambda_http::Context;
use landslide_aws::clock;
use landslide_domain::time::Timestamp;
use landslide_edge::StatusCode;
use serde_json::{Value, json};

use super::*;

/// A request from Alice, as the gateway sends it.
fn gateway_event() -> Value {
    json!({
        "resource": "/v1/polls/{poll_id}", "path": "/v1/polls/p1", "httpMethod": "PATCH",
        "headers": {"Content-Type": "application/json", "If-Match": "\"3\"", "Host": "api.example.org", "X-Name": "José"},
        "multiValueHeaders": {"Content-Type": ["application/json"], "If-Match": ["\"3\""], "X-Name": ["José"]},
        "queryStringParameters": {"limit": "20", "cursor": "b c"}, "multiValueQueryStringParameters": {"limit": ["10", "20"], "cursor": ["b c"]},
        "pathParameters": {"poll_id": "p1"}, "stageVariables": null,
        "requestContext": {
            "requestId": "r-1", "httpMethod": "PATCH", "resourcePath": "/v1/polls/{poll_id}", "stage": "prod", "path": "/prod/v1/polls/p1",
            "identity": {"sourceIp": "192.0.2.1"}, "accountId": "000000000000", "apiId": "a",
            "authorizer": {
                "principalId": "alice", "issuer": "https://id.example.org", "subject": "alice", "kind": "account",
                "expires_at": "4102444800000", "integrationLatency": 7,
            },
        },
        "body": "{\"question\": \"Best colour?\"}", "isBase64Encoded": false,
    })
}

/// The request, parsed by this crate and by `landslide_edge`.
fn read_by_both(event: &Value) -> [Request; 2] {
    let text = event.to_string();
    let all = self::event(lambda_http::request::from_str(&text).unwrap());
    [all, serde_json::from_str(&text).unwrap()].map(|event| Request::new(event, SystemTime::now()))
}

/// Everything that an endpoint may ask a request.
fn seen(request: Request) -> Value {
    let caller = request.caller(Timestamp::EPOCH);
    json!({
        "id": request.id(),
        "poll": request.poll_id().unwrap().as_str(),
        "is_mine": request.is_mine(),
        "caller": format!("{caller:?}"),
        "if_match": format!("{:?}", request.if_match()),
        "idempotency_key": format!("{:?}", request.idempotency_key()),
        "query": [request.query("limit"), request.query("cursor"), request.query("absent")],
        "body": format!("{:?}", request.json::<Value>(1_000)),
    })
}

#[test]
fn an_endpoint_sees_the_same_by_either_reader() {
    let changed = |changes: Value| {
        let mut event = gateway_event();
        event.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        event
    };
    let events = [
        gateway_event(),
        changed(json!({"body": "eyJhIjogMX0=", "isBase64Encoded": true})),
        changed(json!({"body": null, "queryStringParameters": null, "multiValueQueryStringParameters": null})),
        changed(json!({"headers": {"idempotency-key": "é"}, "multiValueHeaders": {"idempotency-key": ["é"]}})),
        changed(json!({"headers": null, "multiValueHeaders": null, "path": "/v1/polls/é b"})),
        changed(
            json!({"requestContext": {"requestId": "r-2", "httpMethod": "GET", "resourcePath": "/v1/polls/{poll_id}/votes/mine"}}),
        ),
    ];
    for event in events {
        let [all, few] = read_by_both(&event).map(seen);
        assert_eq!(all, few, "{event}");
    }
    let [seen, _] = read_by_both(&gateway_event()).map(seen);
    assert_eq!(seen["query"], json!(["20", "b c", null]), "{seen}");
    assert!(seen["caller"].to_string().contains("https://id.example.org"), "{seen}");
}

#[tokio::test]
async fn a_reply_is_the_response_with_its_status_headers_and_body() {
    let (edge, app) = (Edge::new("https://example.org".to_owned()), Arc::new(()));
    let endpoint = async |_, _| Ok(Reply::json(StatusCode::CREATED, &json!({"a": 1}))?.etag(7).location("polls/p1"));
    let mut context = Context::default();
    context.deadline = clock::now().plus_millis(60_000).as_millis();
    let request = lambda_http::request::from_str(&gateway_event().to_string()).unwrap().with_lambda_context(context);
    let response = service(&edge, &app, &endpoint).call(request).await.unwrap();
    assert_eq!((response.status(), &**response.body()), (StatusCode::CREATED, r#"{"a":1}"#));
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("etag"), Some("\"7\""));
    assert_eq!(header("location"), Some("polls/p1"));
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("access-control-allow-origin"), Some("https://example.org"));
}
