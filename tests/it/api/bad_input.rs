//! Bad input gets a precise problem, and changes nothing.

use http::Method;
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::support::{Answer, App, assert_problem, in_ms, someone};

/// A body, and the fields that its problem must blame. If there are no fields, it must blame the body as a whole.
type Bad = (&'static str, Vec<u8>, &'static [&'static str]);

const JSON: &str = "application/json";

async fn post(app: &App, path: &str, token: &str, content_type: Option<&str>, body: Vec<u8>) -> Answer {
    let mut request = app.request(Method::POST, path).bearer_auth(token).body(body);
    if let Some(content_type) = content_type {
        request = request.header("Content-Type", content_type);
    }
    Answer::of(request).await
}

/// Sends each body, expects `invalid_request` that blames the right fields, and reports all bodies that fare otherwise.
async fn each_is_invalid(app: &App, path: &str, token: &str, bad: Vec<Bad>) {
    let mut wrong = Vec::new();
    for (name, body, pointers) in bad {
        let answer = post(app, path, token, Some(JSON), body).await;
        if answer.status != 400 {
            wrong.push(format!("{name}: {answer}"));
            continue;
        }
        let problem = assert_problem(&answer, 400, "invalid_request");
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let blamed: Vec<&str> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        if blamed != pointers {
            wrong.push(format!("{name}: blames {blamed:?}, not {pointers:?}: {}", answer.body));
        }
        assert!(errors.iter().all(|error| !error["detail"].as_str().unwrap().is_empty()), "{problem}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn text(text: impl Into<String>) -> Vec<u8> {
    text.into().into_bytes()
}

/// A good poll but for one field, which is JSON text, so that it need not be JSON.
fn poll_with(field: &str, value: &str) -> Vec<u8> {
    let mut fields = vec![("question", "\"Q\""), ("options", "[\"a\",\"b\"]")];
    fields.retain(|(name, _)| *name != field);
    fields.push((field, value));
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    text(format!("{{{}}}", fields.join(",")))
}

fn vote_with(choices: &str) -> Vec<u8> {
    text(format!("{{\"choices\":{choices}}}"))
}

/// What is no JSON object at all.
fn no_objects() -> Vec<Bad> {
    vec![
        ("nothing", text(""), &[]),
        ("white space", text("  \n"), &[]),
        ("half an object", text("{"), &[]),
        ("no JSON", text("choices=0"), &[]),
        ("an array", text("[]"), &[]),
        ("null", text("null"), &[]),
        ("a number", text("42"), &[]),
        ("a string", text("\"text\""), &[]),
        ("single quotes", text("{'question': 'Q'}"), &[]),
        ("a comment", text("{/* */}"), &[]),
        ("two byte order marks", text("\u{feff}\u{feff}{}"), &[]),
        ("UTF-16", b"\xff\xfe{\x00}\x00".to_vec(), &[]),
        ("bytes that are not UTF-8", b"\xff\xfe\x00{".to_vec(), &[]),
        ("deep nesting", text("[".repeat(3_000)), &[]),
        ("deep nesting of objects", text("{\"a\":".repeat(600)), &["/a"]),
    ]
}

/// Two fields that make a poll.
const GOOD: &str = "\"question\":\"Q\",\"options\":[\"a\",\"b\"]";

/// A JSON string of `chars` characters.
fn long(chars: usize) -> String {
    format!("\"{}\"", "\u{1F5F3}".repeat(chars))
}

/// Objects that are no poll, whatever their fields say.
fn bad_objects() -> Vec<Bad> {
    vec![
        ("an empty object", text("{}"), &["/question"]),
        ("a zero byte after it", text(format!("{{{GOOD}}}\0")), &[]),
        ("no options", text("{\"question\":\"Q\"}"), &["/options"]),
        ("no question", text("{\"options\":[\"a\",\"b\"]}"), &["/question"]),
        ("more after it", text(format!("{{{GOOD}}} x")), &[]),
        ("two objects", text(format!("{{{GOOD}}}{{}}")), &[]),
        ("a trailing comma", text(format!("{{{GOOD},}}")), &[]),
        ("a question twice", text(format!("{{{GOOD},\"question\":\"R\"}}")), &["/question"]),
        ("an unknown field", poll_with("colour", "1"), &["/colour"]),
        ("an unknown field of odd name", poll_with("a/b~c", "1"), &["/a~1b~0c"]),
        ("a field that only we set", poll_with("poll_id", "\"mine\""), &["/poll_id"]),
        (
            "three bad fields",
            text("{\"question\":\"\",\"options\":[\"a\",\"a\"],\"peak_votes_per_second\":0}"),
            &["/question", "/options/1", "/peak_votes_per_second"],
        ),
    ]
}

/// Polls of a question that is none.
fn bad_questions() -> Vec<Bad> {
    vec![
        ("a question that is a number", poll_with("question", "7"), &["/question"]),
        ("a question that is null", poll_with("question", "null"), &["/question"]),
        ("a blank question", poll_with("question", "\" \\t \""), &["/question"]),
        ("an invisible question", poll_with("question", "\"\\u200b\\ufeff\""), &["/question"]),
        ("an empty question", poll_with("question", "\"\""), &["/question"]),
        ("a question too long", poll_with("question", &long(501)), &["/question"]),
        ("a control character", poll_with("question", "\"a\\u0007b\""), &["/question"]),
        ("a zero character", poll_with("question", "\"a\\u0000b\""), &["/question"]),
        ("a line break", poll_with("question", "\"a\\nb\""), &["/question"]),
        ("a line separator", poll_with("question", "\"a\\u2028b\""), &["/question"]),
        ("a question of a blank of Braille", poll_with("question", "\"\\u2800\""), &["/question"]),
        ("a question of tags", poll_with("question", "\"\\udb40\\udc61\""), &["/question"]),
        ("an override", poll_with("question", "\"a\\u202eb\\u202c\""), &["/question"]),
        ("an isolate that is not closed", poll_with("question", "\"a\\u2067b\""), &["/question"]),
        ("a raw control character", poll_with("question", "\"a\u{1}b\""), &["/question"]),
        ("half a surrogate pair", poll_with("question", "\"\\ud800\""), &["/question"]),
        ("a replacement character", poll_with("question", "\"a\u{fffd}b\""), &[]),
        ("an escaped replacement character", poll_with("question", "\"a\\ufffdb\""), &["/question"]),
        (
            "a question nested deep",
            poll_with("question", &format!("{}{}", "[".repeat(2_000), "]".repeat(2_000))),
            &["/question"],
        ),
    ]
}

/// Polls of options that are none.
fn bad_options() -> Vec<Bad> {
    let labels = |count: usize| json!((0..count).map(|n| n.to_string()).collect::<Vec<_>>()).to_string();
    vec![
        ("a label that closes what it did not open", poll_with("options", "[\"a\",\"b\\u2069\"]"), &["/options/1"]),
        ("options that are text", poll_with("options", "\"ab\""), &["/options"]),
        ("options that are an object", poll_with("options", "{\"a\":1}"), &["/options"]),
        ("no option", poll_with("options", "[]"), &["/options"]),
        ("one option", poll_with("options", "[\"a\"]"), &["/options"]),
        ("too many options", poll_with("options", &labels(101)), &["/options"]),
        ("a label that is a number", poll_with("options", "[\"a\",2]"), &["/options/1"]),
        ("a label that is null", poll_with("options", "[null,\"b\"]"), &["/options/0"]),
        ("a blank label", poll_with("options", "[\"a\",\" \"]"), &["/options/1"]),
        ("a label too long", poll_with("options", &format!("[\"a\",{}]", long(201))), &["/options/1"]),
        ("a label twice", poll_with("options", "[\"a\",\"b\",\" a \"]"), &["/options/2"]),
        (
            "a label twice in other code points",
            poll_with("options", "[\"Caf\u{e9}\",\"Cafe\u{301}\"]"),
            &["/options/1"],
        ),
        (
            "a label twice but for what is not seen",
            poll_with("options", "[\"a b\",\"a\\u200b b\\u2060\"]"),
            &["/options/1"],
        ),
        ("a label twice in kinds of space", poll_with("options", "[\"a b\",\"a\\u00a0 b\"]"), &["/options/1"]),
        ("a label twice in full width", poll_with("options", "[\"ab\",\"\\uff41\\uff42\"]"), &["/options/1"]),
        ("two bad labels", poll_with("options", "[\"\",\"b\",\"c\\u0001\"]"), &["/options/0", "/options/2"]),
    ]
}

/// Polls of settings that there are not.
fn bad_settings() -> Vec<Bad> {
    vec![
        ("an unknown kind", poll_with("kind", "\"marked\""), &["/kind"]),
        ("a kind that is a number", poll_with("kind", "1"), &["/kind"]),
        ("a kind that is null", poll_with("kind", "null"), &["/kind"]),
        ("an unknown identity", poll_with("identity", "\"ticket\""), &["/identity"]),
        ("an unknown result setting", poll_with("results", "\"never\""), &["/results"]),
        ("an unknown change setting", poll_with("vote_change", "\"always\""), &["/vote_change"]),
        ("max_choices in a single poll", poll_with("max_choices", "2"), &["/max_choices"]),
        ("max_choices of zero", poll_with("max_choices", "0"), &["/max_choices"]),
        ("max_choices below zero", poll_with("max_choices", "-1"), &["/max_choices"]),
        ("max_choices of one and a half", poll_with("max_choices", "1.5"), &["/max_choices"]),
        ("max_choices as text", poll_with("max_choices", "\"1\""), &["/max_choices"]),
        ("max_choices of null", poll_with("max_choices", "null"), &["/max_choices"]),
        ("max_choices of 1e999", poll_with("max_choices", "1e999"), &["/max_choices"]),
        ("max_choices of NaN", poll_with("max_choices", "NaN"), &["/max_choices"]),
        ("max_choices past 64 bits", poll_with("max_choices", "18446744073709551616"), &["/max_choices"]),
        ("a peak of zero", poll_with("peak_votes_per_second", "0"), &["/peak_votes_per_second"]),
        ("a peak too high", poll_with("peak_votes_per_second", "250001"), &["/peak_votes_per_second"]),
        ("no viewers at all", poll_with("viewers", "0"), &["/viewers"]),
        ("more viewers than people", poll_with("viewers", "1000000001"), &["/viewers"]),
        ("viewers in words", poll_with("viewers", "\"many\""), &["/viewers"]),
        ("an own vote that is half shown", poll_with("own_vote", "\"half\""), &["/own_vote"]),
        ("devices of nobody", poll_with("devices", "\"none\""), &["/devices"]),
        ("a policy in an origin", poll_with("embed", "[\"https://a.example; script-src *\"]"), &["/embed/0"]),
        ("any site as an origin", poll_with("embed", "[\"*\"]"), &["/embed/0"]),
        ("listed in words", poll_with("listed", "\"yes\""), &["/listed"]),
        ("a peak with an exponent", poll_with("peak_votes_per_second", "1e3"), &["/peak_votes_per_second"]),
    ]
}

/// Polls of times that are none, or in the wrong order.
fn bad_times() -> Vec<Bad> {
    vec![
        ("a time that is none", poll_with("opens_at", "\"tomorrow\""), &["/opens_at"]),
        ("a time without a zone", poll_with("opens_at", "\"2099-01-01T00:00:00\""), &["/opens_at"]),
        ("a time that is a number", poll_with("closes_at", "4070908800"), &["/closes_at"]),
        ("a day that is none", poll_with("closes_at", "\"2099-02-30T00:00:00Z\""), &["/closes_at"]),
        ("a time past 9999", poll_with("closes_at", "\"10000-01-01T00:00:00Z\""), &["/closes_at"]),
        ("a closing in the past", poll_with("closes_at", "\"2020-01-01T00:00:00Z\""), &["/closes_at"]),
        (
            "a closing before the opening",
            text(format!("{{{GOOD},\"opens_at\":\"{}\",\"closes_at\":\"{}\"}}", in_ms(7_200_000), in_ms(3_600_000))),
            &["/closes_at"],
        ),
    ]
}

#[tokio::test]
async fn a_bad_body_makes_no_poll() {
    let app = App::new();
    let subject = someone();
    let owner = app.account(&subject);
    for bad in [no_objects(), bad_objects(), bad_questions(), bad_options(), bad_settings(), bad_times()] {
        each_is_invalid(&app, "/v1/polls", &owner, bad).await;
    }
    assert_eq!(app.aws.polls_of(&app.issuer.owner(&subject)).await, 0);
}

#[tokio::test]
async fn a_bad_body_casts_no_vote() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let (path, voter) = (format!("/v1/polls/{poll}/votes"), app.account("alice"));
    let mut bad = no_objects();
    bad.extend([
        ("an empty object", text("{}"), &["/choices"] as &[&str]),
        ("a zero byte after it", text("{\"choices\":[0]}\0"), &[]),
        ("more after it", text("{\"choices\":[0]} x"), &[]),
        ("choices twice", text("{\"choices\":[0],\"choices\":[1]}"), &["/choices"]),
        ("an unknown field", text("{\"choices\":[0],\"voter\":\"bob\"}"), &["/voter"]),
        ("choices that are a number", vote_with("0"), &["/choices"]),
        ("choices that are null", vote_with("null"), &["/choices"]),
        ("choices that are text", vote_with("\"0\""), &["/choices"]),
        ("choices that are an object", vote_with("{\"0\":true}"), &["/choices"]),
        ("a choice below zero", vote_with("[-1]"), &["/choices/0"]),
        ("half a choice", vote_with("[0.5]"), &["/choices/0"]),
        ("a choice with an exponent", vote_with("[1e0]"), &["/choices/0"]),
        ("a choice of 1e999", vote_with("[1e999]"), &["/choices/0"]),
        ("a choice of NaN", vote_with("[NaN]"), &["/choices/0"]),
        ("a choice of Infinity", vote_with("[0,Infinity]"), &["/choices/1"]),
        ("a choice past 64 bits", vote_with("[18446744073709551616]"), &["/choices/0"]),
        ("a choice as text", vote_with("[\"0\"]"), &["/choices/0"]),
        ("a choice of null", vote_with("[0,null]"), &["/choices/1"]),
        ("a choice of true", vote_with("[true]"), &["/choices/0"]),
        ("a choice in a list", vote_with("[[0]]"), &["/choices/0"]),
        ("choices nested deep", vote_with(&format!("{}{}", "[".repeat(1_000), "]".repeat(1_000))), &["/choices/0"]),
        ("a choice with a leading zero", vote_with("[00]"), &["/choices/0"]),
    ]);
    each_is_invalid(&app, &path, &voter, bad).await;
    assert!(app.aws.votes_of(&poll).await.is_empty());
    assert_problem(&app.my_vote(&poll, &voter).await, 404, "not_found");
}

#[tokio::test]
async fn a_body_too_large_is_refused_whatever_it_holds() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let (votes, token) = (format!("/v1/polls/{poll}/votes"), app.account(&someone()));
    let padded =
        |bytes: usize| format!("{{\"choices\":[0]{}}}", " ".repeat(bytes - "{\"choices\":[0]}".len())).into_bytes();
    for (path, body) in [
        ("/v1/polls", vec![b' '; 600_000]),
        ("/v1/polls", vec![0xff; 600_000]),
        ("/v1/polls", vec![b' '; 512 * 1024 + 1]),
        (&votes, padded(300_000)),
        (&votes, padded(16 * 1024 + 1)),
    ] {
        let bytes = body.len();
        let answer = post(&app, path, &token, Some(JSON), body).await;
        assert_eq!(answer.status, 413, "{path}, {bytes} bytes: {answer}");
        assert_problem(&answer, 413, "body_too_large");
    }
    assert!(app.aws.votes_of(&poll).await.is_empty());
    assert_eq!(post(&app, &votes, &token, Some(JSON), padded(16 * 1024)).await.status, 201, "as large as it may be");
}

/// What a program without UTF-8 sends: each character as JSON escapes it.
#[tokio::test]
async fn the_largest_poll_is_made_and_changed_with_all_of_its_characters_escaped() {
    let app = App::new();
    let owner = app.account(&someone());
    let escaped = |chars: usize| "\\ud83d\\uddf3".repeat(chars);
    let labels: Vec<String> = (100..200).map(|n| format!("\"{n}{}\"", escaped(197))).collect();
    let body = format!(
        "{{\"question\":\"{}\",\"options\":[{}],\"opens_at\":\"2099-01-01T00:00:00Z\"}}",
        escaped(500),
        labels.join(",")
    );
    assert!(body.len() > 240_000 && body.is_ascii());
    let made = post(&app, "/v1/polls", &owner, Some(JSON), text(body.clone())).await;
    assert_eq!(made.status, 201, "{made}");
    assert_eq!(made.json()["question"], "\u{1F5F3}".repeat(500));
    let of_poll = format!("/v1/polls/{}", made.json()["poll_id"].as_str().unwrap());
    let change = app.request(Method::PATCH, &of_poll).bearer_auth(&owner).header("If-Match", made.header("etag"));
    let changed = Answer::of(change.header("Content-Type", JSON).body(body)).await;
    assert_eq!((changed.status, changed.json()), (200, made.json()));
}

#[tokio::test]
async fn an_error_is_short_however_much_was_sent() {
    let app = App::new();
    let (owner, long) = (app.account(&someone()), "~".repeat(100_000));
    for (body, pointer) in [
        (poll_with(&long, "1"), "/~0~0~0"),
        (poll_with("kind", &format!("\"{long}\"")), "/kind"),
        (poll_with("opens_at", &format!("\"{long}\"")), "/opens_at"),
        (poll_with("max_choices", &format!("\"{long}\"")), "/max_choices"),
    ] {
        let answer = post(&app, "/v1/polls", &owner, Some(JSON), body).await;
        let problem = assert_problem(&answer, 400, "invalid_request");
        assert!(problem["errors"][0]["pointer"].as_str().unwrap().starts_with(pointer), "{problem}");
        assert!(answer.body.len() < 1_500, "{} bytes", answer.body.len());
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_skipped() {
    let app = App::new();
    let token = app.account(&someone());
    let marked = |body: Vec<u8>| [b"\xef\xbb\xbf".to_vec(), body].concat();
    let made = post(&app, "/v1/polls", &token, Some(JSON), marked(poll_with("kind", "\"single\""))).await;
    assert_eq!(made.status, 201, "{made}");
    let votes = format!("/v1/polls/{}/votes", made.json()["poll_id"].as_str().unwrap());
    assert_eq!(post(&app, &votes, &token, Some(JSON), marked(vote_with("[0]"))).await.status, 201);
}

#[tokio::test]
async fn a_body_of_another_form_is_told_which_is_taken() {
    let app = App::new();
    let compressed = !app.stack.lacks("compressed-bodies");
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, json!({"question": "Q", "options": ["a", "b"]})).await;
    let (of_poll, votes, close) =
        (format!("/v1/polls/{poll}"), format!("/v1/polls/{poll}/votes"), format!("/v1/polls/{poll}/close"));
    let calls = [
        (Method::POST, "/v1/polls"),
        (Method::PATCH, &of_poll),
        (Method::POST, &votes),
        (Method::POST, &close),
        (Method::POST, "/v1/devices"),
    ];
    for (method, path) in &calls {
        let accept_patch = (*method == Method::PATCH).then_some(JSON);
        let request = || app.request(method.clone(), path).bearer_auth(&owner).header("If-Match", "*");
        let plain = Answer::of(request().header("Content-Type", "text/plain").body("{}")).await;
        assert_form_refused(&plain, None, accept_patch);
        if compressed {
            // The beginning of a gzip file, which is no UTF-8.
            let gzip = request().header("Content-Type", JSON).header("Content-Encoding", "gzip");
            let answer = Answer::of(gzip.body(b"\x1f\x8b\x08\x00\x00".to_vec())).await;
            assert_form_refused(&answer, Some("identity"), accept_patch);
        }
    }
    let plain = app.request(Method::POST, "/v1/polls").bearer_auth(&owner).header("Content-Encoding", "identity");
    let made = Answer::of(plain.header("Content-Type", JSON).body(poll_with("kind", "\"single\""))).await;
    assert_eq!(made.status, 201, "{made}");
}

#[track_caller]
fn assert_form_refused(answer: &Answer, accept_encoding: Option<&str>, accept_patch: Option<&str>) {
    assert_problem(answer, 415, "unsupported_media_type");
    let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!((header("accept-encoding"), header("accept-patch")), (accept_encoding, accept_patch), "{answer}");
}

/// Lambda takes 6 MB, and the gateway 10: what lies between them must not be a fault of ours either.
#[tokio::test]
async fn a_body_of_megabytes_is_a_4xx_wherever_a_body_is_sent() {
    const MB: usize = 1_000_000;
    let app = App::new();
    let owner = app.account(&someone());
    let poll = app.poll_of(&owner, json!({"question": "Q", "options": ["a", "b"]})).await;
    let of_poll = format!("/v1/polls/{poll}");
    let before = app.shown(&poll).await;
    for (method, path) in [
        (Method::POST, "/v1/polls"),
        (Method::PATCH, &of_poll),
        (Method::POST, &format!("{of_poll}/close")),
        (Method::POST, &format!("{of_poll}/votes")),
        (Method::POST, "/v1/devices"),
    ] {
        for megabytes in [5, 7, 10] {
            let request = app.request(method.clone(), path).bearer_auth(&owner).header("If-Match", "\"1\"");
            let request = request.header("Content-Type", JSON).body(vec![b' '; megabytes * MB]);
            let answer = Answer::of(request).await;
            assert_eq!(answer.status, 413, "{method} {path}, {megabytes} MB: {answer}");
            // Past 6 MB a function is not asked, and the gateway may answer in words of its own.
            if megabytes < 6 {
                assert_problem(&answer, 413, "body_too_large");
            }
        }
    }
    assert_eq!(app.shown(&poll).await, before);
    assert!(app.aws.votes_of(&poll).await.is_empty());
}

#[tokio::test]
async fn only_json_is_taken() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let (votes, token) = (format!("/v1/polls/{poll}/votes"), app.account(&someone()));
    for (path, body) in [("/v1/polls", poll_with("kind", "\"single\"")), (&votes, vote_with("[0]"))] {
        for content_type in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonp"),
            Some("json"),
        ] {
            let answer = post(&app, path, &token, content_type, body.clone()).await;
            assert_eq!(answer.status, 415, "{content_type:?}: {answer}");
            assert_problem(&answer, 415, "unsupported_media_type");
        }
        let answer = post(&app, path, &token, Some("Application/JSON; charset=utf-8"), body).await;
        assert_eq!(answer.status, 201, "{answer}");
    }
}

#[tokio::test]
async fn text_as_long_and_as_odd_as_it_may_be_is_kept() {
    let app = App::new();
    let labels: Vec<String> =
        (0..100).map(|n| format!("{n}{}", "\u{1F5F3}".repeat(200 - n.to_string().len()))).collect();
    let body = json!({"question": "\u{1F5F3}\"\\</\u{5d0}".repeat(83), "options": labels, "kind": "multiple"});
    let answer = app.create_poll(&app.account(&someone()), &body).await;
    assert_eq!(answer.status, 201, "{answer}");
    let poll = app.get(&format!("/v1/polls/{}", answer.json()["poll_id"].as_str().unwrap())).await.json();
    assert_eq!(poll["question"], body["question"]);
    let kept: Vec<&str> =
        poll["options"].as_array().unwrap().iter().map(|option| option["label"].as_str().unwrap()).collect();
    assert_eq!(kept, labels);
}

#[tokio::test]
async fn text_of_any_script_is_kept_in_a_new_poll_and_in_a_changed_one() {
    let app = App::new();
    let owner = app.account(&someone());
    // Persian with the joiner that parts letters, Indic ones with the joiner that asks for a form, flags of tags, and
    // Hebrew around an isolate; Latin and Cyrillic letters that look alike are two.
    let labels = [
        "می\u{200c}خواهم",
        "ශ්\u{200d}රී ලංකා",
        "क्\u{200d}ष",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
        "👩🏽\u{200d}🚀",
        "❤\u{fe0f}",
        "אבג \u{2068}abc\u{2069} דה",
        "ภาษา\u{200b}ไทย",
        "한국어",
        "a",
        "\u{430}",
    ];
    let body = json!({"question": "ما هو لونك المُفَضَّل؟", "options": labels, "opens_at": in_ms(3_600_000)});
    let made = app.create_poll(&owner, &body).await;
    assert_eq!(made.status, 201, "{made}");
    let poll = made.json();
    let kept = |poll: &serde_json::Value| {
        let options = poll["options"].as_array().unwrap().iter().map(|option| option["label"].clone());
        json!({"question": poll["question"], "options": options.collect::<Vec<_>>(), "opens_at": poll["opens_at"]})
    };
    assert_eq!(kept(&poll), body);
    let mut turned = body.clone();
    turned["options"].as_array_mut().unwrap().reverse();
    let changed = app.change_poll(poll["poll_id"].as_str().unwrap(), &owner, "*", &turned).await;
    assert_eq!((changed.status, kept(&changed.json())), (200, turned), "{changed}");
}

/// Whatever happens to a good body on its way, it is a poll, a vote or a 4xx.
#[tokio::test]
async fn no_garbled_body_is_a_fault_of_ours() {
    const ROUNDS: u64 = 60;
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let (votes, token) = (format!("/v1/polls/{poll}/votes"), app.account(&someone()));
    for seed in 0..ROUNDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let good = poll_with("opens_at", "\"2099-01-01T00:00:00Z\"");
        let (path, mut body) = if random.bool() { ("/v1/polls", good) } else { (votes.as_str(), vote_with("[0]")) };
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..body.len());
            match random.u8(..3) {
                0 => body[at] = random.u8(..),
                1 => drop(body.remove(at)),
                _ => body.insert(at, *random.choice(b"{}[]\",:0\\-e. \xff\0").unwrap()),
            }
        }
        let answer = post(&app, path, &token, Some(JSON), body.clone()).await;
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert!(matches!(answer.status, 200 | 201 | 400 | 409 | 422), "seed {seed}: {shown}: {answer}");
        if answer.status >= 400 {
            assert_problem(&answer, answer.status, answer.json()["code"].as_str().unwrap());
        }
    }
}

#[tokio::test]
async fn names_of_headers_are_read_in_any_case() {
    let app = App::new();
    if app.stack.lacks("plain-http") {
        return;
    }
    let owner = app.account(&someone());
    for (content_type, authorization, if_match) in [
        ("content-type", "authorization", "if-match"),
        ("CONTENT-TYPE", "AUTHORIZATION", "IF-MATCH"),
        ("cOnTeNt-TyPe", "aUtHoRiZaTiOn", "iF-mAtCh"),
    ] {
        let poll = app.poll_of(&owner, json!({"question": "Q", "options": ["a", "b"]})).await;
        let headers = [(content_type, JSON), (authorization, &format!("Bearer {owner}")), (if_match, "\"1\"")];
        let body = "{\"peak_votes_per_second\":2000}";
        let mut connection = app.send_raw(&Method::PATCH, &format!("/v1/polls/{poll}"), &headers, body).await;
        let mut status = [0; "HTTP/1.1 200".len()];
        connection.read_exact(&mut status).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&status), "HTTP/1.1 200", "{authorization}");
    }
}

/// Method, path, headers, and the status and code that are to come.
type Long<'a> = (Method, &'a str, &'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test]
async fn what_is_too_long_beside_the_body_gets_a_4xx() {
    const LONG: usize = 7_000;
    let app = App::new();
    let (owner, long) = (app.account(&someone()), "1".repeat(LONG));
    let poll = app.poll_of(&owner, json!({"question": "Q", "options": ["a", "b"]})).await;
    let (of_poll, votes, quoted) =
        (format!("/v1/polls/{poll}"), format!("/v1/polls/{poll}/votes"), format!("\"{long}\""));
    let cases: [Long; 8] = [
        (Method::GET, &format!("/v1/polls/{long}"), &[], 404, "not_found"),
        (Method::GET, &format!("/v1/polls/{long}/results"), &[], 404, "not_found"),
        (Method::GET, &format!("/v1/polls?cursor={long}"), &[], 400, "invalid_request"),
        (Method::GET, &format!("/v1/polls?limit={long}"), &[], 400, "invalid_request"),
        (Method::PATCH, &of_poll, &[("Content-Type", JSON), ("If-Match", &quoted)], 412, "revision_mismatch"),
        (Method::PATCH, &of_poll, &[("Content-Type", JSON), ("If-Match", &long)], 400, "invalid_request"),
        (Method::POST, &votes, &[("Content-Type", &long)], 415, "unsupported_media_type"),
        (Method::POST, "/v1/polls", &[("Content-Type", JSON), ("Idempotency-Key", &long)], 400, "invalid_request"),
    ];
    for (method, path, headers, status, code) in cases {
        let mut request = app.request(method, path).bearer_auth(&owner).body("{}");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::of(request).await;
        let path = &path[..path.len().min(40)];
        assert_eq!(answer.status, status, "{path}: {answer}");
        assert_problem(&answer, status, code);
    }
    let tag = app.request(Method::GET, &format!("{of_poll}/results")).header("If-None-Match", quoted);
    assert_eq!(Answer::of(tag).await.status, 200, "a tag that it does not have");
}
