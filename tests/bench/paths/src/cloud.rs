//! AWS as far as the functions call it: each call gets an answer that was made before, and nothing is stored.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use base64::{Engine, prelude::BASE64_STANDARD};
use landslide_aws::{clock, sdk::sdk_config_over};
use landslide_ballots::segmented;
use landslide_counting::assembly::{Summed, document};
use landslide_domain::{
    entries::{EntriesBuilder, PerSet},
    method::Totals,
    poll::hidden::HiddenAnswers,
    results::assembled::Given,
    tally::Count,
};
use serde_json::{Value, json};

use crate::{
    poll::poll,
    tokens::{self, DEVICE_SECRET},
    votes::{LANES, OPTIONS, POLL, RANKABLE, RANKED_POLL, SEGMENTED_POLL, ranking},
};

/// Tables by the names that the functions are given here.
pub const TABLES: [(&str, &str); 5] = [
    ("POLLS_TABLE", "polls"),
    ("VOTES_TABLE", "votes"),
    ("TALLIES_TABLE", "tallies"),
    ("TENANTS_TABLE", "tenants"),
    ("AUDIT_TABLE", "audit"),
];
/// Votes of the ranked poll.
const RANKED_VOTES: usize = 10_000;
/// Polls of an owner's page.
const PAGE_POLLS: usize = 20;

/// The answers.
#[derive(Debug)]
pub struct Answers {
    by_call: HashMap<(&'static str, &'static str), String>,
}

impl Answers {
    /// All of them.
    pub fn new() -> Self {
        let query = |items: &[Value]| json!({"Items": items, "Count": items.len(), "ScannedCount": items.len()});
        let counts: Vec<Value> = (0..LANES).map(count).collect();
        let answers = [
            (("GetItem", "polls"), json!({ "Item": rules() })),
            (("GetItem", "votes"), json!({ "Item": vote() })),
            (("GetItem", "tallies"), json!({})),
            (("GetItem", "tenants"), json!({ "Item": api_key() })),
            (("Query", "polls"), query(&[options(), rules()])),
            (("Query", "by-owner"), query(&vec![rules(); PAGE_POLLS])),
            (("Query", "tallies"), query(&[])),
            (("Query", "tenants"), query(&[])),
            (("Query", "audit"), query(&[])),
            (
                ("BatchGetItem", "one poll"),
                json!({"Responses": {"polls": [options(), rules()], "tallies": counts}, "UnprocessedKeys": {}}),
            ),
            (
                ("BatchGetItem", "a page"),
                json!({"Responses": {"polls": vec![rules(); PAGE_POLLS], "tallies": counts}, "UnprocessedKeys": {}}),
            ),
            (("GetItem", "ranked poll"), json!({ "Item": ranked_rules() })),
            (("GetItem", "segmented poll"), json!({ "Item": segmented_rules() })),
            (
                ("BatchGetItem", "ranked poll"),
                json!({"Responses": {"polls": [ranked_options(), ranked_rules()], "tallies": assembled()}, "UnprocessedKeys": {}}),
            ),
            (("PutItem", ""), json!({})),
            (("UpdateItem", ""), json!({})),
            (("TransactWriteItems", ""), json!({})),
            (("GetSecretValue", "client secrets"), json!({"ARN": "arn", "Name": "secret", "SecretString": "{}"})),
            (("GetSecretValue", ""), json!({"ARN": "arn", "Name": "secret", "SecretString": DEVICE_SECRET})),
        ];
        Self { by_call: answers.into_iter().map(|(call, answer)| (call, answer.to_string())).collect() }
    }

    /// The answer to a call: its target (`x-amz-target`), and its body.
    pub fn to(&self, target: &str, body: &[u8]) -> String {
        let operation = target.rsplit('.').next().unwrap_or_default();
        let is_of = |poll: &str| std::str::from_utf8(body).unwrap().contains(poll);
        match operation {
            "SendMessageBatch" => all_taken(body),
            "GetSecretValue" if is_of("client-secrets") => self.by_call[&(operation, "client secrets")].clone(),
            "BatchGetItem" | "GetItem" if is_of(RANKED_POLL) => self.by_call[&(operation, "ranked poll")].clone(),
            "GetItem" if is_of(SEGMENTED_POLL) => self.by_call[&(operation, "segmented poll")].clone(),
            "BatchGetItem" => {
                let is_of_one_poll = std::str::from_utf8(body).unwrap().contains("\"OPTIONS\"");
                self.by_call[&(operation, if is_of_one_poll { "one poll" } else { "a page" })].clone()
            }
            "GetItem" | "Query" => {
                let body = std::str::from_utf8(body).unwrap();
                let table = ["by-owner", "polls", "votes", "tallies", "tenants", "audit"]
                    .into_iter()
                    .find(|table| body.contains(&format!("\"{table}\"")));
                self.by_call[&(operation, table.unwrap())].clone()
            }
            _ => self.by_call.get(&(operation, "")).unwrap_or_else(|| panic!("no answer to {operation}")).clone(),
        }
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self::new()
    }
}

fn all_taken(body: &[u8]) -> String {
    let batch: Value = serde_json::from_slice(body).unwrap();
    let taken =
        |entry: &Value| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x", "SequenceNumber": "1"});
    let taken: Vec<Value> = batch["Entries"].as_array().unwrap().iter().map(taken).collect();
    json!({"Successful": taken, "Failed": []}).to_string()
}

/// The poll's item RULES.
pub(crate) fn rules() -> Value {
    let bytes = BASE64_STANDARD.encode([7; 32]);
    json!({
        "poll_id": {"S": POLL}, "item": {"S": "RULES"}, "owner": {"S": "https://id.example.org owner"},
        "owner_order": {"S": format!("001790000000000#{POLL}")}, "question": {"S": "Who should win tonight?"},
        "kind": {"S": "single"}, "options": {"N": OPTIONS.to_string()}, "max_choices": {"N": "1"},
        "identity": {"S": "device"}, "vote_change": {"S": "until_close"}, "results": {"S": "always"},
        "peak_votes_per_second": {"N": "30000"}, "lanes": {"N": LANES.to_string()}, "salt": {"B": bytes},
        "revision": {"N": "1"}, "created_at": {"N": "1790000000000"}, "request_hash": {"B": bytes},
    })
}

/// The item RULES of a poll in which votes are rankings.
fn ranked_rules() -> Value {
    let mut rules = rules();
    let ranked = json!({
        "poll_id": {"S": RANKED_POLL}, "kind": {"S": "ranked"}, "options": {"N": RANKABLE.to_string()},
        "max_choices": {"N": "5"}, "owner_order": {"S": format!("001790000000000#{RANKED_POLL}")},
    });
    rules.as_object_mut().unwrap().extend(ranked.as_object().unwrap().clone());
    rules
}

/// The item RULES of a poll whose votes are counted by dimensions and by minutes.
fn segmented_rules() -> Value {
    let mut rules = rules();
    let segmented = json!({
        "poll_id": {"S": SEGMENTED_POLL}, "owner_order": {"S": format!("001790000000000#{SEGMENTED_POLL}")},
        "segments": {"S": segmented::dimensions().to_string()}, "series": {"S": "true"}, "slot_width": {"S": "minute"},
    });
    rules.as_object_mut().unwrap().extend(segmented.as_object().unwrap().clone());
    rules
}

fn ranked_options() -> Value {
    options_of(RANKED_POLL, RANKABLE)
}

/// What assembling depends on besides, of a poll that was not assembled before.
pub fn nothing_before() -> Given<'static, fn(&str) -> String> {
    const HIDDEN: &HiddenAnswers = &HiddenAnswers { revision: 0, answers: Vec::new() };
    Given { now: clock::now(), before: &[], hidden: HIDDEN, group: str::to_owned }
}

/// The items RESULT, of some thousand votes, and LEASE, which does not end.
fn assembled() -> [Value; 2] {
    let mut entries = PerSet::<EntriesBuilder>::default();
    let mut random = fastrand::Rng::with_seed(7);
    (0..RANKED_VOTES).for_each(|_| entries.add_ballot(&ranking(&mut random), 1));
    let counts = vec![Count { version: 42, ..Count::default() }; LANES.into()];
    let entries = entries.build();
    let totals = Totals::of_entries(RANKABLE, &entries.ballots);
    let document = document(
        &poll("ranked", RANKABLE).rules,
        &Summed { counts, totals, entries: entries.map(|_, of_set| Ok(Arc::new(of_set))) },
        &nothing_before(),
    )
    .unwrap();
    let key = |item: &str| json!({"poll_lane": {"S": format!("{RANKED_POLL}#results")}, "item": {"S": item}});
    let (mut result, mut lease) = (key("RESULT"), key("LEASE"));
    result["generation"] = json!({"N": "7"});
    result["versions"] = json!({"L": vec![json!({"N": "42"}); LANES.into()]});
    result["document"] = json!({"B": BASE64_STANDARD.encode(document.as_bytes())});
    lease["until"] = json!({"N": "4000000000000"});
    [result, lease]
}

fn api_key() -> Value {
    json!({
        "scope": {"S": format!("key#{}", tokens::api_key().id)}, "item": {"S": "TOKEN"},
        "secret_hash": {"B": BASE64_STANDARD.encode(tokens::api_key().hash().0)},
        "tenant": {"S": "https://id.example.org owner"}, "role": {"S": "editor"},
    })
}

fn options() -> Value {
    options_of(POLL, OPTIONS)
}

fn options_of(poll: &str, options: u8) -> Value {
    let labels: Vec<Value> = (0..options).map(|id| json!({"S": format!("Contestant number {id}")})).collect();
    json!({"poll_id": {"S": poll}, "item": {"S": "OPTIONS"}, "labels": {"L": labels}, "revision": {"N": "1"}})
}

fn vote() -> Value {
    json!({
        "poll_partition": {"S": format!("{POLL}#1ff")}, "voter": {"S": "0".repeat(32)}, "choices": {"L": [{"N": "1"}]},
        "revision": {"N": "1"}, "cast_at": {"N": "1790000000000"}, "lane": {"N": "3"}, "nonce": {"N": "1"},
    })
}

fn count(lane: u8) -> Value {
    let mut count = json!({
        "poll_lane": {"S": format!("{POLL}#{lane}")}, "item": {"S": "COUNT"}, "version": {"N": "42"},
        "as_of": {"N": "1790000000000"}, "ballots": {"N": "400000"},
    });
    for id in 0..OPTIONS {
        count[format!("o{id}")] = json!({"N": "100000"});
    }
    count
}

/// Settings under which every client gets these answers, without any socket.
pub fn sdk_config() -> SdkConfig {
    let connector = SharedHttpConnector::new(Canned(Arc::new(Answers::new())));
    let http_client = http_client_fn(move |_, _| connector.clone());
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("token".repeat(80)), None, "bench");
    let config = sdk_config_over(http_client, "us-east-1".to_owned(), None, Duration::ZERO).to_builder();
    config.credentials_provider(SharedCredentialsProvider::new(credentials)).build()
}

#[derive(Clone, Debug)]
struct Canned(Arc<Answers>);

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let answer = self.0.to(target, request.body().bytes().unwrap_or_default());
        HttpConnectorFuture::ready(Ok(HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from(answer))))
    }
}
