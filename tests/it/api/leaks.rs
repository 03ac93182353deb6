//! What nobody learns from answers: hidden results, others' votes, ids that were not told.

use std::{collections::BTreeSet, time::Instant};

use futures_util::future::join_all;
use http::Method;
use landslide_aws::random;
use landslide_domain::{
    caller::{Caller, TokenKind},
    claims::Claims,
    ids::{PollId, VoterKey},
    tenant::TenantKey,
    time::Timestamp,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::roles::{self, routes};
use crate::support::{Answer, App, OwnProcess, assert_problem, event, eventually, someone, vote_event};

/// How many voters only one of the twins has.
const OTHERS: u64 = 9;

/// Two polls of one owner that differ in nothing but the votes of others.
struct Twins {
    app: App,
    owner: String,
    voter: String,
    /// One vote, the voter's for option 1.
    quiet: String,
    /// That vote, and `OTHERS` more.
    busy: String,
}

impl Twins {
    async fn of(results: &str) -> Self {
        let app = App::new();
        let (owner, voter) = (app.account(&someone()), app.account(&someone()));
        let body = json!({"question": "Best colour?", "options": ["Red", "Blue", "Green"], "results": results});
        let (quiet, busy) = (app.poll_of(&owner, body.clone()).await, app.poll_of(&owner, body).await);
        app.votes_for(&busy, (0..OTHERS).map(|n| n % 2 * 2)).await;
        for (poll, ballots) in [(&quiet, 1), (&busy, OTHERS + 1)] {
            assert_eq!(app.vote(poll, &voter, &[1]).await.status, 201);
            eventually("counts for the owner", async || {
                let results = app.my_results(poll, &owner).await;
                if results.json()["ballots"] == ballots { Ok(()) } else { Err(results.to_string()) }
            })
            .await;
        }
        Self { app, owner, voter, quiet, busy }
    }

    /// Asks the same of both polls; fails unless what comes is the same to the byte, but for ids and times.
    async fn assert_alike(&self, who: &str, token: Option<&str>, (method, path, body): &Asked<'_>) {
        let ask = async |poll: &str| {
            let mut request = self.app.request(method.clone(), &path.replace("{poll_id}", poll));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            if let Some(body) = body {
                request = request.json(body).header("If-Match", "\"1\"");
            }
            Answer::of(request).await
        };
        let (quiet, busy) = (ask(&self.quiet).await, ask(&self.busy).await);
        assert_eq!(plain(&quiet, &self.quiet), plain(&busy, &self.busy), "{who} {method} {path}");
    }
}

/// Method, path and body.
type Asked<'a> = (Method, &'a str, Option<Value>);

/// An answer without what differs in any two answers: its poll's id, its own id, and times.
fn plain(answer: &Answer, poll: &str) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().replace(poll, "{poll_id}")))
        .map(|(name, value)| if is_of_request(&name) { (name, String::new()) } else { (name, value) })
        .collect();
    headers.sort();
    let mut body = answer.body.replace(poll, "{poll_id}");
    for name in ["request_id", "cast_at", "created_at"] {
        // Written as `"name":"value"`; all of them are as long in one answer as in the other.
        let start = format!("\"{name}\":\"");
        let mut parts = body.split(&start).map(str::to_owned).collect::<Vec<_>>();
        parts.iter_mut().skip(1).for_each(|part| *part = part.split_once('"').unwrap().1.to_owned());
        body = parts.join(&start);
    }
    (answer.status, headers, body)
}

/// Headers that say when an answer was sent and which one it is.
fn is_of_request(name: &str) -> bool {
    ["date", "x-amzn-requestid", "x-amz-request-id", "x-amz-id-2", "x-amz-apigw-id", "x-amzn-trace-id", "ratelimit"]
        .contains(&name)
}

#[tokio::test]
async fn polls_whose_results_are_hidden_answer_alike_whatever_others_voted() {
    for results in ["after_vote", "after_close", "owner"] {
        let twins = Twins::of(results).await;
        let app = &twins.app;
        let (stranger, device) = (app.account(&someone()), app.device().await);
        let reads: Vec<Asked> = ["", "/results", "/results/mine", "/votes/mine"]
            .into_iter()
            .map(|path| (Method::GET, path))
            .chain([(Method::DELETE, "/votes/mine"), (Method::POST, "/close")])
            .map(|(method, path)| (method, path, None))
            .collect();
        let vote = |choice: u64| (Method::POST, "/votes", Some(json!({"choices": [choice]})));
        let votes = [vote(7), vote(2), vote(2), vote(0)];
        let change = (Method::PATCH, "", Some(json!({"question": "Worst colour?"})));
        let callers =
            [("nobody", None), ("stranger", Some(&stranger)), ("device", Some(&device)), ("voter", Some(&twins.voter))];
        for (who, token) in callers {
            for (method, path, body) in reads.iter().chain(&votes).chain([&change]) {
                // A voter sees the results where voting shows them. No other difference is allowed.
                let seen = results == "after_vote" && token.is_some() && *path == "/results/mine";
                if seen && who == "voter" {
                    continue;
                }
                let path = format!("/v1/polls/{{poll_id}}{path}");
                twins.assert_alike(who, token.map(String::as_str), &(method.clone(), &path, body.clone())).await;
            }
        }
        // A list shows each of them alike, and no counts.
        let list = Answer::of(app.request(Method::GET, "/v1/polls").bearer_auth(&twins.owner)).await.json();
        let [first, second] = list["polls"].as_array().unwrap().as_slice() else { panic!("{list}") };
        for (name, value) in first.as_object().unwrap() {
            assert!(value == &second[name] || ["poll_id", "created_at"].contains(&name.as_str()), "{list}");
        }
        // Those who may see them see that they differ: else all this shows nothing.
        let [quiet, busy] = [&twins.quiet, &twins.busy].map(|poll| app.my_results(poll, &twins.owner));
        let (quiet, busy) = tokio::join!(quiet, busy);
        assert_ne!(plain(&quiet, &twins.quiet), plain(&busy, &twins.busy));
    }
}

/// What it takes to answer does not depend on what is hidden either: the same calls of AWS, in the same order.
#[tokio::test]
async fn hidden_results_and_others_votes_cost_the_same_calls_whatever_they_are() {
    let twins = Twins::of("owner").await;
    if twins.app.stack.lacks("plain-http") {
        return;
    }
    let voting = OwnProcess::start(&twins.app, "cast-vote").await;
    let showing = OwnProcess::start(&twins.app, "get-results").await;
    let (stranger, new_voter) = (twins.app.issuer.authorized(&someone()), twins.app.issuer.authorized(&someone()));
    let mine = "/v1/polls/{poll_id}/results/mine";
    let steps = [
        ("hidden results", &showing, 403),
        ("hidden results, remembered", &showing, 403),
        ("first vote", &voting, 201),
        ("repeated vote", &voting, 200),
        ("other choice", &voting, 409),
    ];
    for (step, process, expected) in steps {
        let mut calls = Vec::new();
        for poll in [&twins.quiet, &twins.busy] {
            process.calls();
            let event = match step {
                "other choice" => vote_event(poll, new_voter.clone(), &json!([0])),
                "first vote" | "repeated vote" => vote_event(poll, new_voter.clone(), &json!([2])),
                _ => event(&Method::GET, mine, poll, stranger.clone(), None),
            };
            let (status, answer) = process.hand(event).await;
            assert_eq!(status, expected, "{step}: {answer}");
            calls.push(process.calls());
        }
        println!("{step}: {:?}", calls[0]);
        assert_eq!(calls[0], calls[1], "{step}");
    }
}

/// How long answers take is compared, not asserted on: this machine has other work.
#[tokio::test]
async fn how_long_answers_take_is_printed_for_both_polls() {
    const CALLS: usize = 30;
    let twins = Twins::of("owner").await;
    let app = &twins.app;
    let stranger = app.account(&someone());
    for what in ["hidden results", "already_voted"] {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..CALLS {
            for (poll, times) in [&twins.quiet, &twins.busy].into_iter().zip(&mut times) {
                let started = Instant::now();
                match what {
                    "already_voted" => {
                        drop(assert_problem(&app.vote(poll, &twins.voter, &[0]).await, 409, "already_voted"))
                    }
                    _ => drop(assert_problem(&app.my_results(poll, &stranger).await, 403, "results_hidden")),
                }
                times.push(started.elapsed());
            }
        }
        let [quiet, busy] = times.map(|mut times| {
            times.sort();
            times[CALLS / 2].as_secs_f64() * 1_000.0
        });
        println!("{what}: median of {CALLS} calls {quiet:.2} ms and {busy:.2} ms, ratio {:.3}", busy / quiet);
    }
}

#[tokio::test]
async fn an_id_that_no_poll_has_is_refused_in_the_same_words_whatever_it_looks_like() {
    let app = App::new();
    let (account, device) = (app.account(&someone()), app.device().await);
    let unknown = PollId::from_bytes(random::bytes().unwrap()).to_string();
    let odd = ["nobody", &"x".repeat(41), "a.b"];
    for (method, path, body) in [
        (Method::GET, "", None),
        (Method::GET, "/results", None),
        (Method::GET, "/results/mine", None),
        (Method::GET, "/votes/mine", None),
        (Method::DELETE, "/votes/mine", None),
        (Method::POST, "/votes", Some(json!({"choices": [0]}))),
        (Method::POST, "/close", None),
        (Method::PATCH, "", Some(json!({}))),
    ] {
        let ask = async |id: &str, token: &str| {
            let mut request = app.request(method.clone(), &format!("/v1/polls/{id}{path}")).bearer_auth(token);
            if let Some(body) = &body {
                request = request.json(body).header("If-Match", "*");
            }
            Answer::of(request).await
        };
        let expected = ask(&unknown, &account).await;
        assert_problem(&expected, 404, "not_found");
        for (id, token) in odd.iter().map(|id| (*id, &account)).chain([(unknown.as_str(), &device)]) {
            // Only accounts get as far as that where an account is needed.
            if token == &device && ["/close", ""].contains(&path) && method != Method::GET {
                continue;
            }
            assert_eq!(plain(&ask(id, token).await, id), plain(&expected, &unknown), "{method} {path} {id}");
        }
    }
}

/// A lot's seed in all forms in which bytes are written down.
fn forms(seed: &[u8]) -> [String; 4] {
    use base64::{Engine, prelude::*};
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = BASE64_STANDARD_NO_PAD.encode(seed);
    [hex.clone(), hex.to_uppercase(), BASE64_URL_SAFE_NO_PAD.encode(seed), text]
}

/// Each route of the API is asked for a poll of its own, as some change it, and so are all that an owner may read then.
#[tokio::test]
async fn the_seed_of_a_lot_is_in_no_answer_of_the_whole_api_and_its_hash_is_there_from_the_beginning() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let app = App::new();
    let routes = routes();
    let mut seeds = BTreeSet::new();
    for route in &routes {
        // An owner for each route, so that none has too many requests in a minute.
        let owner = app.account(&someone());
        let body = json!({"question": "Who?", "options": ["a", "b"], "kind": "ranked"});
        let created = app.create_poll(&owner, &body).await;
        let poll = created.json()["poll_id"].as_str().unwrap().to_owned();
        assert_eq!(app.rank(&poll, &app.account(&someone()), &[1]).await.status, 201);
        let seed = app.aws.poll_item(&poll, "RULES").await["lot_seed"]["B"].as_str().unwrap().to_owned();
        let seed = BASE64_STANDARD.decode(seed).unwrap();
        let hash: String = Sha256::digest(&seed).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(created.json()["lot_seed_sha256"], hash);
        assert_eq!(app.shown(&poll).await["lot_seed_sha256"], hash);
        let (_, answer) = roles::ask(&app, route, &poll, &roles::Caller::account(&owner)).await;
        for answer in [&created, &answer] {
            let told = format!("{:?} {}", answer.headers, answer.body);
            let shown = forms(&seed).into_iter().find(|form| told.contains(form));
            assert_eq!(shown, None, "{} shows the seed: {answer}", route.0);
        }
        assert!(seeds.insert(seed), "two polls have one seed");
    }
}

/// Fails unless 128-bit keys look random: all differ, each bit is set in about half of them, and two in a row share no
/// more bits than chance explains.
fn assert_random(what: &str, keys: &[u128]) {
    // Beyond six standard deviations of a coin once in 500 million; there are 128 bits, and a key's neighbours.
    let bound = |tosses: usize| 6.0 * (tosses as f64).sqrt() / 2.0;
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "{what}: one comes twice");
    for bit in 0..128 {
        let set = keys.iter().filter(|key| *key >> bit & 1 == 1).count();
        let off = (set as f64 - keys.len() as f64 / 2.0).abs();
        assert!(off < bound(keys.len()), "{what}: bit {bit} is set in {set} of {}", keys.len());
    }
    let differing: Vec<u32> = keys.windows(2).map(|pair| (pair[0] ^ pair[1]).count_ones()).collect();
    let off = differing.iter().map(|bits| (f64::from(*bits) - 64.0).abs()).fold(0.0, f64::max);
    assert!(off < bound(128), "{what}: neighbours differ in {off} bits more or fewer than 64");
    let all = differing.iter().map(|bits| *bits as usize).sum::<usize>();
    let off = (all as f64 - 64.0 * differing.len() as f64).abs();
    assert!(off < bound(128 * differing.len()), "{what}: neighbours differ in {all} bits altogether");
}

/// The bits of a poll's id: 22 characters of base64url.
fn bits(id: &str) -> u128 {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(id).unwrap_or_else(|error| panic!("{id}: {error}"));
    u128::from_be_bytes(bytes.try_into().unwrap_or_else(|_| panic!("{id} is not of 128 bits")))
}

#[tokio::test]
async fn ids_have_128_bits_that_tell_nothing_of_one_another() {
    const IDS: u32 = 4_000;
    const POLLS: usize = 64;
    let app = App::new();
    let owner = app.account(&someone());
    let body = json!({"question": "Best colour?", "options": ["Red", "Blue"]});
    let made = join_all((0..POLLS).map(|_| app.poll_of(&owner, body.clone()))).await;
    assert_random("polls", &made.iter().map(|id| bits(id)).collect::<Vec<_>>());
    // With idempotency keys in a row, for one owner.
    let with_key = join_all((0..POLLS).map(async |n| {
        let request = app.request(Method::POST, "/v1/polls").bearer_auth(&owner).json(&body);
        let answer = Answer::of(request.header("Idempotency-Key", n.to_string())).await;
        bits(answer.json()["poll_id"].as_str().unwrap())
    }))
    .await;
    assert_random("polls with idempotency keys", &with_key);
    // A few thousand, from where the function takes them.
    let drawn = (0..IDS).map(|_| bits(PollId::from_bytes(random::bytes().unwrap()).as_str()));
    assert_random("drawn ids", &drawn.collect::<Vec<_>>());
    let owner = TenantKey::stored("owner");
    let keyed = (0..IDS).map(|n| bits(PollId::of_idempotency_key(&[7; 32], &owner, &n.to_string()).as_str()));
    assert_random("ids of idempotency keys", &keyed.collect::<Vec<_>>());
    let voter = |subject: String, salt: u32| {
        let mut salt_bytes = [7; 32];
        salt_bytes[..4].copy_from_slice(&salt.to_be_bytes());
        let issuer = "https://id.example.org".to_owned();
        let (kind, expires_at, claims) = (TokenKind::Account, Timestamp::EPOCH, Claims::default());
        let caller = Caller { issuer, subject, kind, expires_at, claims };
        u128::from_be_bytes(VoterKey::of(&caller, &salt_bytes).bytes())
    };
    assert_random("voters in a row", &(0..IDS).map(|n| voter(n.to_string(), 0)).collect::<Vec<_>>());
    assert_random("one voter in many polls", &(0..IDS).map(|n| voter("alice".to_owned(), n)).collect::<Vec<_>>());
}
