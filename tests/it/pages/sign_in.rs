//! Signing in on the page, with a real provider, all through the gateway. What only a provider that misbehaves can show (other
//! nonces, algorithms and audiences, slow answers) is tested with the function itself (functions/sign-in).

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{FORM, SAME_ORIGIN, assert_page};
use crate::support::{
    Answer, App, OpenIdProvider, cookie_header, remember_cookies, someone, while_changed, with_issuers,
};

/// The functions that read the issuers: those of the page, and the one that lets votes in by the API.
const FUNCTIONS: [&str; 3] = ["sign-in", "show-poll", "authorizer"];
const ACCOUNT_COOKIE: &str = "__Host-landslide-account";
const SIGN_IN_COOKIE: &str = "__Host-landslide-sign-in";

/// A browser that follows no redirection by itself.
struct Browser {
    http: reqwest::Client,
    pages_url: String,
    cookies: BTreeMap<String, String>,
}

/// A sign-in that is as far as the provider's answer.
struct Begun {
    /// The query of the address to which the provider sends back.
    query: String,
    /// The browser's cookie of it.
    cookie: String,
}

impl Browser {
    fn new(app: &App) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, pages_url: app.stack.output("PagesUrl").to_owned(), cookies: BTreeMap::new() }
    }

    async fn answer(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let answer = Answer::of(request.header("Cookie", cookie_header(&self.cookies))).await;
        remember_cookies(&mut self.cookies, &answer.headers);
        // An empty one is taken away.
        self.cookies.retain(|_, value| !value.is_empty());
        answer
    }

    async fn get(&mut self, path: &str) -> Answer {
        let request = self.http.request(Method::GET, format!("{}{path}", self.pages_url));
        self.answer(request).await
    }

    async fn send(&mut self, poll: &str, form: &'static str) -> Answer {
        let request = self.http.request(Method::POST, format!("{}/p/{poll}", self.pages_url));
        let request = request.header("Content-Type", FORM).header(SAME_ORIGIN.0, SAME_ORIGIN.1).body(form);
        self.answer(request).await
    }

    /// Follows the page's link to the provider, and signs in there.
    async fn begin(&mut self, app: &App, provider: &OpenIdProvider, poll: &str, subject: &str) -> Begun {
        let page = self.get(&format!("/p/{poll}?lang=en")).await;
        let (before, _) =
            page.body.split_once("\"><span>Sign in with <bdi>Test ID").unwrap_or_else(|| panic!("{page}"));
        let (_, link) = before.rsplit_once("href=\"").unwrap();
        let way = self.get(&format!("/p/{}", link.replace("&amp;", "&"))).await;
        assert_eq!(way.status, 303, "{way}");
        let redirect = app.stack.output("SignInUrl");
        let back = provider.sign_in_at(way.header("location").to_owned(), redirect, subject).await;
        Begun { query: back.trim_start_matches(redirect).to_owned(), cookie: self.cookies[SIGN_IN_COOKIE].clone() }
    }

    /// Comes back from the provider.
    async fn end(&mut self, begun: &Begun) -> Answer {
        self.cookies.insert(SIGN_IN_COOKIE.to_owned(), begun.cookie.clone());
        self.get(&format!("/sign-in{}", begun.query)).await
    }

    async fn sign_in(&mut self, app: &App, provider: &OpenIdProvider, poll: &str, subject: &str) {
        let begun = self.begin(app, provider, poll, subject).await;
        let back = self.end(&begun).await;
        assert_eq!((back.status, back.header("location")), (303, format!("p/{poll}?lang=en").as_str()), "{back}");
        assert_eq!(back.header("cache-control"), "private, no-store");
        assert!(self.cookies.contains_key(ACCOUNT_COOKIE) && !self.cookies.contains_key(SIGN_IN_COOKIE));
    }
}

/// Runs a test with a provider that is among the stack's issuers and runs, and with a poll of accounts.
async fn with_provider(test: impl AsyncFnOnce(&App, OpenIdProvider, String)) {
    let app = &App::alone();
    if app.stack.lacks("way-to-this-machine") {
        return;
    }
    let mut provider = OpenIdProvider::of_page("ES256", app.stack.output("SignInUrl"));
    let functions = FUNCTIONS.map(|folder| app.stack.function(folder));
    let mut before: Vec<Value> = vec![];
    for function in &functions {
        before.push(app.aws.variables(function).await);
    }
    let issuer = [provider.as_issuer_of_page()];
    let after: Vec<Value> = before.iter().map(|variables| with_issuers(variables, &issuer)).collect();
    let set = async |all: &[Value]| {
        for (function, variables) in functions.iter().zip(all) {
            app.aws.set_variables(function, variables).await;
        }
    };
    let tested = async {
        provider.start().await;
        let poll = poll_of_accounts(app).await;
        test(app, provider, poll).await;
    };
    while_changed(set(&after), tested, set(&before)).await;
}

async fn poll_of_accounts(app: &App) -> String {
    let body =
        json!({"question": "Tea?", "options": ["Yes", "No"], "identity": "account", "vote_change": "until_close"});
    app.poll_of(&app.account(&someone()), body).await
}

#[tokio::test]
async fn an_account_signs_in_votes_once_by_page_and_api_and_signs_out() {
    with_provider(async |app, provider, poll| {
        let (mut alice, mut bob) = (Browser::new(app), Browser::new(app));
        let refused = alice.send(&poll, "c=0").await;
        assert_page(&refused, StatusCode::FORBIDDEN);
        alice.sign_in(app, &provider, &poll, "alice").await;
        let page = alice.get(&format!("/p/{poll}?lang=en")).await;
        assert_page(&page, StatusCode::OK);
        assert!(page.body.contains("Signed in with <bdi>Test ID</bdi>.") && page.body.contains("<fieldset"), "{page}");
        assert_eq!(alice.send(&poll, "c=0").await.status, 303);
        // The same account by the API, with the provider's own token: a change of the same vote.
        let changed = app.vote(&poll, &provider.sign_in("alice").await, &[1]).await;
        assert_eq!(changed.json()["revision"], 2, "{changed}");
        let page = alice.get(&format!("/p/{poll}?lang=en")).await;
        assert!(page.body.contains("Your vote is recorded."), "{page}");
        bob.sign_in(app, &provider, &poll, "bob").await;
        assert_eq!(bob.send(&poll, "c=0").await.status, 303);
        assert_eq!(app.aws.votes_of(&poll).await.len(), 2);

        let out = alice.send(&poll, "do=sign-out").await;
        assert_eq!((out.status, alice.cookies[ACCOUNT_COOKIE].as_str()), (303, "out"));
        let page = alice.get(&format!("/p/{poll}?lang=en")).await;
        assert!(page.body.contains("Sign in with") && !page.body.contains("<fieldset"), "{page}");
        assert_page(&alice.send(&poll, "c=1").await, StatusCode::FORBIDDEN);
        // The provider is told to ask who it is now.
        let again = alice.get(&format!("/p/{poll}/sign-in")).await;
        assert!(again.header("location").contains("prompt=login"), "{again}");
        assert_eq!(app.aws.votes_of(&poll).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn nothing_but_the_browsers_own_sign_in_signs_it_in() {
    with_provider(async |app, mut provider, poll| {
        let mut browser = Browser::new(app);
        let first = browser.begin(app, &provider, &poll, "alice").await;
        let second = browser.begin(app, &provider, &poll, "alice").await;
        let parameter = |begun: &Begun, name: &str| {
            let pairs = begun.query.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(own, _)| *own == name).map(|(_, value)| value.to_owned()).next().unwrap()
        };
        let [state, code, iss] = ["state", "code", "iss"].map(|name| parameter(&first, name));
        let with = |query: String, cookie: &str| Begun { query, cookie: cookie.to_owned() };
        for (begun, status) in [
            // Somebody else's answer, and the one of another tab.
            (with(first.query.clone(), ""), StatusCode::BAD_REQUEST),
            (with(first.query.clone(), &second.cookie), StatusCode::BAD_REQUEST),
            (with(format!("?code={code}&iss={iss}"), &first.cookie), StatusCode::BAD_REQUEST),
            (with(format!("?code={code}&iss={iss}&state={state}x"), &first.cookie), StatusCode::BAD_REQUEST),
            (with(format!("?state={state}&iss={iss}&error=access_denied"), &first.cookie), StatusCode::FORBIDDEN),
            (
                with(format!("?state={state}&iss=https://evil.example&code={code}"), &first.cookie),
                StatusCode::BAD_GATEWAY,
            ),
            // A code that was stolen into another sign-in: the verifier is another one.
            (
                with(format!("?state={}&iss={iss}&code={code}", parameter(&second, "state")), &second.cookie),
                StatusCode::BAD_GATEWAY,
            ),
        ] {
            let answer = browser.end(&begun).await;
            assert_page(&answer, status);
            assert!(!answer.body.contains(&code) && !browser.cookies.contains_key(ACCOUNT_COOKIE), "{answer}");
        }
        let third = browser.begin(app, &provider, &poll, "alice").await;
        assert_eq!(browser.end(&third).await.status, 303);
        let account = browser.cookies[ACCOUNT_COOKIE].clone();
        browser.cookies.clear();
        // Replayed with the cookie that was taken away: the provider takes a code once.
        assert_page(&browser.end(&third).await, StatusCode::BAD_GATEWAY);

        let fourth = browser.begin(app, &provider, &poll, "alice").await;
        // A cookie of another purpose.
        assert_page(&browser.end(&with(fourth.query.clone(), &account)).await, StatusCode::BAD_REQUEST);
        provider.stop();
        assert_page(&browser.end(&fourth).await, StatusCode::SERVICE_UNAVAILABLE);
        assert!(!browser.cookies.contains_key(ACCOUNT_COOKIE));
    })
    .await;
}
