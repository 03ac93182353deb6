//! The page that people vote on, as a browser without scripts asks for it: forms, cookies and what is refused. The same in a
//! real browser is in `tests/browser`.

mod cdn;
mod forms;
mod settings;
mod sign_in;

use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::{Answer, App, CONNECTIONS, eventually, someone};

/// What a browser says of a form that its own page sends.
const SAME_ORIGIN: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
const FORM: &str = "application/x-www-form-urlencoded";
/// How many random forms each poll gets.
const FORMS: usize = 37;

/// A browser: it keeps a cookie, and follows no redirection by itself.
struct Browser {
    http: reqwest::Client,
    pages_url: String,
    cookie: Option<String>,
}

impl Browser {
    fn new(app: &App) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, pages_url: app.stack.output("PagesUrl").to_owned(), cookie: None }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.pages_url));
        match &self.cookie {
            Some(cookie) => request.header("Cookie", cookie),
            None => request,
        }
    }

    /// A poll's page; keeps the cookie that comes with it. `page` may have a query.
    async fn open(&mut self, page: &str) -> Answer {
        let answer = Answer::of(self.request(Method::GET, &format!("/p/{page}"))).await;
        if let Some(cookie) = answer.headers.get("set-cookie") {
            self.cookie = cookie.to_str().unwrap().split(';').next().map(str::to_owned);
        }
        answer
    }

    fn form(&self, poll: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.request(Method::POST, &format!("/p/{poll}")).header("Content-Type", FORM).body(body)
    }

    /// Sends a poll's form from its own page.
    async fn send(&self, poll: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.form(poll, body).header(SAME_ORIGIN.0, SAME_ORIGIN.1)).await
    }
}

/// What is the same of every page, whatever it says.
fn assert_page(answer: &Answer, status: StatusCode) {
    assert_eq!(answer.status, status.as_u16(), "{answer}");
    assert!(answer.header("content-type").starts_with("text/html"), "{answer}");
    assert_eq!(answer.header("cache-control"), "private, no-store", "{answer}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "same-origin");
    assert!(answer.headers.contains_key("content-security-policy"), "{answer}");
}

/// What the form on a page says of its voter and of the vote that it changes.
fn hidden_fields(page: &Answer) -> String {
    let value = |name: &str| {
        let start = format!("name=\"{name}\" value=\"");
        let rest = page.body.split_once(start.as_str()).unwrap_or_else(|| panic!("no {name} in {page}")).1;
        rest.split('"').next().unwrap().to_owned()
    };
    format!("as={}&rev={}", value("as"), value("rev"))
}

/// A poll of three options, with these fields; `null` leaves one out.
async fn poll_of(app: &App, fields: Value) -> String {
    let mut body = json!({"question": "Tea or coffee?", "options": ["Tea", "Coffee", "Neither"]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    app.poll_of(&app.account(&someone()), body).await
}

#[tokio::test]
async fn a_form_sent_twenty_times_at_once_is_one_vote_and_its_page_says_so() {
    let app = App::new();
    let poll = poll_of(&app, json!({})).await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&poll).await;
    assert_page(&page, StatusCode::OK);
    assert!(page.body.contains("<form") && page.body.contains("Coffee"), "{page}");
    let cookie = page.header("set-cookie");
    for part in ["__Host-landslide=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    let browser = &browser;
    let sent = (0..20).map(|_| async { browser.send(&poll, "c=1").await });
    let answers: Vec<Answer> = stream::iter(sent).buffer_unordered(CONNECTIONS).collect().await;
    for answer in &answers {
        assert_eq!(answer.status, 303, "{answer}");
        assert_eq!(answer.header("location"), format!("{poll}?lang=en"));
        assert!(answer.header("set-cookie").contains("Max-Age=34560000"), "{answer}");
    }
    let results = app.results_settle_at(&poll, 1).await;
    assert_eq!(results["options"][1]["votes"], 1, "{results}");
    assert_eq!(app.aws.votes_of(&poll).await.len(), 1);
    eventually("own vote with results", async || {
        let page = Answer::of(browser.request(Method::GET, &format!("/p/{poll}?lang=de"))).await;
        let shown = ["Ihre Stimme", "Coffee", "lang=\"de\""].iter().all(|text| page.body.contains(text));
        if shown { Ok(()) } else { Err(page.body) }
    })
    .await;
}

#[tokio::test]
async fn only_a_form_of_our_own_page_with_our_cookie_votes() {
    let app = App::new();
    let poll = poll_of(&app, json!({})).await;
    let mut browser = Browser::new(&app);
    let without_cookie = browser.send(&poll, "c=1").await;
    assert_page(&without_cookie, StatusCode::FORBIDDEN);
    assert!(without_cookie.body.contains("cookies"), "{without_cookie}");
    browser.open(&poll).await;
    let foreign: [&[(&str, &str)]; 5] = [
        &[],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site"), ("Origin", "https://vote.example")],
        &[("Origin", "null")],
        &[("Origin", "https://evil.example"), ("X-Forwarded-Host", "evil.example")],
    ];
    for headers in foreign {
        let form = headers.iter().fold(browser.form(&poll, "c=1"), |form, (name, value)| form.header(*name, *value));
        assert_page(&Answer::of(form).await, StatusCode::FORBIDDEN);
    }
    assert!(app.aws.votes_of(&poll).await.is_empty());
    let forged = Browser { cookie: Some("__Host-landslide=a.b.c".to_owned()), ..Browser::new(&app) };
    assert_page(&forged.send(&poll, "c=1").await, StatusCode::FORBIDDEN);
    // A browser from before Sec-Fetch-Site says where a form comes from.
    let origin = url_origin(&browser.pages_url);
    assert_eq!(Answer::of(browser.form(&poll, "c=1").header("Origin", origin)).await.status, 303);
    assert_eq!(app.aws.votes_of(&poll).await.len(), 1);
}

fn url_origin(url: &str) -> String {
    url.split('/').take(3).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn what_goes_wrong_is_a_page_too_and_the_gateways_own_answers_are() {
    let app = App::new();
    let poll = poll_of(&app, json!({})).await;
    let mut browser = Browser::new(&app);
    browser.open(&poll).await;
    for path in ["/p/AAAAAAAAAAAAAAAAAAAAAA", "/p/no-id", "/p/%3Cscript%3E", "/nope", "/"] {
        assert_page(&Answer::of(browser.request(Method::GET, path)).await, StatusCode::NOT_FOUND);
    }
    let unread = [
        browser.request(Method::POST, &format!("/p/{poll}")).header("Content-Type", "application/json").body("c=1"),
        browser.form(&poll, vec![b'x'; 200_000]),
        browser.form(&poll, b"text=%ff%fe&c=\xff".to_vec()),
    ];
    for form in unread {
        let answer = Answer::of(form.header(SAME_ORIGIN.0, SAME_ORIGIN.1)).await;
        assert!([400, 422].contains(&answer.status), "{answer}");
        assert_page(&answer, StatusCode::from_u16(answer.status).unwrap());
    }
    for body in ["c=-1", "unknown=1", "r0=1&r0=2"] {
        assert_page(&browser.send(&poll, body).await, StatusCode::BAD_REQUEST);
    }
    // What a voter can mend is shown in the form again.
    for body in ["", "c=9", "c=1&c=2", "c=other"] {
        let answer = browser.send(&poll, body).await;
        assert_page(&answer, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains("<form"), "{answer}");
    }
    assert!(app.aws.votes_of(&poll).await.is_empty());
}

#[tokio::test]
async fn hostile_text_is_shown_as_text_and_no_address_is_of_the_request() {
    let app = App::new();
    let hostile = "</bdi><script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let options = json!([hostile, "javascript:alert(1)", "{{7*7}}${7*7}"]);
    let poll = poll_of(&app, json!({"question": hostile, "options": options})).await;
    let mut browser = Browser::new(&app);
    let page = browser.open(&poll).await;
    assert!(!page.body.contains("<script>alert") && !page.body.contains("<img"), "{page}");
    let path = format!("/p/{poll}?lang=%22%3E%3Cscript%3E&view=stage%22onload=x&x=%3Cscript%3Ealert(1)");
    let asked = browser
        .request(Method::GET, &path)
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "gopher")
        .header("Forwarded", "host=evil.example")
        .header("Accept-Language", "\"><script>alert(1)</script>;q=1");
    let page = Answer::of(asked).await;
    assert_page(&page, StatusCode::OK);
    assert!(!page.body.contains("evil.example") && !page.body.contains("<script>alert"), "{page}");
    assert!(page.body.contains(&format!("{}/p/{poll}", browser.pages_url)), "{page}");
}

#[tokio::test]
async fn results_for_anyone_are_kept_for_a_second_and_those_of_one_reader_by_nobody() {
    let app = App::new();
    let (open, hidden) = (poll_of(&app, json!({})).await, poll_of(&app, json!({"results": "after_vote"})).await);
    let browser = Browser::new(&app);
    let public = Answer::of(browser.request(Method::GET, &format!("/p/{open}/results?lang=ja"))).await;
    assert_eq!(public.status, 200, "{public}");
    assert!(public.header("cache-control").starts_with("public, max-age="), "{public}");
    assert!(!public.headers.contains_key("set-cookie"));
    let again = browser.request(Method::GET, &format!("/p/{open}/results?lang=ja"));
    let again = Answer::of(again.header("If-None-Match", public.header("etag"))).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""), "{again}");
    for path in [format!("/p/{open}/live"), format!("/p/{hidden}/live"), format!("/p/{hidden}/results")] {
        let answer = Answer::of(browser.request(Method::GET, &path)).await;
        assert_eq!(answer.header("cache-control"), "private, no-store", "{path}: {answer}");
    }
}

#[tokio::test]
async fn whatever_a_form_holds_it_is_answered_by_a_page_and_counts_one_vote_at_most() {
    let app = App::new();
    let polls = [
        json!({"kind": "ranked"}),
        json!({"kind": "rating", "scale": {"min": 1, "max": 5}}),
        json!({"kind": "text", "options": null}),
        json!({"kind": "multiple", "max_choices": 2, "vote_change": "until_close"}),
    ];
    for fields in polls {
        let poll = poll_of(&app, fields).await;
        let mut browser = Browser::new(&app);
        browser.open(&poll).await;
        let browser = &browser;
        let sent = (0..FORMS).map(|_| async {
            let form = random_form();
            (browser.send(&poll, form.clone()).await, form)
        });
        let answers: Vec<(Answer, String)> = stream::iter(sent).buffer_unordered(CONNECTIONS).collect().await;
        for (answer, form) in answers {
            assert!([303, 400, 409, 422].contains(&answer.status), "{form}: {answer}");
            assert!(!answer.body.contains("<script>alert"), "{form}: {answer}");
        }
        assert!(app.aws.votes_of(&poll).await.len() <= 1);
    }
}

/// Names and values as the page has them, and others, in any number and order.
fn random_form() -> String {
    let names =
        ["c", "r0", "r1", "r2", "v0", "v1", "v2", "text", "other", "s0", "withdraw", "lang", "%00", "", "c%5B%5D"];
    let values = [
        "0",
        "1",
        "2",
        "3",
        "other",
        "",
        "-1",
        "1e9",
        "99999999999999999999",
        "on",
        "%E2%80%AE",
        "%FF",
        "+",
        "a",
        "%3Cscript%3Ealert(1)",
    ];
    let pair = |_| format!("{}={}", fastrand::choice(names).unwrap(), fastrand::choice(values).unwrap());
    let mut form = (0..fastrand::usize(..6)).map(pair).collect::<Vec<_>>().join("&");
    if fastrand::u8(..8) == 0 {
        form.push_str(&"&c=1".repeat(fastrand::usize(..2_000)));
    }
    form
}
