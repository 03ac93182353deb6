//! Whole sign-ins, with a provider on this machine.

mod fake;

use jsonwebtoken::Algorithm;
use lambda_http::{Context, RequestExt};
use landslide_identity::token::signer::{Signer, seconds_from_now};
use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use serde_json::{Value, json};

use self::fake::{Asked, CLIENT, FakeProvider, Reply};
use super::*;

const POLL: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const PAGES: &str = "https://vote.example/prod";
const REDIRECT: &str = "https://vote.example/prod/sign-in";

/// The function, and a provider.
struct Stand {
    app: App,
    provider: FakeProvider,
}

/// A sign-in that has begun: the cookie, and what the provider was told.
struct Begun {
    cookie: String,
    asked: Asked,
}

impl Stand {
    async fn new() -> Self {
        Self::with(&json!({}), "{}").await
    }

    /// With these further fields of the issuer, and these client secrets, in which `ISSUER` is its name.
    async fn with(fields: &Value, secrets: &str) -> Self {
        let provider = FakeProvider::start(Signer::new(Algorithm::ES256, "1")).await;
        let mut issuer = provider.as_issuer();
        issuer.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        issuer.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let issuers = json!([issuer]).to_string().replace("ISSUER", &provider.issuer());
        let secrets = ClientSecrets::read(&secrets.replace("ISSUER", &provider.issuer())).unwrap();
        let url = PAGES.parse().unwrap();
        let configured = Configured::read(&issuers, Reach::PublicAndLoopback);
        Self { app: App::new(configured, &secrets, secret(), url), provider }
    }

    async fn ask(&self, resource: &str, poll: Option<&str>, query: &Value, cookie: &str) -> Answer {
        let event = json!({
            "resource": resource, "path": resource, "httpMethod": "GET",
            "headers": {"Cookie": cookie, "Accept-Language": "nl"}, "multiValueHeaders": {},
            "queryStringParameters": query, "multiValueQueryStringParameters": null,
            "pathParameters": poll.map(|poll_id| json!({"poll_id": poll_id})), "stageVariables": null, "body": null, "isBase64Encoded": false,
            "requestContext": {"requestId": "r-1", "httpMethod": "GET", "resourcePath": resource, "stage": "prod",
                "path": resource, "identity": {}, "accountId": "0", "apiId": "a"},
        });
        let mut context = Context::default();
        context.deadline = clock::now().plus_millis(60_000).as_millis();
        let request = lambda_http::request::from_str(&event.to_string()).unwrap().with_lambda_context(context);
        self.app.answer(&landslide_lambda_http::read(request)).await
    }

    async fn begin_with(&self, query: &Value, cookie: &str) -> Answer {
        self.ask("/p/{poll_id}/sign-in", Some(POLL), query, cookie).await
    }

    async fn begin(&self) -> Begun {
        let answer = self.begin_with(&json!({"lang": "de"}), "x=1").await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let cookie = values(&answer, "set-cookie")[0].split(';').next().unwrap().to_owned();
        Begun { cookie, asked: Asked::of(values(&answer, "location")[0]) }
    }

    async fn end(&self, query: &Value, cookie: &str) -> Answer {
        self.ask("/sign-in", None, query, cookie).await
    }

    /// The way back with the provider's code, once the token response is as the provider would give it, with these claims.
    async fn end_with(&self, begun: &Begun, claims: &Value) -> Answer {
        self.provider.reply(Reply::Tokens(self.provider.id_token(&begun.asked, claims)));
        self.end(&json!({"state": begun.asked.value("state"), "code": "secret-code"}), &begun.cookie).await
    }

    /// The account that an answer's cookie says.
    fn account(&self, answer: &Answer) -> Caller {
        let cookies = values(answer, "set-cookie");
        let value = cookies.iter().find_map(|cookie| cookie.strip_prefix("__Host-landslide-account=")).unwrap();
        self.app.secret.open_account(value.split(';').next().unwrap(), clock::now()).unwrap()
    }
}

fn secret() -> PageSecret {
    PageSecret::new(vec![b's'; 64])
}

fn values<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    answer.headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_str()).collect()
}

/// A page in words, with a link to the poll, and nothing that a browser would keep.
fn assert_trouble(answer: &Answer, trouble: Trouble, link: &str) {
    assert_eq!(answer.status, trouble.status(), "{trouble:?}: {}", answer.body);
    assert_eq!(values(answer, "cache-control"), ["private, no-store"]);
    assert!(values(answer, "set-cookie").is_empty());
    assert!(answer.body.contains(&format!("href=\"{link}?lang=")), "{link}: {}", answer.body);
    for hidden in ["secret-code", "eyJ", "__Host"] {
        assert!(!answer.body.contains(hidden), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_browser_is_led_to_the_provider_with_a_state_a_nonce_and_a_challenge() {
    let stand = Stand::new().await;
    let answer = stand.begin_with(&json!({"issuer": "0", "lang": "pt-BR"}), "x=1").await;
    assert_eq!((answer.status, values(&answer, "cache-control")), (303, vec!["private, no-store"]));
    let asked = Asked::of(values(&answer, "location")[0]);
    assert_eq!(asked.address, format!("{}/authorize", stand.provider.issuer()));
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
        ("scope", "openid"),
        ("code_challenge_method", "S256"),
        ("ui_locales", "pt-BR"),
        ("tenant", "7"),
    ] {
        assert_eq!(asked.value(name), value, "{name}");
    }
    assert!(!asked.query.contains_key("prompt"));
    let [cookie] = values(&answer, "set-cookie")[..] else { panic!("one cookie") };
    let (cookie, rest) = cookie.split_once(';').unwrap();
    assert_eq!(rest, " Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=86400");
    let begun = stand.app.secret.open_sign_in(cookie.split_once('=').unwrap().1).unwrap();
    assert_eq!([begun.state.as_str(), &begun.nonce], [asked.value("state"), asked.value("nonce")]);
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(begun.verifier.clone()));
    assert_eq!(challenge.as_str(), asked.value("code_challenge"));
    let another = stand.begin().await;
    assert_ne!(another.asked.value("state"), asked.value("state"));
    assert_ne!(another.asked.value("nonce"), asked.value("nonce"));
}

#[tokio::test]
async fn who_signs_in_after_signing_out_is_asked_who_they_are() {
    let stand = Stand::new().await;
    let answer = stand.begin_with(&Value::Null, "__Host-landslide-account=out").await;
    assert_eq!(Asked::of(values(&answer, "location")[0]).value("prompt"), "login");
}

#[tokio::test]
async fn a_link_with_no_issuer_of_that_place_leads_to_the_poll() {
    let stand = Stand::new().await;
    for place in ["1", "-1", "x", "", "99999999999999999999"] {
        let answer = stand.begin_with(&json!({"issuer": place}), "x=1").await;
        assert_trouble(&answer, Trouble::SignInExpired, &format!("../{POLL}"));
    }
    let nowhere = stand.ask("/p/{poll_id}/sign-in", Some("no id"), &Value::Null, "x=1").await;
    assert_eq!(nowhere.status, 404);
}

#[tokio::test]
async fn who_signs_in_is_remembered_and_led_to_the_poll() {
    let stand = Stand::with(&json!({"released_claims": ["region"]}), "{}").await;
    let begun = stand.begin().await;
    let answer = stand.end_with(&begun, &json!({"region": "north", "email": "a@example.org"})).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(values(&answer, "location"), [format!("p/{POLL}?lang=de")]);
    let cookies = values(&answer, "set-cookie");
    assert_eq!(cookies.len(), 2);
    assert!(cookies[0].starts_with("__Host-landslide-sign-in=;") && cookies[0].ends_with("; Max-Age=0"));
    assert!(cookies[1].ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=43200"), "{}", cookies[1]);
    let account = stand.account(&answer);
    assert_eq!((account.issuer, account.subject), (stand.provider.issuer(), "alice".to_owned()));
    assert_eq!(account.claims.to_text().unwrap(), r#"{"region":"north"}"#, "what is released, and nothing else");
    // The client proves itself by the verifier alone, as it has no secret.
    let exchange = stand.provider.exchanges().pop().unwrap();
    let verifier = PkceCodeVerifier::new(exchange.form["code_verifier"].clone());
    assert_eq!(PkceCodeChallenge::from_code_verifier_sha256(&verifier).as_str(), begun.asked.value("code_challenge"));
    let form = ["grant_type", "code", "redirect_uri", "client_id"].map(|name| exchange.form[name].as_str());
    assert_eq!(form, ["authorization_code", "secret-code", REDIRECT, CLIENT]);
    assert_eq!(exchange.authorization, None);
}

#[tokio::test]
async fn a_client_with_a_secret_says_it_as_the_provider_takes_it() {
    for (methods, authorization, posted) in [
        (Value::Null, Some("Basic cGFnZTpzJTNBJTI1"), None),
        (json!(["client_secret_post", "client_secret_basic"]), Some("Basic cGFnZTpzJTNBJTI1"), None),
        (json!(["client_secret_post", "private_key_jwt"]), None, Some("s:%")),
    ] {
        let stand = Stand::with(&json!({}), r#"{"ISSUER": "s:%"}"#).await;
        stand.provider.say("token_endpoint_auth_methods_supported", methods);
        let begun = stand.begin().await;
        assert_eq!(stand.end_with(&begun, &json!({})).await.status, 303);
        let exchange = stand.provider.exchanges().pop().unwrap();
        assert_eq!(exchange.authorization.as_deref(), authorization);
        assert_eq!(exchange.form.get("client_secret").map(String::as_str), posted);
    }
}

#[tokio::test]
async fn endpoints_may_be_configured_where_there_is_no_discovery() {
    let stand = Stand::with(
        &json!({"discovery": null, "jwks_uri": "ISSUER/jwks", "token_endpoint": "ISSUER/token",
            "authorization_endpoint": "ISSUER/authorize?tenant=8"}),
        "{}",
    )
    .await;
    let begun = stand.begin().await;
    assert_eq!(begun.asked.value("tenant"), "8");
    assert_eq!(stand.end_with(&begun, &json!({})).await.status, 303);
}

#[tokio::test]
async fn an_answer_without_the_browsers_own_sign_in_is_not_taken() {
    let stand = Stand::new().await;
    let (begun, other) = (stand.begin().await, stand.begin().await);
    let state = begun.asked.value("state");
    let account = stand.app.secret.seal_account(&stand.provider.account()).unwrap();
    let of_another_purpose = format!("__Host-landslide-sign-in={account}");
    let query = json!({"state": state, "code": "secret-code"});
    for cookie in ["x=1", &of_another_purpose, &format!("{}x", begun.cookie)] {
        let answer = stand.end(&query, cookie).await;
        assert_eq!((answer.status, values(&answer, "set-cookie").len()), (400, 0), "{}", answer.body);
    }
    for query in [json!({"code": "secret-code"}), json!({"state": "", "code": "c"}), Value::Null] {
        assert_trouble(&stand.end(&query, &begun.cookie).await, Trouble::SignInExpired, &format!("p/{POLL}"));
    }
    // Who took longer than a sign-in may take gets a link to the poll, in the language in which it began.
    let sealed = stand.app.secret.open_sign_in(begun.cookie.split_once('=').unwrap().1).unwrap();
    let late = SignIn { expires_at: clock::now(), language: "ja".to_owned(), ..sealed };
    let late = format!("__Host-landslide-sign-in={}", stand.app.secret.seal_sign_in(&late).unwrap());
    let answer = stand.end(&query, &late).await;
    assert_trouble(&answer, Trouble::SignInExpired, &format!("p/{POLL}"));
    assert!(answer.body.contains("<html lang=\"ja\""), "{}", answer.body);
    // Two tabs, or somebody else's answer.
    assert_trouble(&stand.end(&query, &other.cookie).await, Trouble::SignInExpired, &format!("p/{POLL}"));
    assert!(stand.provider.exchanges().is_empty(), "no code was exchanged");
}

#[tokio::test]
async fn a_refusal_and_an_error_of_the_provider_are_told_in_words() {
    let stand = Stand::new().await;
    let begun = stand.begin().await;
    for (error, trouble) in [
        ("access_denied", Trouble::SignInDeclined),
        ("temporarily_unavailable", Trouble::ProviderUnavailable),
        ("invalid_scope", Trouble::SignInFailed),
        ("<script>alert(1)", Trouble::SignInFailed),
    ] {
        let query = json!({"state": begun.asked.value("state"), "error": error, "error_description": "secret-code"});
        let answer = stand.end(&query, &begun.cookie).await;
        assert_trouble(&answer, trouble, &format!("p/{POLL}"));
        assert!(answer.body.contains("<html lang=\"de\"") && !answer.body.contains("<script>alert"));
    }
    let neither = stand.end(&json!({"state": begun.asked.value("state")}), &begun.cookie).await;
    assert_trouble(&neither, Trouble::SignInFailed, &format!("p/{POLL}"));
}

#[tokio::test]
async fn an_answer_names_the_issuer_that_was_asked_if_it_names_one_or_has_to() {
    let stand = Stand::with(&json!({"aliases": ["other-name"]}), "{}").await;
    stand.provider.say("authorization_response_iss_parameter_supported", json!(true));
    let issuer = stand.provider.issuer();
    for (iss, status) in
        [(Some(issuer.as_str()), 303), (Some("other-name"), 303), (Some("https://evil.example"), 502), (None, 502)]
    {
        let begun = stand.begin().await;
        stand.provider.reply(Reply::Tokens(stand.provider.id_token(&begun.asked, &json!({}))));
        let mut query = json!({"state": begun.asked.value("state"), "code": "secret-code"});
        if let Some(iss) = iss {
            query["iss"] = json!(iss);
        }
        assert_eq!(stand.end(&query, &begun.cookie).await.status, status, "{iss:?}");
    }
    assert_eq!(stand.provider.exchanges().len(), 2);
}

#[tokio::test]
async fn an_id_token_that_is_not_what_was_asked_for_signs_nobody_in() {
    let stand = Stand::new().await;
    for claims in [
        json!({"nonce": "other"}),
        json!({"nonce": null}),
        json!({"aud": "landslide"}),
        json!({"aud": [CLIENT, "other"]}),
        json!({"azp": "other"}),
        json!({"iss": "https://evil.example"}),
        json!({"exp": seconds_from_now(-120)}),
        json!({"nbf": seconds_from_now(600)}),
        json!({"sub": ""}),
        json!({"sub": null}),
        json!({"sub": "x".repeat(256)}),
    ] {
        let begun = stand.begin().await;
        let answer = stand.end_with(&begun, &claims).await;
        assert_trouble(&answer, Trouble::SignInFailed, &format!("p/{POLL}"));
    }
    let begun = stand.begin().await;
    let token = stand.provider.id_token(&begun.asked, &json!({}));
    let [_, claims, _] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let stranger = FakeProvider::start(Signer::new(Algorithm::ES256, "1")).await;
    let by_a_stranger = stranger.id_token(&begun.asked, &json!({"iss": stand.provider.issuer()}));
    // {"alg":"none"}, and nothing at all.
    for token in [format!("eyJhbGciOiJub25lIn0.{claims}."), by_a_stranger, String::new(), "x".repeat(9_000)] {
        stand.provider.reply(Reply::Tokens(token));
        let query = json!({"state": begun.asked.value("state"), "code": "secret-code"});
        assert_trouble(&stand.end(&query, &begun.cookie).await, Trouble::SignInFailed, &format!("p/{POLL}"));
    }
}

#[tokio::test]
async fn an_account_that_fits_into_no_cookie_is_told_and_not_cut() {
    let names: Vec<String> = (0..10).map(|number| format!("claim{number}")).collect();
    let stand = Stand::with(&json!({"released_claims": names}), "{}").await;
    let claims: Value =
        names.into_iter().map(|name| (name, json!("\"".repeat(200)))).collect::<serde_json::Map<_, _>>().into();
    let begun = stand.begin().await;
    let answer = stand.end_with(&begun, &claims).await;
    assert_trouble(&answer, Trouble::SignInFailed, &format!("p/{POLL}"));
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_odd_or_silent_is_told_in_words() {
    let stand = Stand::new().await;
    let begun = stand.begin().await;
    let query = json!({"state": begun.asked.value("state"), "code": "secret-code"});
    for (reply, trouble) in [
        (
            Reply::Body(400, json!({"error": "invalid_grant", "error_description": "secret-code"}).to_string()),
            Trouble::SignInFailed,
        ),
        (Reply::Body(200, "{}".to_owned()), Trouble::SignInFailed),
        (Reply::Body(200, json!({"access_token": "eyJ", "token_type": "bearer"}).to_string()), Trouble::SignInFailed),
        (Reply::Body(200, "<html>".to_owned()), Trouble::SignInFailed),
        // A redirect is not followed.
        (Reply::Body(302, String::new()), Trouble::SignInFailed),
        (Reply::Body(200, " ".repeat(70_000)), Trouble::ProviderUnavailable),
        (Reply::Body(500, "<html>".to_owned()), Trouble::ProviderUnavailable),
        (Reply::Body(429, "{}".to_owned()), Trouble::ProviderUnavailable),
        (Reply::HangsUp, Trouble::ProviderUnavailable),
        (Reply::Silence, Trouble::ProviderUnavailable),
    ] {
        stand.provider.reply(reply);
        assert_trouble(&stand.end(&query, &begun.cookie).await, trouble, &format!("p/{POLL}"));
    }
    // What failed for now may be tried again.
    assert_eq!(stand.end_with(&begun, &json!({})).await.status, 303);
}

#[tokio::test]
async fn a_discovery_document_that_is_not_the_issuers_leads_nowhere() {
    for (field, value) in [
        ("issuer", json!("https://evil.example")),
        ("token_endpoint", json!("http://evil.example/token")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("token_endpoint", json!("https://169.254.169.254/latest")),
        ("authorization_endpoint", Value::Null),
    ] {
        let stand = Stand::new().await;
        stand.provider.say(field, value);
        let answer = stand.begin_with(&Value::Null, "x=1").await;
        assert_trouble(&answer, Trouble::ProviderUnavailable, &format!("../{POLL}"));
        // Nor is it asked again at once, whatever it says now.
        assert_eq!(stand.begin_with(&Value::Null, "x=1").await.status, 503);
        assert_eq!(stand.provider.discoveries(), 1);
    }
}

#[tokio::test]
async fn a_discovery_document_is_asked_for_once_in_a_while() {
    let stand = Stand::new().await;
    let _first = stand.begin().await;
    let begun = stand.begin().await;
    stand.end_with(&begun, &json!({})).await;
    // The second one is for the keys.
    assert_eq!(stand.provider.discoveries(), 2);
}

#[test]
fn client_secrets_are_a_json_object_or_nothing() {
    assert!(ClientSecrets::read("").is_ok() && ClientSecrets::read("{}").is_ok());
    for text in ["x", "[]", "{\"a\": 7}", "null"] {
        assert_eq!(ClientSecrets::read(text).err(), Some(NoClientSecrets), "{text}");
    }
}
