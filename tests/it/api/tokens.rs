//! Tokens that are not what they say. What each fault is called inside is tested where tokens are verified; here each
//! must be a 401 all the way through the gateway.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{Answer, App, Issuer, assert_problem, eventually, now_ms, sign_by, someone};

fn base64(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// The claims of a good token, one of them replaced, or taken out by null.
fn with(issuer: &Issuer, name: &str, value: Value) -> Value {
    let mut claims = issuer.claims("mallory");
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

/// A key that is not the issuer's.
fn another_key() -> EncodingKey {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der>::as_der(&pair).unwrap();
    EncodingKey::from_rsa_pem(pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref())).as_bytes()).unwrap()
}

/// The issuer's public key in the forms in which a careless verifier would take it for a shared secret.
fn public_key_as_secrets(issuer: &Issuer) -> [Vec<u8>; 3] {
    let pair = KeyPair::from_pkcs8(pem::parse(&issuer.pem).unwrap().contents()).unwrap();
    let der = AsDer::<PublicKeyX509Der>::as_der(pair.public_key()).unwrap();
    let pem = pem::encode(&pem::Pem::new("PUBLIC KEY", der.as_ref()));
    [pem.into_bytes(), der.as_ref().to_vec(), pair.public_key().as_ref().to_vec()]
}

fn forged(issuer: &Issuer) -> Vec<(String, String)> {
    let now = now_ms() / 1_000;
    let good = issuer.sign(&issuer.claims("mallory"));
    let parts: Vec<&str> = good.split('.').collect();
    let payload = issuer.claims("mallory").to_string();
    let header = |algorithm: Algorithm| Header { kid: Some(issuer.key_id.clone()), ..Header::new(algorithm) };
    let mut forged = vec![
        ("alg RS512".to_owned(), issuer.sign_as(Algorithm::RS512, &issuer.claims("mallory"))),
        ("alg PS256".to_owned(), issuer.sign_as(Algorithm::PS256, &issuer.claims("mallory"))),
        ("another key under the issuer's key id".to_owned(), sign_by(&another_key(), header(Algorithm::RS256), &issuer.claims("mallory"))),
        ("another key without a key id".to_owned(), sign_by(&another_key(), Header::new(Algorithm::RS256), &issuer.claims("mallory"))),
        ("another subject under the same signature".to_owned(), format!("{}.{}.{}", parts[0], base64(&issuer.claims("alice").to_string()), parts[2])),
        ("no signature".to_owned(), format!("{}.{}.", parts[0], parts[1])),
        ("half a signature".to_owned(), good[..good.len() - 100].to_owned()),
        ("a device's token of a guessed secret".to_owned(), sign_by(&EncodingKey::from_secret(b"secret"), Header::new(Algorithm::HS256), &json!({"iss": "urn:landslide:device", "aud": "urn:landslide:device", "sub": "mallory", "exp": now + 600}))),
        ("a device's token of the account issuer".to_owned(), issuer.sign(&json!({"iss": "urn:landslide:device", "aud": "urn:landslide:device", "sub": "mallory", "exp": now + 600}))),
        ("oversized".to_owned(), issuer.sign(&with(issuer, "padding", json!("x".repeat(7_000))))),
        // Base64 makes 8 KB of it, and with header and signature it is over 8 KiB.
        ("of too many scopes".to_owned(), issuer.sign(&with(issuer, "scope", json!("x".repeat(6_000))))),
        ("no JWT".to_owned(), "mallory".to_owned()),
        ("two dots".to_owned(), "a.b.c".to_owned()),
        ("nothing between dots".to_owned(), "..".to_owned()),
    ];
    for alg in ["none", "None", "nOnE"] {
        let header = base64(&json!({"alg": alg, "typ": "JWT"}).to_string());
        forged.push((format!("alg {alg}"), format!("{header}.{}.", base64(&payload))));
    }
    for secret in public_key_as_secrets(issuer) {
        let key = EncodingKey::from_secret(&secret);
        forged.push((
            format!("HS256 by a public key of {} bytes", secret.len()),
            sign_by(&key, header(Algorithm::HS256), &issuer.claims("mallory")),
        ));
    }
    for (name, value) in [
        ("aud", json!("someone-else")),
        ("aud", json!(["someone-else"])),
        ("aud", Value::Null),
        ("iss", json!("https://issuer.example.org")),
        ("iss", Value::Null),
        ("exp", json!(now - 3_600)),
        ("exp", json!("never")),
        ("exp", Value::Null),
        ("nbf", json!(now + 3_600)),
        ("sub", json!("")),
        ("sub", json!("a\nb")),
        ("sub", json!("x".repeat(256))),
        ("sub", json!(7)),
        ("sub", Value::Null),
    ] {
        forged.push((format!("{name} {value}"), issuer.sign(&with(issuer, name, value))));
    }
    forged
}

#[tokio::test]
async fn a_forged_token_of_each_kind_is_401_and_votes_nothing() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    for (kind, token) in forged(&app.issuer) {
        let answer = app.vote(&poll, &token, &[0]).await;
        assert_eq!(answer.status, 401, "{kind}: {answer}");
        let problem = assert_problem(&answer, 401, "unauthorized");
        assert!(!problem.to_string().contains(&kind), "{kind}: {problem}");
    }
    assert!(app.aws.votes_of(&poll).await.is_empty());
}

#[tokio::test]
async fn a_token_with_many_scopes_is_as_good_as_any() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let token = app.issuer.sign(&with(&app.issuer, "scope", json!("read:polls ".repeat(4_096 / "read:polls ".len()))));
    let vote = app.vote(&poll, &token, &[0]).await;
    assert_eq!(vote.status, 201, "{vote}");
    assert_eq!(app.my_vote(&poll, &token).await.json(), vote.json());
}

/// Functions refuse a context that they can't read, so a vote shows that the gateway leaves the claims as they are.
#[tokio::test]
async fn released_claims_alone_leave_the_authorizer_and_pass_the_gateway() {
    let app = App::new();
    let claims = json!({"region": "Genève \"\\ 🌻", "age_group": 7, "city": "Bern", "email": "alice@example.org"});
    let token = app.account_with(&someone(), &claims);
    let context = app.voters_authorization(&token).await["context"].take();
    assert_eq!(context["released_claims"], r#"{"region":"Genève \"\\ 🌻"}"#);
    assert!(!context.to_string().contains("example.org\"") && !context.to_string().contains("Bern"), "{context}");
    assert_eq!(app.vote(&app.single_choice_poll().await, &token, &[0]).await.status, 201);

    let others = app.voters_authorization(&app.account(&someone())).await["context"].take();
    assert!(others["subject"].is_string() && others.get("released_claims").is_none(), "{others}");
}

#[tokio::test]
async fn a_header_that_is_no_bearer_token_is_401() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let good = app.account("alice");
    for header in [
        "",
        "Bearer",
        "Bearer ",
        &good,
        &format!("Basic {good}"),
        &format!("Bearer{good}"),
        &format!("Bearer {good} {good}"),
    ] {
        let request = app.request(Method::POST, &format!("/v1/polls/{poll}/votes")).header("Authorization", header);
        let answer = Answer::of(request.json(&json!({"choices": [0]}))).await;
        assert_eq!(answer.status, 401, "{header:?}: {answer}");
        assert_problem(&answer, 401, "unauthorized");
    }
    assert!(app.aws.votes_of(&poll).await.is_empty());
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let request = app.request(Method::POST, &format!("/v1/polls/{poll}/votes"));
    let request = request.header("Authorization", format!("bearer {}", app.account("alice")));
    assert_eq!(Answer::of(request.json(&json!({"choices": [0]}))).await.status, 201);
}

/// The authorizer's answer is remembered for longer than the token lives: the function looks at the time again.
#[tokio::test]
async fn a_token_that_expires_while_the_gateway_remembers_it_is_401() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    // A minute of clock skew is granted.
    let token = app.issuer.sign(&with(&app.issuer, "exp", json!(now_ms() / 1_000 - 52)));
    assert_problem(&app.my_vote(&poll, &token).await, 404, "not_found");
    let refused = eventually("refusal of the expired token", async || {
        let answer = app.my_vote(&poll, &token).await;
        if answer.status == 404 { Err(answer.body) } else { Ok(answer) }
    })
    .await;
    assert_problem(&refused, 401, "unauthorized");
}

/// One place and one token: what lies elsewhere is seen by proxies, in logs and in other sites' requests.
/// Which of several headers Authorization is looked at is the gateway's choice, and AWS does not say. It is one of them.
#[tokio::test]
async fn of_two_tokens_in_one_request_one_counts_at_most() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let (alice, bob) = (app.account(&someone()), app.account(&someone()));
    for tokens in [[&alice, &bob], [&bob, &alice], [&"a.b.c".to_owned(), &alice], [&bob, &"a.b.c".to_owned()]] {
        let mut request = app.request(Method::POST, &format!("/v1/polls/{poll}/votes")).json(&json!({"choices": [0]}));
        for token in tokens {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let before = app.aws.votes_of(&poll).await.len();
        let answer = Answer::of(request).await;
        let stored = app.aws.votes_of(&poll).await.len() - before;
        match answer.status {
            201 => assert_eq!(stored, 1, "{answer}"),
            200 => assert_eq!(stored, 0, "{answer}"),
            _ => {
                assert_problem(&answer, 401, "unauthorized");
                assert_eq!(stored, 0, "{answer}");
            }
        }
    }
    let voters = [app.my_vote(&poll, &alice).await, app.my_vote(&poll, &bob).await];
    let voted = voters.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(voted, app.aws.votes_of(&poll).await.len(), "somebody else has voted");
}

#[tokio::test]
async fn a_token_anywhere_but_in_its_header_is_401() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let (good, path) = (app.account("alice"), format!("/v1/polls/{poll}/votes"));
    let bearer = format!("Bearer {good}");
    let cookie = format!("Authorization={bearer}; access_token={good}; token={good}");
    let cases: [(&str, &[(&str, &str)]); 9] = [
        (&format!("?access_token={good}"), &[]),
        (&format!("?token={good}"), &[]),
        (&format!("?Authorization=Bearer%20{good}"), &[]),
        ("", &[("Cookie", &cookie)]),
        ("", &[("X-Authorization", &bearer)]),
        ("", &[("Proxy-Authorization", &bearer)]),
        ("", &[("X-Api-Key", &good)]),
        ("", &[("X-Amz-Security-Token", &good)]),
        (&format!("?access_token={good}"), &[("Authorization", "Bearer a.b.c")]),
    ];
    for (query, headers) in cases {
        let mut request = app.request(Method::POST, &format!("{path}{query}")).json(&json!({"choices": [0]}));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 401, "{query} {headers:?}: {answer}");
        assert_problem(&answer, 401, "unauthorized");
    }
    let body = json!({"choices": [0], "token": good, "access_token": good});
    assert_problem(&Answer::of(app.request(Method::POST, &path).json(&body)).await, 401, "unauthorized");
    assert!(app.aws.votes_of(&poll).await.is_empty());
    // Beside a good one, a token in the query counts for nothing.
    let request = app.request(Method::POST, &format!("{path}?access_token={}", app.account("bob"))).bearer_auth(&good);
    assert_eq!(Answer::of(request.json(&json!({"choices": [0]}))).await.status, 201);
    assert_eq!(app.my_vote(&poll, &good).await.status, 200);
    assert_problem(&app.my_vote(&poll, &app.account("bob")).await, 404, "not_found");
}
