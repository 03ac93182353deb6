mod providers;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use landslide_aws::clock;
use landslide_domain::caller::TokenKind;
use serde_json::{Value, json};

use super::*;
use crate::{
    key_sets::{
        FRESH_JITTER_MS, FRESH_MS, REFETCH_MS, Reach, STALE_MS,
        fake::{Answer, FakeFetch},
    },
    token::{
        AUDIENCE_CLAIM, DeviceIssuer, Expected,
        signer::{Signer, seconds_from_now},
    },
};

const ISSUER: &str = "https://id.example.org";
const URI: &str = "https://id.example.org/jwks";
const OTHER: &str = "https://other.example.org";
const OTHER_URI: &str = "https://other.example.org/keys";
const AUDIENCE: &str = "landslide";
const SECRET: &str = "a secret of devices that is long enough";

fn device_keys() -> DeviceKeys {
    DeviceKeys::parse(SECRET).unwrap()
}

fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": AUDIENCE, "sub": "alice", "exp": seconds_from_now(600)})
}

fn verifier(issuers: &Value) -> Verifier<FakeFetch> {
    Verifier::new(Issuers::read(&issuers.to_string(), Reach::Public), &device_keys(), FakeFetch::default())
}

fn by_uri() -> Verifier<FakeFetch> {
    verifier(&json!([
        {"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": URI},
        {"issuer": OTHER, "audience": AUDIENCE, "jwks_uri": OTHER_URI},
    ]))
}

/// One word for a token's verdict.
async fn verdict(verifier: &Verifier<FakeFetch>, token: &str, now: Timestamp) -> &'static str {
    match verifier.verify(token, now).await {
        Ok(Ok(_)) => "taken",
        Ok(Err(_)) => "refused",
        Err(_) => "unavailable",
    }
}

#[tokio::test]
async fn each_issuers_tokens_need_its_own_keys() {
    let (ours, others) = (Signer::new(Algorithm::RS256, "k"), Signer::new(Algorithm::RS256, "k"));
    let verifier = verifier(&json!([
        {"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"keys": [ours.jwk]}},
        {"issuer": OTHER, "audience": AUDIENCE, "jwks_uri": OTHER_URI},
    ]));
    verifier.fetch.publish(OTHER_URI, &[&others]);
    let now = clock::now();
    for (signer, issuer, expected) in [
        (&ours, ISSUER, "taken"),
        (&others, ISSUER, "refused"),
        (&others, OTHER, "taken"),
        (&ours, OTHER, "refused"),
        (&ours, "https://third.example.org", "refused"),
    ] {
        assert_eq!(verdict(&verifier, &signer.sign(&claims(issuer)), now).await, expected, "{issuer}");
    }
}

#[tokio::test]
async fn a_device_is_one_that_we_signed_for() {
    let verifier = by_uri();
    let (token, _) = DeviceIssuer::new(device_keys().signing()).issue([7; 16], clock::now()).unwrap();
    let caller = verifier.verify(&token, clock::now()).await.unwrap().unwrap();
    assert_eq!((caller.kind, caller.issuer.as_str()), (TokenKind::Device, DEVICE_ISSUER));
    assert_eq!((verifier.fetch.fetches(URI), verifier.fetch.fetches(OTHER_URI)), (0, 0));
}

#[tokio::test]
async fn a_new_key_is_found_by_its_id_and_a_key_that_is_gone_stops_counting() {
    let (first, second) = (Signer::new(Algorithm::ES256, "1"), Signer::new(Algorithm::EdDSA, "2"));
    let (verifier, now) = (by_uri(), clock::now());
    verifier.fetch.publish(URI, &[&first]);
    assert_eq!(verdict(&verifier, &first.sign(&claims(ISSUER)), now).await, "taken");

    verifier.fetch.publish(URI, &[&second]);
    let later = now.plus_millis(REFETCH_MS);
    assert_eq!(verdict(&verifier, &second.sign(&claims(ISSUER)), later).await, "taken");
    assert_eq!(verdict(&verifier, &first.sign(&claims(ISSUER)), later).await, "refused");
    assert_eq!(verifier.fetch.fetches(URI), 2);
}

#[tokio::test]
async fn a_new_key_is_found_where_the_issuer_names_none() {
    let (first, second) = (Signer::new(Algorithm::RS256, "1"), Signer::new(Algorithm::RS256, "2"));
    let nameless = |signer: &Signer| encode(&Header::new(Algorithm::RS256), &claims(ISSUER), &signer.key).unwrap();
    let (verifier, now) = (by_uri(), clock::now());
    verifier.fetch.publish(URI, &[&first]);
    assert_eq!(verdict(&verifier, &nameless(&first), now).await, "taken");
    verifier.fetch.publish(URI, &[&second]);
    assert_eq!(verdict(&verifier, &nameless(&second), now.plus_millis(REFETCH_MS)).await, "taken");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_makes_two_fetches_a_minute() {
    let (known, unknown) = (Signer::new(Algorithm::ES256, "1"), Signer::new(Algorithm::ES256, "2"));
    let (verifier, now) = (by_uri(), clock::now());
    verifier.fetch.publish(URI, &[&known]);
    for number in 0..600 {
        let header = Header { kid: Some(format!("k{number}")), ..Header::new(Algorithm::ES256) };
        let token = encode(&header, &claims(ISSUER), &unknown.key).unwrap();
        // Ten a second for a minute: the first fetch, and one after 30 s.
        assert_eq!(verdict(&verifier, &token, now.plus_millis(number * 100)).await, "refused");
    }
    assert_eq!(verifier.fetch.fetches(URI), 2);
    assert_eq!(verdict(&verifier, &known.sign(&claims(ISSUER)), now.plus_millis(REFETCH_MS * 2)).await, "taken");
    assert_eq!(verifier.fetch.fetches(URI), 2);
}

#[tokio::test]
async fn what_no_key_could_save_is_refused_without_a_fetch() {
    let signer = Signer::new(Algorithm::ES256, "k");
    let verifier = by_uri();
    verifier.fetch.publish(URI, &[&signer]);
    let good = signer.sign(&claims(ISSUER));
    let mut oversized = claims(ISSUER);
    oversized["pad"] = json!("x".repeat(9_000));
    let by_secret = |algorithm| encode(&Header::new(algorithm), &claims(ISSUER), &EncodingKey::from_secret(b"k"));
    let mut odd = vec![
        String::new(),
        "a.b.c".to_owned(),
        format!("{good}.x"),
        signer.sign(&oversized),
        signer.sign(&claims("https://third.example.org")),
        by_secret(Algorithm::HS256).unwrap(),
        by_secret(Algorithm::HS512).unwrap(),
    ];
    let rsa = Signer::new(Algorithm::RS256, "k");
    odd.push(encode(&Header::new(Algorithm::PS256), &claims(ISSUER), &rsa.key).unwrap());
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..Header::new(Algorithm::ES256) };
    odd.push(encode(&critical, &claims(ISSUER), &signer.key).unwrap());
    for token in odd {
        assert_eq!(verdict(&verifier, &token, clock::now()).await, "refused", "{token}");
    }
    assert_eq!(verifier.fetch.fetches(URI), 0);
}

#[tokio::test]
async fn while_an_issuer_is_down_its_known_keys_serve_and_nothing_else_is_judged() {
    let (first, second) = (Signer::new(Algorithm::ES256, "1"), Signer::new(Algorithm::ES256, "2"));
    let (verifier, now) = (by_uri(), clock::now());
    verifier.fetch.publish(URI, &[&first]);
    assert_eq!(verdict(&verifier, &first.sign(&claims(ISSUER)), now).await, "taken");
    verifier.fetch.set(URI, Answer::Down);
    for (age_ms, signer, expected) in [
        (FRESH_MS + FRESH_JITTER_MS, &first, "taken"),
        (FRESH_MS + FRESH_JITTER_MS + 1, &second, "unavailable"),
        (STALE_MS - 1, &first, "taken"),
        (STALE_MS, &first, "unavailable"),
    ] {
        let token = signer.sign(&claims(ISSUER));
        assert_eq!(verdict(&verifier, &token, now.plus_millis(age_ms)).await, expected, "{age_ms}");
    }
    // A known key's forged or expired token is refused either way.
    let forged =
        encode(&Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::ES256) }, &claims(ISSUER), &second.key);
    assert_eq!(verdict(&verifier, &forged.unwrap(), now.plus_millis(FRESH_MS)).await, "refused");
    let mut expired = claims(ISSUER);
    expired["exp"] = json!(seconds_from_now(-600));
    assert_eq!(verdict(&verifier, &first.sign(&expired), now.plus_millis(FRESH_MS)).await, "refused");
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_silent_or_down_hurts_no_other() {
    let signer = Signer::new(Algorithm::ES256, "k");
    for answer in [Answer::Silent, Answer::Down] {
        let (verifier, now) = (by_uri(), clock::now());
        verifier.fetch.set(URI, answer);
        verifier.fetch.publish(OTHER_URI, &[&signer]);
        let (device, _) = DeviceIssuer::new(device_keys().signing()).issue([7; 16], now).unwrap();
        let (hers, others) = (signer.sign(&claims(ISSUER)), signer.sign(&claims(OTHER)));
        let began = tokio::time::Instant::now();
        let unhurt = async {
            let verdicts = (verdict(&verifier, &others, now).await, verdict(&verifier, &device, now).await);
            (verdicts, began.elapsed().as_millis())
        };
        let (down, (unhurt, waited_ms)) = tokio::join!(verdict(&verifier, &hers, now), unhurt);
        assert_eq!((down, unhurt, waited_ms), ("unavailable", ("taken", "taken"), 0));
    }
}

/// What stored key sets promise: it does not matter if a provider refuses a new process's fetch.
#[tokio::test(start_paused = true)]
async fn a_new_process_takes_a_good_token_by_stored_keys_while_its_issuer_answers_429() {
    const HOUR_MS: u64 = 60 * 60 * 1_000;
    let (known, unknown) = (Signer::new(Algorithm::RS256, "1"), Signer::new(Algorithm::RS256, "2"));
    let (old_process, fetched_at) = (by_uri(), clock::now());
    old_process.fetch.publish(URI, &[&known]);
    let stored =
        StoredKeySets::default().refreshed(old_process.issuers.fetched(), &old_process.fetch, fetched_at).await;

    let now = fetched_at.plus_millis(HOUR_MS);
    for (stored, expected) in [(&StoredKeySets::default(), "unavailable"), (&stored, "taken")] {
        let process = by_uri();
        process.fetch.set(URI, Answer::Status(429));
        process.issuers.recall(stored);
        assert_eq!(verdict(&process, &known.sign(&claims(ISSUER)), now).await, expected);
        let later = now.plus_millis(1);
        assert_eq!(verdict(&process, &known.sign(&claims(ISSUER)), later).await, expected, "{later:?}");
        assert_eq!(verdict(&process, &unknown.sign(&claims(ISSUER)), later).await, "unavailable", "nobody knows");
        assert_eq!(verdict(&process, &known.sign(&claims(OTHER)), now).await, "unavailable", "another issuer's");
        assert_eq!(process.fetch.fetches(URI), 1);
    }
}

#[test]
fn each_issuer_whose_keys_are_fetched_is_there_once() {
    let issuers = json!([
        {"issuer": ISSUER, "aliases": ["id.example.org"], "audience": AUDIENCE, "jwks_uri": URI},
        {"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": OTHER_URI},
        {"issuer": OTHER, "audience": AUDIENCE, "jwks": {"keys": [Signer::new(Algorithm::ES256, "k").jwk]}},
        {"issuer": "https://misconfigured.example.org", "jwks_uri": OTHER_URI},
    ]);
    let issuers = Issuers::read(&issuers.to_string(), Reach::Public);
    assert_eq!(issuers.fetched().map(FetchedKeys::name).collect::<Vec<_>>(), [ISSUER]);
}

/// What is wrong with one issuer's configuration, in words.
fn problem(issuer: &Value) -> String {
    let entries = config::read(&json!([issuer]).to_string(), Reach::Public).unwrap();
    let settings = entries.into_iter().next().unwrap().settings;
    settings.map(source).unwrap_or_else(Err).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_configuration_error_names_issuer_and_field() {
    let good = json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": URI});
    let with = |name: &str, value: Value| {
        let mut issuer = good.clone();
        issuer[name] = value;
        problem(&issuer)
    };
    let is_about = |field: &str, wrong: &str| format!("issuer \"{ISSUER}\": \"{field}\" {wrong}");
    assert_eq!(with("audience", json!(null)), is_about("audience", "is missing"));
    for audience in [json!(""), json!(7), json!([]), json!(["web", ""]), json!(["web", 7]), json!({})] {
        let wrong = "must be a text or a list of texts, none of them empty";
        assert_eq!(with("audience", audience), is_about("audience", wrong));
    }
    assert_eq!(with("audiences", json!([])), is_about("audiences", "is not known"));
    assert_eq!(
        with("jwks_uri", json!("http://id.example.org/jwks")),
        is_about("jwks_uri", "is not an https address on port 443")
    );
    assert_eq!(
        with("jwks_uri", json!("https://10.0.0.1/jwks")),
        is_about("jwks_uri", "is an address that is not public")
    );
    assert_eq!(
        with("audience_claim", json!("sub")),
        is_about("audience_claim", "names a claim that does not say for whom a token is")
    );
    for aliases in [json!("https://a.example.org"), json!(["a b"]), json!([7]), json!([""])] {
        assert_eq!(
            with("aliases", aliases),
            is_about("aliases", "must list names, and one must be a name without spaces")
        );
    }
    for odd in [json!("region"), json!([7]), json!({"region": true})] {
        assert_eq!(with("released_claims", odd), is_about("released_claims", "must be a list of texts"));
    }
    assert_eq!(
        with("released_claims", json!(["region", "email"])),
        is_about("released_claims", "names the claim email, which identifies the person or the token")
    );
    assert_eq!(
        with("released_claims", json!(["region", "region"])),
        is_about("released_claims", "must name at most 10 claims, each once")
    );
    let one_of_three = "or \"jwks_uri\" or \"discovery\" must be there, and only one of them";
    assert_eq!(with("jwks_uri", json!(null)), is_about("jwks", one_of_three));
    assert_eq!(with("discovery", json!(URI)), is_about("jwks", one_of_three));
    assert_eq!(with("jwks", json!({"keys": []})), is_about("jwks", one_of_three));
    let inline = |jwks: Value| problem(&json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks}));
    assert_eq!(inline(json!([])), is_about("jwks", "must be a key set: {\"keys\": […]}"));
    assert_eq!(inline(json!({"keys": []})), is_about("jwks", "has no key that can be used"));
    assert_eq!(problem(&json!({"audience": AUDIENCE})), "entry 1: \"issuer\" is missing");
    assert_eq!(problem(&json!({"issuer": "a b"})), "entry 1: \"issuer\" must be a name without spaces");
    assert_eq!(problem(&json!("x")), "entry 1: \"Issuers\" must list JSON objects");
    for (text, wrong) in [("", "JSON"), ("[", "JSON"), ("{}", "a JSON list"), ("7", "a JSON list")] {
        let problem = config::read(text, Reach::Public).unwrap_err().to_string();
        assert_eq!(problem, format!("all issuers: \"Issuers\" is not {wrong}"), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_without_what_could_be_a_secret() {
    let secret = "c2VjcmV0";
    for issuer in [
        json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"keys": [{"kty": "oct", "k": secret}]}}),
        json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks": secret}),
        json!({"issuer": ISSUER, "audience": {"d": secret}, "jwks_uri": URI}),
        json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": format!("https://user:{secret}@id.example.org/jwks")}),
        json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": secret}),
        json!({"issuer": {"d": secret}, "audience": AUDIENCE, "jwks_uri": URI}),
        json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": URI, "released_claims": [format!("/{secret}")]}),
    ] {
        assert!(!problem(&issuer).contains(secret), "{}", problem(&issuer));
    }
    let keys =
        KeySet::of_accounts(Arc::new(expected()), &[json!({"kty": "OKP", "crv": "Ed25519", "x": "AQAB", "d": secret})]);
    assert_eq!(
        keys.left_out().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["key 1 is a private or shared key (\"d\"): replace it at the issuer, for it is no secret any more"]
    );
}

fn expected() -> Expected {
    let audience_claim = AUDIENCE_CLAIM.to_owned();
    Expected { issuer: ISSUER.to_owned(), aliases: vec![], audiences: vec![AUDIENCE.to_owned()], audience_claim }
}

#[tokio::test]
async fn an_issuer_that_can_not_be_used_takes_no_other_down() {
    let (signer, now) = (Signer::new(Algorithm::ES256, "k"), clock::now());
    let odd_key = json!({"kty": "RSA", "kid": 7, "n": "AQAB", "e": "AQAB"});
    let good = json!({"issuer": OTHER, "audience": AUDIENCE, "jwks": {"keys": [odd_key, signer.jwk]}});
    let (device, _) = DeviceIssuer::new(device_keys().signing()).issue([7; 16], now).unwrap();
    for bad in [
        json!({"issuer": ISSUER}),
        json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"keys": [odd_key]}}),
        json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": "https://10.0.0.1/"}),
        json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": URI, "aliases": [DEVICE_ISSUER]}),
        json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": URI, "aliases": [ISSUER]}),
        json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": URI, "released_claims": ["sub"]}),
    ] {
        let verifier = verifier(&json!([bad, good]));
        assert_eq!(verdict(&verifier, &device, now).await, "taken");
        assert_eq!(verdict(&verifier, &signer.sign(&claims(OTHER)), now).await, "taken", "{bad}");
        assert_eq!(verdict(&verifier, &signer.sign(&claims(ISSUER)), now).await, "unavailable", "{bad}");
    }
    for unreadable in ["[", "{}"] {
        let issuers = Issuers::read(unreadable, Reach::Public);
        let verifier = Verifier::new(issuers, &device_keys(), FakeFetch::default());
        assert_eq!(verdict(&verifier, &device, now).await, "taken");
    }
}

#[tokio::test]
async fn a_name_that_is_there_already_stays_with_who_had_it() {
    let (first, second, now) = (Signer::new(Algorithm::ES256, "1"), Signer::new(Algorithm::ES256, "2"), clock::now());
    let entry = |issuer: &str, aliases: &[&str], signer: &Signer| json!({"issuer": issuer, "aliases": aliases, "audience": AUDIENCE, "jwks": {"keys": [signer.jwk]}});
    let verifier = verifier(&json!([
        entry(ISSUER, &["https://old.example.org"], &first),
        entry(ISSUER, &[], &second),
        entry(OTHER, &["https://old.example.org"], &second),
        entry(DEVICE_ISSUER, &[], &second),
    ]));
    for (issuer, signer, expected) in [
        (ISSUER, &first, "taken"),
        (ISSUER, &second, "refused"),
        ("https://old.example.org", &first, "taken"),
        ("https://old.example.org", &second, "refused"),
        (OTHER, &second, "unavailable"),
        (DEVICE_ISSUER, &second, "refused"),
    ] {
        assert_eq!(verdict(&verifier, &signer.sign(&claims(issuer)), now).await, expected, "{issuer}");
    }
}

#[tokio::test]
async fn aliases_are_one_caller() {
    let (signer, now) = (Signer::new(Algorithm::ES256, "1"), clock::now());
    let verifier =
        verifier(&json!([{"issuer": ISSUER, "aliases": ["id.example.org"], "audience": AUDIENCE, "jwks_uri": URI}]));
    verifier.fetch.publish(URI, &[&signer]);
    let mut callers = vec![];
    for issuer in [ISSUER, "id.example.org"] {
        callers.push(verifier.verify(&signer.sign(&claims(issuer)), now).await.unwrap().unwrap());
    }
    assert_eq!(callers[0].issuer, ISSUER);
    assert_eq!((&callers[0].issuer, &callers[0].subject), (&callers[1].issuer, &callers[1].subject));
    assert_eq!(verifier.fetch.fetches(URI), 1);
}

#[tokio::test]
async fn each_issuer_releases_its_own_claims_and_to_voters_methods_only() {
    let (signer, now) = (Signer::new(Algorithm::ES256, "1"), clock::now());
    let jwks = json!({"keys": [signer.jwk]});
    let verifier = verifier(&json!([
        {"issuer": ISSUER, "aliases": ["id.example.org"], "audience": AUDIENCE, "jwks": jwks, "released_claims": ["region"]},
        {"issuer": OTHER, "audience": AUDIENCE, "jwks": jwks, "released_claims": ["city"]},
        {"issuer": "https://third.example.org", "audience": AUDIENCE, "jwks": jwks},
    ]));
    for (issuer, region, city) in [
        (ISSUER, Some("north"), None),
        ("id.example.org", Some("north"), None),
        (OTHER, None, Some("Bern")),
        ("https://third.example.org", None, None),
    ] {
        let mut claims = claims(issuer);
        claims
            .as_object_mut()
            .unwrap()
            .extend([("region".to_owned(), json!("north")), ("city".to_owned(), json!("Bern"))]);
        let token = signer.sign(&claims);
        let caller = verifier.verify(&token, now).await.unwrap().unwrap();
        assert_eq!(
            (caller.claim("region"), caller.claim("city"), caller.claim("sub")),
            (region, city, None),
            "{issuer}"
        );
        let (member, _) = verifier.verify_member(&token, now).await.unwrap().unwrap();
        assert_eq!(member.claims, Claims::default());
    }
}

#[tokio::test]
async fn the_users_of_several_clients_are_one_issuers() {
    let (signer, now) = (Signer::new(Algorithm::ES256, "1"), clock::now());
    let issuer = json!({"issuer": ISSUER, "audience": ["web", "app"], "jwks": {"keys": [signer.jwk]}});
    let verifier = verifier(&json!([issuer]));
    for (audience, expected) in [("web", "taken"), ("app", "taken"), ("admin", "refused")] {
        let mut claims = claims(ISSUER);
        claims["aud"] = json!(audience);
        assert_eq!(verdict(&verifier, &signer.sign(&claims), now).await, expected, "{audience}");
    }
}

#[tokio::test]
async fn a_refusal_says_whose_token_and_why() {
    let (signer, unknown, now) = (Signer::new(Algorithm::ES256, "1"), Signer::new(Algorithm::ES256, "2"), clock::now());
    let verifier = by_uri();
    verifier.fetch.publish(URI, &[&signer]);
    let refusal = async |token: &str| verifier.verify(token, now).await.unwrap().unwrap_err();

    let slash = refusal(&signer.sign(&claims(&format!("{ISSUER}/")))).await;
    assert_eq!(slash.reason, Refused::SlashAtEnd(ISSUER.to_owned()));
    let expected =
        Refusal { issuer: Some(ISSUER.to_owned()), key_id: Some("2".to_owned()), reason: Refused::UnknownKey };
    assert_eq!(refusal(&unknown.sign(&claims(ISSUER))).await, expected);
    assert_eq!(refusal("a.b.c").await, Refusal { issuer: None, key_id: None, reason: Refused::Malformed("header") });
    let long = refusal(&signer.sign(&claims(&"x".repeat(300)))).await;
    assert_eq!(long.issuer.map(|issuer| issuer.len()), Some(LOGGED_CHARS_MAX));
}

#[test]
fn what_a_stranger_invents_is_one_kind_of_refusal() {
    let kind = |issuer: &str, key: &str, reason| {
        Refusal { issuer: Some(issuer.to_owned()), key_id: Some(key.to_owned()), reason }.kind()
    };
    assert_eq!(kind("a", "1", Refused::UnknownIssuer), kind("b", "2", Refused::UnknownIssuer));
    assert_eq!(kind("a", "1", Refused::UnknownKey), kind("a", "2", Refused::UnknownKey));
    assert_ne!(kind("a", "1", Refused::UnknownKey), kind("b", "1", Refused::UnknownKey));
    assert_ne!(kind("a", "1", Refused::Expired), kind("a", "2", Refused::Expired));
    assert_ne!(kind("a", "1", Refused::Expired), kind("a", "1", Refused::Signature));
}

const CLIENT: &str = "page";

fn with_client(more: &Value) -> Value {
    let mut issuer = json!({"issuer": ISSUER, "audience": AUDIENCE, "client_id": CLIENT});
    issuer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    issuer
}

#[test]
fn a_clients_endpoints_are_in_the_discovery_document_or_configured() {
    let discovery = with_client(&json!({"discovery": "https://id.example.org/d", "name": "Example ID"}));
    let given = json!({"issuer": OTHER, "aliases": ["other"], "audience": AUDIENCE, "client_id": "c", "jwks_uri": OTHER_URI,
        "authorization_endpoint": "https://other.example.org/authorize?p=1", "token_endpoint": "https://other.example.org/token"});
    let none = json!({"issuer": "https://api.example.org", "audience": AUDIENCE, "jwks_uri": URI});
    let (_, clients) = Issuers::of_clients(&json!([none, discovery, given]).to_string(), Reach::Public);
    let client = |issuer: &str, aliases: &[&str], id: &str, endpoints| Client {
        issuer: issuer.to_owned(),
        aliases: aliases.iter().map(|alias| alias.to_string()).collect(),
        id: id.to_owned(),
        endpoints,
    };
    let given = EndpointsAt::Given {
        authorization: "https://other.example.org/authorize?p=1".to_owned(),
        token: "https://other.example.org/token".to_owned(),
    };
    let discovery = EndpointsAt::Discovery("https://id.example.org/d".to_owned());
    assert_eq!(clients, [client(ISSUER, &[], CLIENT, discovery), client(OTHER, &["other"], "c", given)]);
}

#[test]
fn an_error_in_what_belongs_to_a_client_names_its_field() {
    let about = |field: &str, wrong: &str| format!("issuer \"{ISSUER}\": \"{field}\" {wrong}");
    let no_endpoint = "is missing: there is a \"client_id\", and no \"discovery\" that says where to sign in";
    let at = "https://id.example.org/x";
    for (more, expected) in [
        (json!({"jwks_uri": URI}), about("authorization_endpoint", no_endpoint)),
        (json!({"jwks_uri": URI, "authorization_endpoint": at}), about("token_endpoint", no_endpoint)),
        (
            json!({"discovery": at, "token_endpoint": at}),
            about("token_endpoint", "is already in the document at \"discovery\""),
        ),
        (
            json!({"jwks_uri": URI, "authorization_endpoint": at, "token_endpoint": "http://id.example.org/x"}),
            about("token_endpoint", "is not an https address on port 443"),
        ),
        (json!({"discovery": at, "client_id": 7}), about("client_id", "must be a text that is not empty")),
        (
            json!({"discovery": at, "client_id": "a b"}),
            about("client_id", "must be at most 255 visible ASCII characters"),
        ),
        (
            json!({"discovery": at, "name": "x".repeat(61)}),
            about("name", "must have at most 60 characters, one of them visible and none a control character"),
        ),
        (json!({"jwks_uri": URI, "client_id": null, "name": "x"}), about("name", "is of no use without \"client_id\"")),
        (
            json!({"jwks_uri": URI, "client_id": null, "token_endpoint": at}),
            about("token_endpoint", "is of no use without \"client_id\""),
        ),
    ] {
        assert_eq!(problem(&with_client(&more)), expected, "{more}");
    }
}

/// One word for the verdict on an ID token.
async fn id_token_verdict(verifier: &Verifier<FakeFetch>, token: &str) -> String {
    match verifier.verify_id_token(token, CLIENT, "n", clock::now()).await.unwrap() {
        Ok(caller) => caller.claims.to_text().unwrap_or_else(|| caller.issuer.clone()),
        Err(refusal) => refusal.reason.to_string(),
    }
}

#[tokio::test]
async fn an_id_token_is_for_the_client_that_asked_for_it_with_its_nonce() {
    let signer = Signer::new(Algorithm::ES256, "1");
    let issuer = with_client(&json!({"jwks": {"keys": [signer.jwk]}, "released_claims": ["region"], "aliases": ["id"],
        "authorization_endpoint": URI, "token_endpoint": URI, "audience_claim": "client_id"}));
    let other = json!({"issuer": OTHER, "audience": CLIENT, "jwks": {"keys": [signer.jwk]}});
    let (issuers, _) = Issuers::of_clients(&json!([issuer, other]).to_string(), Reach::Public);
    let verifier = Verifier::without_devices(issuers, FakeFetch::default());
    let verdict = async |more: Value| {
        let mut claims =
            json!({"iss": ISSUER, "aud": CLIENT, "sub": "alice", "nonce": "n", "exp": seconds_from_now(60)});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        id_token_verdict(&verifier, &signer.sign(&claims)).await
    };
    assert_eq!(verdict(json!({})).await, ISSUER);
    assert_eq!(verdict(json!({"iss": "id", "region": "north"})).await, r#"{"region":"north"}"#);
    assert_eq!(verdict(json!({"aud": [CLIENT, "x"], "azp": CLIENT})).await, ISSUER);
    assert_eq!(verdict(json!({"aud": [CLIENT]})).await, ISSUER);
    let refused = |reason: Refused| reason.to_string();
    for (more, reason) in [
        (json!({"nonce": "m"}), Refused::Nonce),
        (json!({"nonce": null}), Refused::Nonce),
        (json!({"aud": [CLIENT, "x"]}), Refused::AuthorizedParty),
        (json!({"azp": "x"}), Refused::AuthorizedParty),
        (json!({"aud": AUDIENCE}), Refused::Audience("aud".to_owned())),
        (json!({"iss": OTHER}), Refused::Audience("aud".to_owned())),
        (json!({"iss": DEVICE_ISSUER}), Refused::UnknownIssuer),
        (json!({"exp": seconds_from_now(-120)}), Refused::Expired),
    ] {
        assert_eq!(verdict(more.clone()).await, refused(reason), "{more}");
    }
    let (token, _) = DeviceIssuer::new(device_keys().signing()).issue([7; 16], clock::now()).unwrap();
    assert_eq!(id_token_verdict(&verifier, &token).await, refused(Refused::UnknownIssuer));
}
