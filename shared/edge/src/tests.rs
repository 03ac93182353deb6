use std::time::SystemTime;

use base64::{Engine, prelude::BASE64_STANDARD};
use landslide_aws::testing::Log;
use landslide_domain::testing::poll_asked_for;
use landslide_domain::{
    ballot::{OPTIONS_MAX, SentBallot, SentContent},
    claims::Claims,
    ids::PollId,
    poll::request::{CreatePoll, LABEL_CHARS_MAX, QUESTION_CHARS_MAX},
    results::reading::Reuse,
    role::Role,
    time::Timestamp,
    viewer::Viewer,
};
use proptest::prelude::*;
use saphyr::{LoadableYamlNode, Yaml};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{request::TOKEN_NEEDED, *};

/// A request as the gateway sends it. The body is JSON unless the headers say otherwise.
fn request(headers: &[(&str, &str)], body: &str, authorizer: Value) -> Request {
    request_of("POST", headers, body, authorizer)
}

fn request_of(method: &str, headers: &[(&str, &str)], body: &str, authorizer: Value) -> Request {
    request_to("/x", method, headers, body, authorizer)
}

fn request_to(route: &str, method: &str, headers: &[(&str, &str)], body: &str, authorizer: Value) -> Request {
    let headers: serde_json::Map<String, Value> = [("Content-Type", "application/json")]
        .iter()
        .chain(headers)
        .map(|(name, value)| (name.to_string(), json!(value)))
        .collect();
    let event = json!({
        "resource": "/v1/polls/{poll_id}/votes", "path": "/v1/polls/p1/votes", "httpMethod": method,
        "headers": headers, "multiValueHeaders": {}, "queryStringParameters": null, "pathParameters": {"poll_id": "p1"},
        "requestContext": {"requestId": "r-1", "httpMethod": method, "authorizer": authorizer, "resourcePath": route, "stage": "prod"},
        "body": body, "isBase64Encoded": false,
    });
    Request::new(serde_json::from_value(event).unwrap(), SystemTime::now())
}

fn with_body(body: &str) -> Request {
    request(&[], body, Value::Null)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

/// The response that the gateway gets, and its parsed body.
fn respond(outcome: Result<Reply, Error>) -> (Value, Value) {
    let response = serde_json::to_value(Edge::new("*".to_owned()).respond("r-1", None, outcome)).unwrap();
    let body = response["body"].as_str().map(|body| serde_json::from_str(body).unwrap()).unwrap_or_default();
    (response, body)
}

/// Status, code, and the first wrong field's pointer.
fn refusal<T: for<'de> Deserialize<'de>>(request: &Request) -> (u64, String, String) {
    let Err(error) = request.json::<T>(BODY_BYTES_MAX) else { panic!("it was taken") };
    let (_, problem) = respond(Err(error));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (problem["status"].as_u64().unwrap(), text(&problem["code"]), text(&problem["errors"][0]["pointer"]))
}

#[test]
fn a_bad_body_is_refused_with_the_field_to_blame() {
    let invalid = |pointer: &str| (400, "invalid_request".to_owned(), pointer.to_owned());
    for (body, pointer) in [
        ("", ""),
        ("{", ""),
        ("[]", ""),
        ("null", ""),
        ("{\"choices\":[1]} x", ""),
        ("[[1]]", ""),
        ("{\"choices\":[1],\"choices\":[1]}", "/choices"),
        ("{}", "/choices"),
        ("{\"choices\":[1],\"a/b\":1}", "/a~1b"),
        ("{\"choices\":1}", "/choices"),
        ("{\"choices\":null}", "/choices"),
        ("{\"choices\":[0,\"1\"]}", "/choices/1"),
        ("{\"choices\":[1.5]}", "/choices/0"),
        ("{\"choices\":[-1]}", "/choices/0"),
        ("{\"choices\":[1e999]}", "/choices/0"),
        ("{\"choices\":[NaN]}", "/choices/0"),
        ("{\"choices\":[\"\u{fffd}\"]}", ""),
    ] {
        assert_eq!(refusal::<SentBallot>(&with_body(body)), invalid(pointer), "{body}");
    }
    for mixed in [r#"{"choices":[1],"ranking":[]}"#, r#"{"text":"a","other":"b"}"#, r#"{"segments":{}}"#] {
        let taken = with_body(mixed).json::<SentBallot>(BODY_BYTES_MAX).unwrap();
        assert_eq!(taken.content, SentContent::Mixed, "{mixed}");
    }
    let deep = format!("{{\"question\":{}1{}}}", "[".repeat(1_900), "]".repeat(1_900));
    assert_eq!(refusal::<CreatePoll>(&with_body(&deep)), invalid("/question"));
    assert_eq!(refusal::<CreatePoll>(&with_body("{\"question\":\"Q\"}")), invalid("/options"));
    assert_eq!(
        refusal::<CreatePoll>(&with_body("{\"question\":\"Q\",\"options\":[],\"opens_at\":\"soon\"}")),
        invalid("/opens_at")
    );
    assert_eq!(
        refusal::<CreatePoll>(&with_body("{\"question\":\"Q\",\"options\":[],\"kind\":\"best\"}")),
        invalid("/kind")
    );
}

#[test]
fn a_body_that_is_too_long_or_no_json_is_refused_as_such() {
    let long = format!("{{\"choices\":[{}1]}}", "1,".repeat(BODY_BYTES_MAX));
    assert_eq!(refusal::<SentBallot>(&with_body(&long)).1, "body_too_large");
    for media_type in ["text/plain", "", "application/jsonp", "application/problem+json"] {
        let request = request(&[("Content-Type", media_type)], "{\"choices\":[1]}", Value::Null);
        assert_eq!(refusal::<SentBallot>(&request).1, "unsupported_media_type", "{media_type}");
    }
    for media_type in ["application/json;charset=utf-8", "Application/JSON"] {
        let request = request(&[("content-type", media_type)], "{\"choices\":[1]}", Value::Null);
        assert_eq!(request.json::<SentBallot>(BODY_BYTES_MAX).unwrap(), SentContent::Choices(vec![1], None).into());
    }
}

#[test]
fn what_is_wrong_is_said_in_words_of_json_without_what_was_sent() {
    let detail = |body: &str| {
        let (_, problem) = respond(Err(with_body(body).json::<CreatePoll>(POLL_BODY_BYTES_MAX).err().unwrap()));
        problem["errors"][0]["detail"].as_str().unwrap_or_else(|| panic!("{problem}")).to_owned()
    };
    let number = "must be a whole number that is not negative";
    for (field, said) in [
        ("\"max_choices\":-1", number),
        ("\"max_choices\":1.5", number),
        ("\"max_choices\":\"a, expected u64 at line 1 column 2\"", number),
        ("\"question\":7", "must be text"),
        ("\"series\":\"secret\"", "must be true or false"),
        ("\"scale\":{\"min\":200,\"max\":1}", "must be a whole number from -128 to 127"),
        ("\"scale\":\"secret\"", "must be an object"),
        ("\"options\":{\"secret\":1}", "must be a list"),
        ("\"kind\":\"`secret`, expected `x`\"", "must be one of `single`, `multiple`, `ranked`, `rating`, `text`"),
        ("\"opens_at\":\"secret\"", "is not a time of RFC 3339, such as 2026-11-24T20:15:00Z"),
        ("\"question\":\"Q\",\"question\":\"R\"", "is there twice"),
    ] {
        assert_eq!(detail(&format!("{{{field}}}")), said, "{field}");
    }
    let unknown = detail("{\"secret`, expected x\":1}");
    assert!(unknown.starts_with("is unknown: expected one of `question`, `options`,"), "{unknown}");
    let (_, nothing) = respond(Err(with_body("{\"a\":1}").no_body().unwrap_err()));
    assert_eq!(nothing["errors"], json!([{"pointer": "/a", "detail": "is unknown: no field is expected"}]));
}

#[test]
fn a_problem_is_short_however_much_was_sent() {
    let long = "~".repeat(100_000);
    for body in [
        format!("{{\"{long}\":1}}"),
        format!("{{\"kind\":\"{long}\"}}"),
        format!("{{\"max_choices\":\"{long}\"}}"),
        format!("{{\"question\":\"Q\",\"options\":[\"a\"],\"opens_at\":\"{long}\"}}"),
    ] {
        let error = with_body(&body).json::<CreatePoll>(POLL_BODY_BYTES_MAX).err().unwrap();
        let (response, problem) = respond(Err(error));
        assert_eq!(problem["code"], "invalid_request");
        assert!(response["body"].as_str().unwrap().len() < 1_500, "{problem}");
    }
}

#[test]
fn the_largest_poll_is_taken_in_the_longest_way_to_write_it() {
    // Four code points that are one in NFC, like three in Korean. Each takes six bytes as a JSON escape.
    let longest =
        |chars: usize, mark: &str| format!("{mark}{}", "\\u03b1\\u0313\\u0301\\u0345".repeat(chars - mark.len()));
    let labels: Vec<String> =
        (0..OPTIONS_MAX).map(|n| format!("\"{}\"", longest(LABEL_CHARS_MAX, &n.to_string()))).collect();
    let body = format!(
        "{{\"question\":\"{}\",\"options\":[{}],\"kind\":\"multiple\",\"max_choices\":100,\"opens_at\":null,\"closes_at\":null,\
         \"identity\":\"account\",\"vote_change\":\"until_close\",\"results\":\"after_close\",\"peak_votes_per_second\":250000}}",
        longest(QUESTION_CHARS_MAX, ""),
        labels.join(","),
    );
    let poll = with_body(&body).json::<CreatePoll>(POLL_BODY_BYTES_MAX).map_err(|error| respond(Err(error)).1).unwrap();
    assert!(poll.validate().is_ok());
}

#[test]
fn a_byte_order_mark_is_skipped_once() {
    let taken = |body: &str| with_body(body).json::<SentBallot>(BODY_BYTES_MAX).is_ok();
    assert!(taken("\u{feff}{\"choices\":[1]}"));
    assert!(!taken("\u{feff}\u{feff}{\"choices\":[1]}") && !taken("{\u{feff}\"choices\":[1]}"));
    assert!(with_body("\u{feff}").no_body().is_ok() && with_body("\u{feff}{}").no_body().is_ok());
}

#[test]
fn a_compressed_body_is_refused_as_such_whatever_it_holds() {
    let outcome = |encoding: &str, body: &str| {
        let error =
            request(&[("Content-Encoding", encoding)], body, Value::Null).json::<SentBallot>(BODY_BYTES_MAX).err();
        error.map(|error| respond(Err(error)).0)
    };
    for encoding in ["gzip", "br", "identity, gzip", "deflate"] {
        for body in ["{\"choices\":[1]}", "\u{fffd}", ""] {
            let response = outcome(encoding, body).unwrap();
            assert_eq!(
                (&response["statusCode"], &response["headers"]["accept-encoding"]),
                (&json!(415), &json!("identity"))
            );
        }
    }
    for encoding in ["identity", " Identity "] {
        assert!(outcome(encoding, "{\"choices\":[1]}").is_none(), "{encoding}");
    }
}

#[test]
fn a_patch_that_is_not_supported_is_told_what_is() {
    let headers = |method: &str, headers: &[(&str, &str)]| {
        let error = request_of(method, headers, "{}", Value::Null).json::<SentBallot>(BODY_BYTES_MAX).err().unwrap();
        respond(Err(error)).0["headers"].clone()
    };
    let (text, gzip) = ([("Content-Type", "text/plain")], [("Content-Encoding", "gzip")]);
    for sent in [&text, &gzip] {
        assert_eq!(headers("PATCH", sent)["accept-patch"], "application/json");
        assert!(headers("POST", sent)["accept-patch"].is_null());
    }
    assert!(headers("PATCH", &text)["accept-encoding"].is_null());
}

#[test]
fn a_body_in_base64_is_read_as_the_bytes_that_it_is() {
    let outcome = |bytes: &[u8]| {
        let body = BASE64_STANDARD.encode(bytes);
        let event = json!({
            "headers": {"Content-Type": "application/json"}, "requestContext": {}, "body": body, "isBase64Encoded": true,
        });
        refusal_or(&Request::new(serde_json::from_value(event).unwrap(), SystemTime::now()))
    };
    assert_eq!(outcome(b"{\"choices\":[1]}"), "taken");
    assert_eq!(outcome(b"{\"choices\":[\xff]}"), "invalid_request");
    assert_eq!(outcome(&[0xff; BODY_BYTES_MAX + 1]), "body_too_large");
}

/// The code with which a vote is refused, or that it was accepted.
fn refusal_or(request: &Request) -> String {
    match request.json::<SentBallot>(BODY_BYTES_MAX) {
        Ok(_) => "taken".to_owned(),
        Err(error) => respond(Err(error)).1["code"].as_str().unwrap().to_owned(),
    }
}

#[test]
fn a_caller_is_whom_the_authorizer_vouches_for_until_the_token_expires() {
    let context = json!({"issuer": "i", "subject": "s", "kind": "device", "expires_at": "1000", "principalId": "s"});
    let caller = request(&[], "", context.clone()).caller(at(999)).unwrap();
    assert_eq!((caller.issuer.as_str(), caller.subject.as_str()), ("i", "s"));
    let code = |error: Error| respond(Err(error)).1["code"].clone();
    assert_eq!(code(request(&[], "", context.clone()).caller(at(1_000)).unwrap_err()), "unauthorized");
    assert_eq!(code(request(&[], "", context.clone()).member(at(0)).unwrap_err()), "forbidden");
    for absent in ["issuer", "subject", "kind", "expires_at"] {
        let mut context = context.clone();
        context.as_object_mut().unwrap().remove(absent);
        assert_eq!(code(request(&[], "", context).caller(at(0)).unwrap_err()), "unauthorized", "{absent}");
    }
    assert_eq!(code(with_body("").caller(at(0)).unwrap_err()), "unauthorized");
}

#[test]
fn a_caller_has_the_claims_that_the_authorizer_releases() {
    let caller = |claims: Value| request(&[], "", context(json!({"released_claims": claims}))).caller(at(0));
    let voter = caller(json!(r#"{"age_group":"18-29","region":"Genève \"\\"}"#)).unwrap();
    let claims = [voter.claim("region"), voter.claim("age_group"), voter.claim("city")];
    assert_eq!(claims, [Some("Genève \"\\"), Some("18-29"), None]);
    for (absent, claims) in [("absent", context(json!({}))), ("null", context(json!({"released_claims": null})))] {
        assert_eq!(request(&[], "", claims).caller(at(0)).unwrap().claims, Claims::default(), "{absent}");
    }
    for broken in ["", "north", "[]", "{\"region\":7}"] {
        let code = respond(Err(caller(json!(broken)).unwrap_err())).1["code"].clone();
        assert_eq!(code, "unauthorized", "{broken}");
    }
}

/// The context of an account's token, with what else the owners' authorizer says.
fn context(more: Value) -> Value {
    let mut context = json!({"issuer": "i", "subject": "s", "kind": "account", "expires_at": "1000"});
    context.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    context
}

/// The tenant's key, the role and the kind of author of a member, or the code of the refusal.
fn member(context: Value) -> Result<(String, Option<Role>, Value), Value> {
    match request(&[], "", context).member(at(0)) {
        Ok(member) => {
            let author = serde_json::to_value(&member.author).unwrap()["kind"].clone();
            Ok((member.tenant.key().as_str().to_owned(), member.role, author))
        }
        Err(error) => Err(respond(Err(error)).1["code"].clone()),
    }
}

#[test]
fn an_account_manages_its_own_polls_unless_its_token_names_an_organisation() {
    let of = |tenant: &str, role| Ok((tenant.to_owned(), role, json!("account")));
    let acme = json!({"tenant_kind": "organisation", "tenant": "acme"});
    let (mut editor, mut unknown) = (acme.clone(), acme.clone());
    editor["role"] = json!("editor");
    unknown["role"] = json!("Editor");
    assert_eq!(member(context(json!({}))), of("i s", Some(Role::Owner)));
    assert_eq!(member(context(editor)), of("i\torganisation\tacme", Some(Role::Editor)));
    for nothing in [acme, unknown] {
        assert_eq!(member(context(nothing)), of("i\torganisation\tacme", None));
    }
}

#[test]
fn a_tenant_that_can_not_be_read_is_nobodys() {
    for tenant in [
        json!({"tenant_kind": "organisation"}),
        json!({"tenant_kind": "team", "tenant": "acme", "role": "owner"}),
        json!({"tenant_kind": "organisation", "tenant": "a\tb", "role": "owner"}),
        json!({"tenant_kind": "organisation", "tenant": "", "role": "owner"}),
    ] {
        assert_eq!(member(context(tenant.clone())), Err(json!("forbidden")), "{tenant}");
    }
}

#[test]
fn a_key_acts_for_its_tenant_until_it_expires_and_is_no_voter() {
    let key = context(json!({"kind": "key", "tenant_kind": "account", "tenant": "owner", "role": "viewer"}));
    assert_eq!(member(key.clone()), Ok(("i owner".to_owned(), Some(Role::Viewer), json!("key"))));
    let code = |error: Error| respond(Err(error)).1["code"].clone();
    assert_eq!(code(request(&[], "", key.clone()).member(at(1_000)).unwrap_err()), "unauthorized");
    assert_eq!(code(request(&[], "", key).caller(at(0)).unwrap_err()), "unauthorized");
}

#[test]
fn a_view_link_shows_one_poll_and_manages_none() {
    let link = context(json!({"kind": "view", "poll_id": "p1"}));
    let viewer = request(&[], "", link.clone()).viewer(at(0)).unwrap();
    assert_eq!(viewer, Viewer::Link(PollId::parse("p1").unwrap()));
    assert!(request(&[], "", link.clone()).viewer(at(1_000)).is_err());
    assert_eq!(member(link), Err(json!("forbidden")));
}

#[test]
fn an_idempotency_key_is_visible_ascii() {
    let key = |value: &str| {
        request(&[("Idempotency-Key", value)], "", Value::Null).idempotency_key().map(|key| key.map(str::to_owned))
    };
    assert_eq!(key("a-1!").unwrap().as_deref(), Some("a-1!"));
    assert_eq!(with_body("").idempotency_key().unwrap(), None);
    for odd in ["", "a b", "é", &"x".repeat(256)] {
        assert!(key(odd).is_err(), "{odd}");
    }
    assert!(key(&"x".repeat(255)).is_ok());
}

#[test]
fn a_change_is_for_revisions_as_they_are_written() {
    let if_match = |value: &str| request(&[("If-Match", value)], "", Value::Null).if_match();
    let includes = |value: &str, revision| if_match(value).unwrap().unwrap().include(revision);
    assert!(includes("*", 7) && includes("\"7\"", 7) && includes("\"1\",\"7\"", 7) && includes("\"a,b\" , \"7\"", 7));
    assert!(!includes("\"07\"", 7) && !includes("\"+7\"", 7) && !includes("\"a,7\"", 7) && !includes("\"\"", 7));
    for odd in ["", "7", "W/\"7\"", "\"7", "\"7\" \"8\"", "\"7\",", "\"7\", W/\"8\"", "*, \"7\""] {
        assert!(if_match(odd).is_err(), "{odd}");
    }
    assert!(with_body("").if_match().unwrap().is_none());
}

#[test]
fn a_polls_revision_is_named_alone_or_by_its_entity_tag() {
    let includes = |value: &str, revision| {
        request(&[("If-Match", value)], "", Value::Null).if_match().unwrap().unwrap().include_poll(revision)
    };
    for value in ["\"7\"", "\"7-scheduled\"", "\"7-open\"", "\"7-paused\"", "\"7-closed\"", "\"1\", \"7-open\"", "*"] {
        assert!(includes(value, 7), "{value}");
    }
    for value in ["\"8-open\"", "\"7-\"", "\"7-opened\"", "\"07-open\"", "\"-open\"", "\"7-open-open\"", "\"open\""] {
        assert!(!includes(value, 7), "{value}");
    }
}

#[test]
fn a_polls_entity_tag_moves_with_its_status() {
    let asked = json!({"question": "Q", "options": ["a", "b"], "opens_at": at(10), "closes_at": at(20)});
    let poll = poll_asked_for(asked, at(0)).unwrap();
    let shown = [9, 10, 20].map(|millis| {
        let (response, body) = respond(Reply::poll(StatusCode::OK, &poll, at(millis)));
        (response["headers"]["etag"].as_str().unwrap().to_owned(), body["status"].as_str().unwrap().to_owned())
    });
    let expected = ["scheduled", "open", "closed"].map(|status| (format!("\"1-{status}\""), status.to_owned()));
    assert_eq!(shown, expected);
}

#[test]
fn an_entity_tag_is_found_in_a_list_and_compared_weakly() {
    let has = |value: &str| request(&[("If-None-Match", value)], "", Value::Null).has_current("1-o-3");
    for value in ["\"1-o-3\"", "W/\"1-o-3\"", "\"x\", \"1-o-3\"", "*"] {
        assert!(has(value), "{value}");
    }
    for value in ["", "1-o-3", "\"1-o-33\"", "\"x\""] {
        assert!(!has(value), "{value}");
    }
    assert!(!with_body("").has_current("1-o-3"));
}

#[test]
fn a_device_is_registered_without_a_body_or_with_an_empty_object() {
    assert!(with_body("").no_body().is_ok());
    assert!(with_body("{}").no_body().is_ok());
    assert!(request(&[("Content-Type", "text/plain")], "", Value::Null).no_body().is_ok());
    let code = |request: Request| respond(Err(request.no_body().unwrap_err())).1["code"].clone();
    assert_eq!(code(with_body("{\"name\":\"x\"}")), "invalid_request");
    assert_eq!(code(with_body("[]")), "invalid_request");
    assert_eq!(code(request(&[("Content-Type", "text/plain")], "{}", Value::Null)), "unsupported_media_type");
}

#[test]
fn a_token_that_is_not_valid_is_called_that_in_the_challenge() {
    let (response, body) = respond(Err(Error::InvalidToken("The token has expired.")));
    assert_eq!((response["statusCode"].as_u64(), body["code"].as_str()), (Some(401), Some("unauthorized")));
    assert_eq!(
        response["headers"]["www-authenticate"],
        "Bearer error=\"invalid_token\", error_description=\"The token has expired.\""
    );
}

#[test]
fn a_problem_has_the_shape_that_the_api_promises() {
    let (response, body) = respond(Err(Error::Unauthorized("A valid bearer token is needed.")));
    assert_eq!(
        body,
        json!({"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": "A valid bearer token is needed.",
            "code": "unauthorized", "request_id": "r-1"})
    );
    let header = |name: &str| response["headers"][name].as_str().unwrap();
    assert_eq!(response["statusCode"], 401);
    assert_eq!(header("content-type"), "application/problem+json");
    assert_eq!(header("www-authenticate"), "Bearer");
    assert_eq!(header("access-control-allow-origin"), "*");
    assert_eq!(
        header("access-control-expose-headers"),
        "ETag, Landslide-Poll-After, Location, RateLimit, RateLimit-Policy, Retry-After"
    );
    assert_eq!(header("cache-control"), "private, no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
}

#[test]
fn a_voter_in_a_paused_poll_is_told_when_to_try_again() {
    let (response, body) = respond(Err(Failure::PollPaused.into()));
    assert_eq!((&response["statusCode"], &body["code"]), (&json!(409), &json!("poll_paused")));
    assert_eq!(response["headers"]["retry-after"], "30");
}

#[test]
fn a_failure_of_ours_shows_nothing_of_its_cause() {
    let (response, body) = respond(Err(Failure::Unavailable("table votes-123 is throttled".to_owned()).into()));
    assert_eq!((&response["statusCode"], &response["headers"]["retry-after"]), (&json!(503), &json!("1")));
    assert!(!body.to_string().contains("votes-123"));
    let (response, body) = respond(Err(Failure::Internal("no such table".to_owned()).into()));
    assert_eq!(response["statusCode"], 500);
    assert!(!body.to_string().contains("table"));
}

#[test]
fn results_say_how_long_they_may_be_kept_and_when_to_ask_again_and_so_does_a_304() {
    let reuse = Reuse { max_age_seconds: 1, poll_after_seconds: 7 };
    let get = |route: &str, tag: &str| {
        let request = request_to(route, "GET", &[("If-None-Match", tag)], "", Value::Null);
        let (response, body) = respond(Ok(shown(&request, "{\"ballots\":1}".to_owned(), "abc", reuse)));
        let header = |name: &str| response["headers"][name].as_str().unwrap().to_owned();
        assert_eq!((header("landslide-poll-after"), header("etag")), ("7".to_owned(), "\"abc\"".to_owned()));
        (response["statusCode"].as_u64().unwrap(), header("cache-control"), body["ballots"].as_u64())
    };
    let public = "public, max-age=1, stale-while-revalidate=1, stale-if-error=10".to_owned();
    assert_eq!(get("/v1/polls/{poll_id}/results", ""), (200, public.clone(), Some(1)));
    assert_eq!(get("/v1/polls/{poll_id}/results", "\"abc\""), (304, public, None));
    for (tag, status, ballots) in [("", 200, Some(1)), ("\"abc\"", 304, None)] {
        assert_eq!(get("/v1/polls/{poll_id}/results/mine", tag), (status, "private, no-store".to_owned(), ballots));
    }
}

#[test]
fn a_reply_to_one_origin_varies_by_origin() {
    let response =
        Edge::new("https://a.example".to_owned()).respond("r", None, Ok(Reply::empty(StatusCode::NO_CONTENT)));
    let expected = json!({"statusCode": 204, "headers": {
        "vary": "Origin", "access-control-allow-origin": "https://a.example",
        "access-control-expose-headers": "ETag, Landslide-Poll-After, Location, RateLimit, RateLimit-Policy, Retry-After", "x-content-type-options": "nosniff",
    }});
    assert_eq!(serde_json::to_value(response).unwrap(), expected);
    assert!(respond(Ok(Reply::empty(StatusCode::OK))).0["headers"]["vary"].is_null());
}

proptest! {
    #[test]
    fn a_body_is_taken_only_if_it_is_an_object_with_choices_or_a_ranking(
        body in "\\PC{0,80}|\\{\"(choices|ranking)\":[\\[\\]0-9,.eE\"{}: -]{0,40}\\}?|\\{\"choices\":\\[1\\],\"ranking\":(null|\\[\\]|0)\\}"
    ) {
        let taken = with_body(&body).json::<SentBallot>(BODY_BYTES_MAX);
        let value = serde_json::from_str::<Value>(&body).ok();
        let expected = value.as_ref().and_then(|value| value.as_object()).and_then(|object| {
            let (name, ids) = object.iter().next().filter(|_| object.len() == 1)?;
            let ids = ids.as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>()?;
            match name.as_str() {
                "choices" => Some(SentContent::Choices(ids, None)),
                "ranking" => Some(SentContent::Ranking(ids)),
                _ => None,
            }
        });
        // serde_json's Value keeps the last of repeated fields; ours refuses them.
        if body.matches("\"choices\"").count() < 2 {
            let taken = taken.ok().filter(|ballot| ballot.content != SentContent::Mixed);
            prop_assert_eq!(taken, expected.map(SentBallot::from));
        }
    }

    #[test]
    fn no_header_makes_the_reader_panic(value in "[ -~]{0,60}") {
        let request = request(&[("If-None-Match", &value), ("Idempotency-Key", &value), ("Content-Type", &value)], "{}", Value::Null);
        let _: bool = request.has_current("x");
        drop(request.idempotency_key());
        drop(request.no_body());
        drop(request.poll_id());
    }
}

#[test]
fn a_storm_of_failures_is_one_log_line_and_one_answer_each() {
    let log = Log::default();
    let _logged = log.is_written_to();
    let edge = Edge::new("*".to_owned());
    for _ in 0..1_000 {
        let response = edge.respond("r-1", None, Err(Failure::Unavailable("the table is away".to_owned()).into()));
        assert_eq!(serde_json::to_value(response).unwrap()["statusCode"], 503);
    }
    edge.respond("r-2", None, Err(Failure::Internal("no permission".to_owned()).into()));
    let (lines, text) = (log.lines().len(), log.lines().join("\n"));
    assert_eq!(lines, 2, "{text}");
    assert!(text.contains("the table is away") && text.contains("no permission"), "{text}");
}

/// Where the gateway responds for us, a caller reads the same text for the same problem.
#[test]
fn the_gateway_says_what_a_function_says() {
    let answers = include_str!("../../../infra/api/gateway-responses.yaml");
    let answers = &Yaml::load_from_str(answers).unwrap()[0]["problems"];
    let unsupported = Error::Unsupported { what: Unsupported::MediaType, is_patch: false };
    for (name, error) in [
        ("UNAUTHORIZED", Error::Unauthorized(TOKEN_NEEDED)),
        ("UNSUPPORTED_MEDIA_TYPE", unsupported),
        ("API_CONFIGURATION_ERROR", Failure::Internal(String::new()).into()),
        ("DEFAULT_5XX", Failure::Unavailable(String::new()).into()),
    ] {
        let (status, code) = error.kind();
        let (detail, expected) = (answers[name]["detail"].as_str(), error.detail());
        assert_eq!(detail, Some(expected.as_str()), "{name}");
        assert_eq!(answers[name]["status"].as_integer(), Some(i64::from(status.as_u16())), "{name}");
        assert_eq!(answers[name]["code"].as_str(), Some(code), "{name}");
    }
}
