//! An OpenID Provider, oidc-provider from npm, as a process of its own; and people who sign in there.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, Method, StatusCode, header};
use landslide_runtime::Answer;
use reqwest::{RequestBuilder, redirect};
use serde_json::{Value, json};

use super::time::{eventually, now_ms};

/// The program, whose packages infra/local installs before the tests.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/local/openid-provider/serve.mjs");
/// The provider's only client, and so the audience of the tokens.
const CLIENT: &str = "landslide";
const REDIRECT_URI: &str = "https://client.example.org/signed-in";
/// The most pages from the start of a sign-in to its end.
const PAGES_MAX: usize = 10;

/// A provider at an address of its own, running or not.
pub struct OpenIdProvider {
    algorithm: &'static str,
    /// Where it sends people who come from the page, if any do.
    page: Option<String>,
    address: String,
    http: reqwest::Client,
    server: Option<Server>,
    /// Answers in the place of its process.
    refusing: Option<landslide_runtime::Server>,
}

/// Its process, which ends when this is dropped.
struct Server(Child);

/// A function's variables with these issuers besides its own.
pub fn with_issuers(variables: &Value, added: &[Value]) -> Value {
    let mut issuers: Vec<Value> = serde_json::from_str(variables["ISSUERS"].as_str().unwrap()).unwrap();
    issuers.extend_from_slice(added);
    let mut variables = variables.clone();
    variables["ISSUERS"] = json!(Value::from(issuers).to_string());
    variables
}

impl OpenIdProvider {
    /// A provider that does not run yet, whose tokens will be signed by that algorithm.
    pub fn new(algorithm: &'static str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { algorithm, page: None, address, http, server: None, refusing: None }
    }

    /// The same, at which people sign in on the page. `redirect` is where it sends them back.
    pub fn of_page(algorithm: &'static str, redirect: &str) -> Self {
        Self { page: Some(redirect.to_owned()), ..Self::new(algorithm) }
    }

    /// Its `iss`.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where its keys are.
    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.issuer())
    }

    /// It as one of the stack's issuers.
    pub fn as_issuer(&self) -> Value {
        json!({"issuer": self.issuer(), "audience": CLIENT, "jwks_uri": self.jwks_uri()})
    }

    /// It as one of the stack's issuers, at which the page signs people in.
    pub fn as_issuer_of_page(&self) -> Value {
        let discovery = format!("{}/.well-known/openid-configuration", self.issuer());
        json!({"issuer": self.issuer(), "audience": CLIENT, "client_id": CLIENT, "name": "Test ID", "discovery": discovery})
    }

    /// Starts it, under a key that it never had before.
    pub async fn start(&mut self) {
        let program = Path::new(PROGRAM);
        assert!(
            program.with_file_name("node_modules").is_dir(),
            "its packages are not installed: `make test-it` does that, or npm ci in infra/local/openid-provider"
        );
        let (_, port) = self.address.rsplit_once(':').unwrap();
        let mut command = Command::new("node");
        command.arg(program).args([port, self.algorithm]).args(&self.page).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Server(command.spawn().unwrap_or_else(|error| panic!("node: {error}")));
        eventually("OpenID Provider", async || {
            assert_eq!(server.0.try_wait().unwrap(), None, "the provider ended; by hand it says why: {command:?}");
            self.discover().await.map_err(|error| error.to_string())
        })
        .await;
        self.server = Some(server);
    }

    /// Ends it; nobody answers at its address then.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Ends it, and answers 429 at its address from then on, as a provider does that is asked too often.
    pub async fn throttle(&mut self) {
        self.stop();
        let throttled = async |_| {
            let mut answer = Answer::default();
            *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            Ok(answer)
        };
        self.refusing = Some(landslide_runtime::Server::start(&self.address, throttled).await.unwrap());
    }

    /// Restarts it with a new key. The old key is gone.
    pub async fn rotate(&mut self) {
        self.stop();
        self.start().await;
    }

    /// Signs somebody in as a browser and a client do it (OpenID Connect Core, section 3.1): their ID token.
    pub async fn sign_in(&self, subject: &str) -> String {
        let metadata = self.discover().await.unwrap();
        assert_eq!(metadata["issuer"], self.issuer());
        assert_eq!(metadata["jwks_uri"], self.jwks_uri());
        let endpoint = |name: &str| metadata[name].as_str().unwrap();

        let start = endpoint("authorization_endpoint");
        let start = format!("{start}?client_id={CLIENT}&response_type=code&scope=openid&redirect_uri={REDIRECT_URI}");
        let end = self.sign_in_at(start, REDIRECT_URI, subject).await;
        let mut parameters = end.trim_start_matches(REDIRECT_URI).trim_start_matches('?').split('&');
        let code = parameters.find_map(|parameter| parameter.strip_prefix("code="));
        let code = code.unwrap_or_else(|| panic!("no code in {end}"));
        let form = format!("grant_type=authorization_code&code={code}&redirect_uri={REDIRECT_URI}&client_id={CLIENT}");
        let answer = self.form(endpoint("token_endpoint"), form).send().await.unwrap();
        let token = answer.json::<Value>().await.unwrap()["id_token"].take();
        token.as_str().unwrap_or_else(|| panic!("no ID token for {subject}")).to_owned()
    }

    /// A token of somebody, by a key that this provider never had: nobody signed it.
    pub fn forge(&self, subject: &str) -> String {
        let header = json!({"alg": self.algorithm, "kid": format!("unknown-{:032x}", fastrand::u128(..))});
        let claims = json!({"iss": self.issuer(), "aud": CLIENT, "sub": subject, "exp": now_ms() / 1_000 + 600});
        let parts = [header.to_string(), claims.to_string(), "signature".to_owned()];
        parts.map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".")
    }

    async fn discover(&self) -> Result<Value, reqwest::Error> {
        let uri = format!("{}/.well-known/openid-configuration", self.issuer());
        self.http.get(uri).send().await?.error_for_status()?.json().await
    }

    /// Goes from page to page, with the provider's cookies, until it sends back to the client: to which address.
    pub async fn sign_in_at(&self, mut at: String, redirect: &str, subject: &str) -> String {
        let mut cookies = BTreeMap::new();
        for _ in 0..PAGES_MAX {
            if at.starts_with(redirect) {
                return at;
            }
            let page = if at.contains("/interaction/") {
                self.form(&at, format!("prompt=login&login={subject}&password=any"))
            } else {
                self.http.request(Method::GET, &at)
            };
            let answer = page.header(header::COOKIE, cookie_header(&cookies)).send().await.unwrap();
            remember_cookies(&mut cookies, answer.headers());
            let to = answer.headers().get(header::LOCATION).unwrap_or_else(|| panic!("{at} leads nowhere"));
            let to = to.to_str().unwrap();
            at = if to.starts_with('/') { format!("{}{to}", self.issuer()) } else { to.to_owned() };
        }
        panic!("not signed in after {PAGES_MAX} pages, but at {at}");
    }

    fn form(&self, uri: &str, form: String) -> RequestBuilder {
        self.http.post(uri).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error says that it has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The header `Cookie` with these cookies.
pub fn cookie_header(cookies: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

/// Keeps the cookies of an answer, as a browser does.
pub fn remember_cookies(cookies: &mut BTreeMap<String, String>, headers: &HeaderMap) {
    for cookie in headers.get_all(header::SET_COOKIE) {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        cookies.insert(name.to_owned(), value.to_owned());
    }
}
