use std::time::SystemTime;

use lambda_http::Context;
use landslide_aws::{
    clock::SystemClock,
    store::LimitStore,
    testing::{Answer, Call, Calls, stub},
};
use landslide_domain::{
    limits::{DayUse, Limits, Quota, Standing},
    time::Timestamp,
};
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
        "route": [request.method(), request.last_segment()],
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

/// A tenant's requests, counted in a table that answers so.
fn limits(answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static) -> (TenantLimits, Calls) {
    let (aws, calls) = stub(answer);
    let of_all = Limits { polls_per_day: 5, open_polls: 5, requests_per_minute: 10 };
    (TenantLimits::over(LimitStore::new(&aws, "tenants".to_owned()), of_all, SystemClock), calls)
}

/// A day in whose current minute that many requests are counted.
fn day(in_minute: u32) -> Value {
    let minute = clock::now().minute().as_millis().to_string();
    json!({"requests": {"N": "77"}, "minute": {"N": minute}, "in_minute": {"N": in_minute.to_string()}, "polls": {"N": "2"}})
}

/// What comes of the event, and what the endpoint answers if it gets to see the request.
async fn answered(limits: &TenantLimits, event: Value, outcome: Result<Reply, landslide_edge::Error>) -> Value {
    let outcome = std::sync::Mutex::new(Some(outcome));
    let endpoint = async |_, _| outcome.lock().unwrap().take().unwrap();
    let mut context = Context::default();
    context.deadline = clock::now().plus_millis(60_000).as_millis();
    let request = lambda_http::request::from_str(&event.to_string()).unwrap().with_lambda_context(context);
    let edge = Edge::new("*".to_owned());
    serde_json::to_value(answer_member(&edge, limits, &Arc::new(()), &endpoint, read(request)).await).unwrap()
}

fn headers(response: &Value) -> [Option<&str>; 3] {
    ["ratelimit-policy", "ratelimit", "retry-after"].map(|name| response["headers"][name].as_str())
}

/// Without the time that is left, which passes.
fn without_time(header: Option<&str>) -> &str {
    header.unwrap().split(";t=").next().unwrap()
}

#[tokio::test]
async fn success_and_failure_say_what_is_left() {
    let (limits, _) = limits(|call, _| match call.operation.as_str() {
        "UpdateItem" => Answer::Ok(json!({"Attributes": day(4)})),
        _ => Answer::Ok(json!({})),
    });
    for (outcome, status) in [
        (Ok(Reply::empty(StatusCode::NO_CONTENT)), 204),
        (Err(Failure::NotOwner.into()), 403),
        (Err(Failure::Unavailable("the Polls table is away".to_owned()).into()), 503),
    ] {
        let response = answered(&limits, gateway_event(), outcome).await;
        let [policy, left, _] = headers(&response);
        assert_eq!(response["statusCode"], status);
        assert_eq!(policy, Some("\"requests\";q=10;w=60"));
        assert_eq!(without_time(left), "\"requests\";r=6");
    }
}

#[tokio::test]
async fn what_creates_a_poll_says_what_is_left_of_the_days_polls_too() {
    let (limits, _) = limits(|call, _| match call.operation.as_str() {
        "UpdateItem" => Answer::Ok(json!({"Attributes": day(4)})),
        _ => Answer::Ok(json!({})),
    });
    let standing = Standing {
        limits: Limits { polls_per_day: 5, open_polls: 5, requests_per_minute: 10 },
        used: DayUse { polls: 2, ..DayUse::default() },
        now: clock::now(),
    };
    let created = Reply::empty(StatusCode::CREATED).quota(standing.polls_after(1));
    let response = answered(&limits, gateway_event(), Ok(created)).await;
    let [policy, left, _] = headers(&response);
    assert_eq!(policy, Some("\"requests\";q=10;w=60, \"polls\";q=5;w=86400"));
    assert!(left.unwrap().contains(", \"polls\";r=2;t="), "{left:?}");
    let refused = Failure::LimitExceeded(Quota::no_more_polls(&standing.limits, standing.now));
    let response = answered(&limits, gateway_event(), Err(refused.into())).await;
    let [_, left, retry_after] = headers(&response);
    assert_eq!(response["statusCode"], 429);
    assert!(left.unwrap().contains(", \"polls\";r=0;t="), "{left:?}");
    assert!((1..=86_400).contains(&retry_after.unwrap().parse::<u64>().unwrap()), "{retry_after:?}");
}

#[tokio::test]
async fn one_request_too_many_is_refused_and_a_storm_of_them_costs_one_write() {
    let (limits, calls) = limits(|call, _| match call.operation.as_str() {
        "UpdateItem" => Answer::condition_failed(day(10)),
        _ => Answer::Ok(json!({})),
    });
    for _ in 0..20 {
        let response = answered(&limits, gateway_event(), Ok(Reply::empty(StatusCode::NO_CONTENT))).await;
        let [_, left, retry_after] = headers(&response);
        assert_eq!(response["statusCode"], 429, "{response}");
        assert!(response["body"].as_str().unwrap().contains("\"code\":\"limit_exceeded\""), "{response}");
        assert_eq!(without_time(left), "\"requests\";r=0");
        assert!((1..=60).contains(&retry_after.unwrap().parse::<u64>().unwrap()), "{response}");
    }
    let writes = calls.operations().iter().filter(|operation| *operation == "UpdateItem").count();
    // Or two, if a minute ended meanwhile.
    assert!((1..=2).contains(&writes), "{writes} writes");
}

#[tokio::test]
async fn nobody_is_served_while_requests_can_not_be_counted() {
    for silent in ["UpdateItem", "GetItem"] {
        let (limits, _) = limits(move |call, _| match call.operation.as_str() {
            operation if operation == silent => Answer::throttled(),
            "UpdateItem" => Answer::Ok(json!({"Attributes": day(4)})),
            _ => Answer::Ok(json!({})),
        });
        let response = answered(&limits, gateway_event(), Ok(Reply::empty(StatusCode::NO_CONTENT))).await;
        assert_eq!(response["statusCode"], 503, "{silent}: {response}");
    }
}

#[tokio::test]
async fn who_is_no_member_is_not_counted() {
    let (limits, calls) = limits(|_, _| Answer::Ok(json!({})));
    let mut event = gateway_event();
    event["requestContext"]["authorizer"]["kind"] = json!("device");
    let refused = Err(Failure::NoRole.into());
    let response = answered(&limits, event, refused).await;
    assert_eq!((&response["statusCode"], headers(&response)), (&json!(403), [None; 3]));
    assert_eq!(calls.operations(), [""; 0]);
}
