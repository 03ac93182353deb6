//! Which paths there are.

use std::{fmt::Debug, future::Future, sync::Arc};

use authorizer::authorize;
use aws_types::SdkConfig;
use graphql::{Analytics, Creation, Graphql, Services};
use lambda_http::Adapter;
use lambda_runtime::{Context, LambdaEvent, Service};
use landslide_authorizer::{App, AuthorizerRequest};
use landslide_aws::{
    clock::{self, SystemClock},
    queue::Queue,
    store::{AssembledStore, LimitStore, PollStore, ResultsStore, TokenStore, VoteStore},
};
use landslide_counting::relay::Folded;
use landslide_domain::{
    ballot::{SentBallot, SentContent},
    caller::TokenKind,
    fold::fold,
    ids::PollId,
    limits::Limits,
    message::Message,
    method::{Lot, Method, Rankings, Summary, count},
    results::results,
    runs::{Attempt, LaneEntries, RUN_LIMITS},
    tally::{by_minute, plan},
};
use landslide_edge::{BODY_BYTES_MAX, Edge, Error, Event, Reply, Request};
use landslide_identity::{providers::Providers, session::PageSecret};
use landslide_service::{
    limits::TenantLimits,
    polls::{CurrentPolls, PollChanges, TenantPolls},
    results::{AssemblyQueue, CurrentResults, tag_of},
    usage::TenantUsage,
    votes::Votes,
};
use landslide_stream::StreamEvent;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    Path, Work, cloud,
    events::{self, By},
    poll, tokens,
    votes::{self, BATCH_RECORDS, Draw, FLUSH_VOTES},
};

/// Where pages are.
const PUBLIC_URL: &str = "https://show.example.org";
/// How long a request may take.
const DEADLINE_MS: u64 = 60_000;

/// All paths. Those of requests go from an event's JSON to the response's, warm, by the real handler.
pub const PATHS: &[Path] = &[
    Path { name: "cast-vote", units: 1, prepare: || cast_vote(events::vote()) },
    Path { name: "cast-ranked-vote", units: 1, prepare: || cast_vote(events::ranked_vote()) },
    Path { name: "cast-segmented-vote", units: 1, prepare: || cast_vote(events::segmented_vote()) },
    Path { name: "authorizer-device", units: 1, prepare: || authorizer(&tokens::device()) },
    Path { name: "authorizer-rs256", units: 1, prepare: || authorizer(&tokens::account("RS256")) },
    Path { name: "authorizer-es256", units: 1, prepare: || authorizer(&tokens::account("ES256")) },
    Path { name: "register-device", units: 1, prepare: register_device },
    Path { name: "register-device-by-lambda-http", units: 1, prepare: register_device_by_lambda_http },
    Path { name: "get-results", units: 1, prepare: || get_results(votes::POLL) },
    Path { name: "get-ranked-results", units: 1, prepare: || get_results(votes::RANKED_POLL) },
    Path { name: "get-ranked-results-cold", units: 1, prepare: get_ranked_results_cold },
    Path { name: "graphql-kept-query", units: 1, prepare: || graphql(events::kept_query()) },
    Path { name: "graphql-query", units: 1, prepare: || graphql(events::query()) },
    Path { name: "show-poll", units: 1, prepare: || show_poll(events::page(), 200) },
    Path { name: "show-poll-vote", units: 1, prepare: || show_poll(events::page_vote(&tokens::device()), 303) },
    Path { name: "request", units: 1, prepare: request },
    Path { name: "results-document", units: 1, prepare: results_document },
    Path { name: "ranked-rounds", units: 1, prepare: ranked_rounds },
    Path { name: "relay-record", units: BATCH_RECORDS as u64, prepare: || relay(votes::choice) },
    Path { name: "relay-ranked-record", units: BATCH_RECORDS as u64, prepare: || relay(votes::ranking) },
    Path { name: "relay-segmented-record", units: BATCH_RECORDS as u64, prepare: || relay(votes::segmented) },
    Path { name: "fold-record", units: BATCH_RECORDS as u64, prepare: fold_changes },
    Path { name: "tally-vote-after-1e3", units: FLUSH_VOTES as u64, prepare: || tally(1_000, votes::choice) },
    Path { name: "tally-vote-after-1e4", units: FLUSH_VOTES as u64, prepare: || tally(10_000, votes::choice) },
    Path { name: "tally-vote-after-1e5", units: FLUSH_VOTES as u64, prepare: || tally(100_000, votes::choice) },
    Path { name: "tally-vote-after-1e6", units: FLUSH_VOTES as u64, prepare: || tally(1_000_000, votes::choice) },
    Path { name: "tally-vote-after-1e7", units: FLUSH_VOTES as u64, prepare: || tally(10_000_000, votes::choice) },
    Path { name: "tally-ranked-vote", units: FLUSH_VOTES as u64, prepare: || tally(1_000_000, votes::ranking) },
    Path { name: "tally-segmented-vote", units: FLUSH_VOTES as u64, prepare: || tally(1_000_000, votes::segmented) },
];

fn cast_vote(event: Vec<u8>) -> Work {
    let aws = cloud::sdk_config();
    let votes = Votes::new(PollStore::new(&aws, "polls".to_owned()), VoteStore::new(&aws, "votes".to_owned()));
    let app = cast_vote::App { votes, origin: Default::default() };
    endpoint(app, cast_vote::handle, event, 201)
}

fn register_device() -> Work {
    endpoint(tokens::device_issuer(), register_device::handle, device_event(), 201)
}

/// What reading a request whole costs, by the cheapest endpoint. It ships with the other reader.
fn register_device_by_lambda_http() -> Work {
    let (edge, app, event, runtime) =
        (Edge::new("*".to_owned()), Arc::new(tokens::device_issuer()), device_event(), runtime());
    let expected = beginning(201);
    Box::new(move || {
        let service = Adapter::from(landslide_lambda_http::service(&edge, &app, &register_device::handle));
        assert_answers(&runtime, service, &event, &expected);
    })
}

fn device_event() -> Vec<u8> {
    events::request("POST", "/v1/devices", By::Nobody, Some(&json!({})))
}

fn get_results(poll: &str) -> Work {
    endpoint(current_results(&cloud::sdk_config()), get_results::handle, events::results(poll), 200)
}

/// Without what counts a member's requests, which waits for the database.
fn graphql(event: Vec<u8>) -> Work {
    let aws = cloud::sdk_config();
    let polls = || PollStore::new(&aws, "polls".to_owned());
    let limits = || LimitStore::new(&aws, "tenants".to_owned());
    let of_all = Limits { polls_per_day: 1_000, open_polls: 1_000, requests_per_minute: 600 };
    let services = Services {
        polls: CurrentPolls::new(polls()),
        lists: TenantPolls::new(polls()),
        results: current_results(&aws),
        broken_down: current_results(&aws).broken_down(),
        analytics: Analytics::default(),
        usage: TenantUsage::new(polls(), ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned()), limits()),
        changes: PollChanges::new(polls()),
        creation: Creation::default(),
        limits: Arc::new(TenantLimits::over(limits(), of_all, SystemClock)),
    };
    endpoint(Graphql::new(services).unwrap(), graphql::handle, event, 200)
}

/// The page with its ballot, or a vote by its form.
fn show_poll(event: Vec<u8>, status: u16) -> Work {
    let aws = cloud::sdk_config();
    let polls = || PollStore::new(&aws, "polls".to_owned());
    let votes = Votes::new(polls(), VoteStore::new(&aws, "votes".to_owned()));
    let devices = show_poll::Devices::new(&tokens::device_keys());
    let sessions = show_poll::Sessions::new(PageSecret::new(vec![b'p'; 64]), Providers::read("[]"));
    let url = PUBLIC_URL.parse().unwrap();
    let links = show_poll::ViewLinks::new(TokenStore::new(&aws, "tenants".to_owned()), Vec::new());
    let polls = CurrentPolls::new(polls());
    let app = show_poll::App::new(polls, votes, current_results(&aws), devices, sessions, links, url);
    let (expected, runtime) = (beginning(status), runtime());
    Box::new(move || {
        let service = Adapter::from(lambda_http::service_fn(|request| app.respond(request)));
        assert_answers(&runtime, service, &event, &expected);
    })
}

/// From the stored document, as a process does once a second.
fn get_ranked_results_cold() -> Work {
    let (aws, runtime) = (cloud::sdk_config(), runtime());
    let poll = PollId::parse(votes::RANKED_POLL).unwrap();
    Box::new(move || {
        let results = current_results(&aws);
        let document = runtime.block_on(results.document(&poll, None, clock::now())).unwrap();
        assert!(document.text.contains("\"method\":\"irv\""), "{}", document.text);
    })
}

fn current_results(aws: &SdkConfig) -> CurrentResults<AssemblyQueue> {
    let store = ResultsStore::new(aws, "polls".to_owned(), "tallies".to_owned());
    let assembled = AssembledStore::new(aws, "tallies".to_owned());
    let queue = AssemblyQueue::new(Queue::new(aws, "http://assembly".to_owned()));
    CurrentResults::new(store, assembled, VoteStore::new(aws, "votes".to_owned()), queue)
}

/// An endpoint as `landslide_edge::run` has it, from an event's bytes to the response's.
fn endpoint<App, Endpoint, Answer>(app: App, endpoint: Endpoint, event: Vec<u8>, status: u16) -> Work
where
    App: Send + Sync + 'static,
    Endpoint: Fn(Arc<App>, Request) -> Answer + Sync + 'static,
    Answer: Future<Output = Result<Reply, Error>> + Send,
{
    let (edge, app, runtime) = (Edge::new("*".to_owned()), Arc::new(app), runtime());
    let expected = beginning(status);
    Box::new(move || {
        let service = landslide_edge::service(&edge, &app, &endpoint);
        assert_answers::<Event, _>(&runtime, service, &event, &expected);
    })
}

/// From an event's bytes to the response's, which must begin like this.
fn assert_answers<E: DeserializeOwned, S>(runtime: &Runtime, mut service: S, event: &[u8], expected: &str)
where
    S: Service<LambdaEvent<E>, Response: Serialize, Error: Debug>,
{
    let event: E = serde_json::from_slice(event).unwrap();
    let response = runtime.block_on(service.call(LambdaEvent::new(event, context()))).unwrap();
    let response = serde_json::to_string(&response).unwrap();
    assert!(response.starts_with(expected), "{response}");
}

/// How a response with this status begins.
fn beginning(status: u16) -> String {
    format!("{{\"statusCode\":{status},")
}

/// As `#[tokio::main(flavor = "current_thread")]` makes it.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn context() -> Context {
    let mut context = Context::default();
    context.deadline = clock::now().plus_millis(DEADLINE_MS).as_millis();
    context
}

fn authorizer(token: &str) -> Work {
    let (app, event, runtime) = (App::new(tokens::verifier()), events::authorization(token), runtime());
    Box::new(move || {
        let request: AuthorizerRequest = serde_json::from_slice(&event).unwrap();
        let answer = runtime.block_on(authorize(&app, &request, clock::now())).unwrap();
        let answer = serde_json::to_string(&answer).unwrap();
        assert!(answer.contains("\"Effect\":\"Allow\""), "{answer}");
    })
}

/// A vote's request, up to where the endpoint knows all that it needs.
fn request() -> Work {
    let event = events::vote();
    Box::new(move || {
        let request = Request::new(serde_json::from_slice(&event).unwrap(), context().deadline());
        let caller = request.caller(clock::now()).unwrap();
        let vote: SentBallot = request.json(BODY_BYTES_MAX).unwrap();
        assert_eq!((request.poll_id().unwrap().as_str(), caller.kind), (votes::POLL, TokenKind::Device));
        assert_eq!(vote, SentContent::Choices(vec![1], None).into());
    })
}

fn results_document() -> Work {
    let poll = poll::poll("single", votes::OPTIONS);
    let counts: Vec<_> = (0..votes::LANES).map(|_| votes::count(400_000)).collect();
    Box::new(move || {
        let document = serde_json::to_string(&results(&poll, &counts, clock::now())).unwrap();
        let tag = tag_of(&document);
        assert!(document.contains("\"ballots\":1600000") && tag.len() == 32, "{tag} {document}");
    })
}

/// All methods over as many rankings as Minneapolis had in 2013.
fn ranked_rounds() -> Work {
    let entries = votes::rankings();
    Box::new(move || {
        let rankings = Rankings::of_entries(votes::RANKED_OPTIONS, &entries);
        let summary = Summary::of(&rankings, &Lot::Seed([7; 32]));
        for method in Method::ALL {
            let counted = count(&rankings, &summary, 1, method).unwrap();
            assert_eq!(counted.outcome.winners.len(), 1, "{method:?}");
        }
        assert_eq!(summary.ballots, votes::RANKED_BALLOTS);
    })
}

/// From an event's bytes to the bodies of the messages.
fn relay(draw: Draw) -> Work {
    let event = votes::stream_event(BATCH_RECORDS, draw);
    Box::new(move || {
        let folded = Folded::of(StreamEvent::read(&event).unwrap());
        assert_eq!((folded.messages.len(), folded.unreadable.len()), (usize::from(votes::LANES), 0));
    })
}

/// From changes to messages, without their text.
fn fold_changes() -> Work {
    let changes = StreamEvent::read(&votes::stream_event(BATCH_RECORDS, votes::choice)).unwrap().votes;
    Box::new(move || assert_eq!(fold(changes.iter().cloned()).len(), usize::from(votes::LANES)))
}

/// A message's votes, from its text to the flush that counts them, in a lane that has already counted `counted` votes.
fn tally(counted: usize, draw: Draw) -> Work {
    let (mut head, seen) = votes::counted(counted);
    let changes = votes::changes(FLUSH_VOTES, 3, draw);
    head.entries = votes::entries(changes[0].to.as_ref().unwrap());
    let is_plain = head.entries == LaneEntries::default();
    let body = votes::message(changes).encode();
    Box::new(move || {
        let message = Message::decode(&body).unwrap();
        let changes: Vec<_> = by_minute(&message.changes).into_values().flatten().collect();
        let flushes = plan(&head, &seen, &changes, &Attempt { random: 7, limits: RUN_LIMITS });
        assert_eq!(flushes[0].runs.is_empty(), is_plain);
        assert_eq!((flushes.len(), flushes[0].head.counters.ballots()), (1, (counted + FLUSH_VOTES) as i64));
    })
}
