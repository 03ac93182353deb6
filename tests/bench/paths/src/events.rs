//! Requests as the gateway hands them over: with all that a browser and the gateway put into them.

use base64::{Engine, prelude::BASE64_STANDARD};
use landslide_aws::clock;
use landslide_ballots::segmented::Said;
use serde_json::{Map, Value, json};

use crate::votes::{POLL, RANKED_POLL, SEGMENTED_POLL};

/// Headers of a browser's request, and those that AWS adds.
const HEADERS: [(&str, &str); 16] = [
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    ("Content-Type", "application/json"),
    ("Host", "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"),
    ("If-Match", "\"1\""),
    ("Origin", "https://show.example.org"),
    ("Referer", "https://show.example.org/"),
    ("sec-ch-ua-mobile", "?1"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "cors"),
    (
        "User-Agent",
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
    ),
    ("X-Amzn-Trace-Id", "Root=1-68c98b27-5d1a6b5b2c9f4a7e1b3d5f70"),
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Forwarded-Port", "443"),
    ("X-Forwarded-Proto", "https"),
];

/// The route of a poll's page.
const PAGE: &str = "/p/{poll_id}";

/// The id of an API key and of a view link.
const TOKEN_ID: &str = "01010101010101010101";

/// Who calls.
#[derive(Clone, Copy)]
pub enum By {
    /// Nobody.
    Nobody,
    /// A device.
    Device,
    /// The account that owns all polls.
    Owner,
}

impl By {
    /// The authorizer's context, as the gateway passes it on.
    fn context(self) -> Value {
        let (issuer, subject, kind) = match self {
            By::Nobody => return Value::Null,
            By::Device => ("urn:landslide:device", "BwcHBwcHBwcHBwcHBwcHBw", "device"),
            By::Owner => ("https://id.example.org", "owner", "account"),
        };
        let expires_at = clock::now().plus_millis(3_600_000).as_millis().to_string();
        json!({"principalId": subject, "integrationLatency": 0, "issuer": issuer, "subject": subject, "kind": kind, "expires_at": expires_at})
    }
}

/// A request of the poll, or of all polls. `If-Match` goes along only with a change of a poll.
pub fn request(method: &str, resource: &str, by: By, body: Option<&Value>) -> Vec<u8> {
    request_of(POLL, method, resource, by, body)
}

fn request_of(poll: &str, method: &str, resource: &str, by: By, body: Option<&Value>) -> Vec<u8> {
    let sent = HEADERS.iter().filter(|(name, _)| *name != "If-Match" || method == "PATCH");
    let headers: Map<String, Value> = sent.clone().map(|(name, value)| (name.to_string(), json!(value))).collect();
    let multi: Map<String, Value> = sent.map(|(name, value)| (name.to_string(), json!([value]))).collect();
    let parameters = [("poll_id", poll), ("key_id", TOKEN_ID), ("view_id", TOKEN_ID)];
    let of_path = parameters.iter().filter(|(name, _)| resource.contains(&format!("{{{name}}}")));
    let of_path: Map<String, Value> = of_path.map(|(name, value)| (name.to_string(), json!(value))).collect();
    let path =
        parameters.iter().fold(resource.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
    let event = json!({
        "resource": resource, "path": path, "httpMethod": method, "headers": headers, "multiValueHeaders": multi,
        "queryStringParameters": null, "multiValueQueryStringParameters": null, "pathParameters": if of_path.is_empty() { Value::Null } else { of_path.into() },
        "stageVariables": null, "requestContext": context(method, resource, &path, by.context()),
        "body": body.map(Value::to_string), "isBase64Encoded": false,
    });
    serde_json::to_vec(&event).unwrap()
}

/// A vote for one option.
pub fn vote() -> Vec<u8> {
    request("POST", "/v1/polls/{poll_id}/votes", By::Device, Some(&json!({"choices": [1]})))
}

/// A vote that ranks as many options as it may.
pub fn ranked_vote() -> Vec<u8> {
    let body = json!({"ranking": [4, 1, 9, 0, 2]});
    request_of(RANKED_POLL, "POST", "/v1/polls/{poll_id}/votes", By::Device, Some(&body))
}

/// A vote for one option, with a value of each dimension.
pub fn segmented_vote() -> Vec<u8> {
    let said = Said { choice: 1, places: [7, 33] };
    let segments: Map<String, Value> = said.segments().map(|(name, value)| (name, value.into())).collect();
    let body = json!({"choices": [said.choice], "segments": segments});
    request_of(SEGMENTED_POLL, "POST", "/v1/polls/{poll_id}/votes", By::Device, Some(&body))
}

/// A request of a poll's results.
pub fn results(poll: &str) -> Vec<u8> {
    request_of(poll, "GET", "/v1/polls/{poll_id}/results", By::Nobody, None)
}

/// A browser's first request of the poll's page.
pub fn page() -> Vec<u8> {
    request("GET", PAGE, By::Nobody, None)
}

/// The form of the poll's page, as the gateway hands over bodies of any type, from a device with this token.
pub fn page_vote(token: &str) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(&request("POST", PAGE, By::Nobody, None)).unwrap();
    let sent = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Cookie", &format!("__Host-landslide={token}")),
        ("sec-fetch-site", "same-origin"),
    ];
    for (name, value) in sent {
        event["headers"][name] = json!(value);
        event["multiValueHeaders"][name] = json!([value]);
    }
    event["body"] = json!(BASE64_STANDARD.encode("c=1"));
    event["isBase64Encoded"] = json!(true);
    serde_json::to_vec(&event).unwrap()
}

/// The kept GraphQL query of the poll's results.
pub fn kept_query() -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(&request("GET", "/v1/graphql/{query_id}", By::Nobody, None)).unwrap();
    event["pathParameters"] = json!({"query_id": "results"});
    let variables = json!({"poll_id": POLL}).to_string();
    event["queryStringParameters"] = json!({"variables": variables});
    event["multiValueQueryStringParameters"] = json!({"variables": [variables]});
    serde_json::to_vec(&event).unwrap()
}

/// A GraphQL query of the poll's results, in its owner's name.
pub fn query() -> Vec<u8> {
    let query = format!("{{ counts(poll_id: \"{POLL}\") {{ results {{ ballots options {{ id votes }} as_of }} }} }}");
    request("POST", "/v1/graphql", By::Owner, Some(&json!({ "query": query })))
}

/// What the gateway asks the authorizer about a vote with that token.
pub fn authorization(token: &str) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(&vote()).unwrap();
    event["type"] = json!("REQUEST");
    event["methodArn"] =
        json!(format!("arn:aws:execute-api:us-east-1:000000000000:a1b2c3d4e5/prod/POST/v1/polls/{POLL}/votes"));
    event["headers"]["Authorization"] = json!(format!("Bearer {token}"));
    event["multiValueHeaders"]["Authorization"] = json!([format!("Bearer {token}")]);
    event["requestContext"]["authorizer"] = Value::Null;
    serde_json::to_vec(&event).unwrap()
}

fn context(method: &str, resource: &str, path: &str, authorizer: Value) -> Value {
    json!({
        "resourceId": "abc123", "authorizer": authorizer, "resourcePath": resource, "httpMethod": method,
        "extendedRequestId": "RkL4zGk9oAMEbZg=", "requestTime": "21/Sep/2026:13:34:00 +0000", "path": format!("/prod{path}"),
        "accountId": "000000000000", "protocol": "HTTP/1.1", "stage": "prod", "domainPrefix": "a1b2c3d4e5",
        "requestTimeEpoch": 1_790_000_040_000_u64, "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "identity": {
            "cognitoIdentityPoolId": null, "accountId": null, "cognitoIdentityId": null, "caller": null,
            "sourceIp": "203.0.113.7", "principalOrgId": null, "accessKey": null, "cognitoAuthenticationType": null,
            "cognitoAuthenticationProvider": null, "userArn": null, "userAgent": HEADERS[11].1, "user": null,
        },
        "domainName": HEADERS[4].1, "deploymentId": "d3pl0y", "apiId": "a1b2c3d4e5",
    })
}
