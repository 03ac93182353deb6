//! What is measured: each function, and some in more than one way.

use bytes::Bytes;
use landslide_paths::{
    events::{
        By, authorization, kept_query, page, page_vote, query, ranked_vote, request, results, segmented_vote, vote,
    },
    polls::{CHANGES, changes_event},
    tokens,
    votes::{BATCH_RECORDS, FLUSH_VOTES, RANKED_POLL, choice, queue_event, ranking, segmented, stream_event},
};
use serde_json::{Value, json};

/// A line of the table.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// The function: its folder.
    pub function: &'static str,
    /// What it is handed.
    pub event: Bytes,
    /// What its answer contains.
    pub answer: &'static str,
    /// Requests, records or votes of the event.
    pub units: usize,
    /// By how much fewer calls are made than of the others.
    pub calls_divisor: usize,
    /// Lines of its log a call: metrics of a batch, and nothing of a request.
    log_lines: usize,
}

impl Row {
    fn new(name: &'static str, function: &'static str, event: Vec<u8>, answer: &'static str) -> Self {
        let log_lines = usize::from(matches!(function, "relay-votes" | "relay-changes" | "tally-votes"));
        Self { name, function, event: event.into(), answer, units: 1, calls_divisor: 1, log_lines }
    }

    fn of_many(name: &'static str, function: &'static str, event: Vec<u8>, answer: &'static str, units: usize) -> Self {
        Self { units, calls_divisor: 10, ..Self::new(name, function, event, answer) }
    }

    /// Holds a process that was called so often to what it may write.
    pub fn check_log(&self, log: &str, calls: usize) {
        let (lines, metrics) = (log.lines().count(), log.lines().filter(|line| line.starts_with("{\"_aws\":")).count());
        let expected = self.log_lines * calls;
        assert_eq!((lines, metrics), (expected, expected), "{}, {calls} calls: lines and metrics of {log}", self.name);
    }
}

/// The floor, which is handed a vote.
pub fn floor() -> Row {
    Row::new("floor", "floor", vote(), "\"statusCode\":201")
}

/// All rows, those first that a vote meets.
pub fn rows() -> Vec<Row> {
    let http = |function: &'static str, method: &str, path: &str, by: By, body: Option<Value>, answer: &'static str| {
        Row::new(function, function, request(method, path, by, body.as_ref()), answer)
    };
    let allowed = |name: &'static str, function: &'static str, token: &str| {
        Row::new(name, function, authorization(token), "\"Effect\":\"Allow\"")
    };
    let authorizer = |name, token: &str| allowed(name, "authorizer", token);
    let of_owners = |name, token: &str| allowed(name, "authorizer-owners", token);
    const POLL: &str = "/v1/polls/{poll_id}";
    const MINE: &str = "/v1/polls/{poll_id}/votes/mine";
    const VIEWS: &str = "/v1/polls/{poll_id}/views";
    const OK: &str = "\"statusCode\":200";
    const CREATED: &str = "\"statusCode\":201";
    const NOTHING_FAILED: &str = "\"batchItemFailures\":[]";
    let api_key = tokens::api_key().text(tokens::DEVICE_SECRET.as_bytes()).unwrap();
    let poll = json!({"question": "Who should win tonight?", "options": ["Red", "Blue", "Green", "Yellow"]});
    vec![
        Row::new("cast-vote", "cast-vote", vote(), CREATED),
        Row::new("cast-vote, a ranking", "cast-vote", ranked_vote(), CREATED),
        Row::new("cast-vote, with segments", "cast-vote", segmented_vote(), CREATED),
        authorizer("authorizer, device token", &tokens::device()),
        authorizer("authorizer, RS256 token", &tokens::account("RS256")),
        authorizer("authorizer, ES256 token", &tokens::account("ES256")),
        http("register-device", "POST", "/v1/devices", By::Nobody, Some(json!({})), CREATED),
        http("get-results", "GET", "/v1/polls/{poll_id}/results", By::Nobody, None, OK),
        Row::new("get-results, of a ranked poll", "get-results", results(RANKED_POLL), OK),
        Row::new("relay-votes, one record", "relay-votes", stream_event(1, choice), "null"),
        Row::of_many(
            "relay-votes, a full batch",
            "relay-votes",
            stream_event(BATCH_RECORDS, choice),
            "null",
            BATCH_RECORDS,
        ),
        Row::of_many(
            "relay-votes, a batch of rankings",
            "relay-votes",
            stream_event(BATCH_RECORDS, ranking),
            "null",
            BATCH_RECORDS,
        ),
        Row::of_many(
            "relay-votes, a batch with segments",
            "relay-votes",
            stream_event(BATCH_RECORDS, segmented),
            "null",
            BATCH_RECORDS,
        ),
        Row::new("tally-votes, one vote", "tally-votes", queue_event(1, choice), NOTHING_FAILED),
        Row::of_many(
            "tally-votes, a full message",
            "tally-votes",
            queue_event(FLUSH_VOTES, choice),
            NOTHING_FAILED,
            FLUSH_VOTES,
        ),
        Row::of_many(
            "tally-votes, a message of rankings",
            "tally-votes",
            queue_event(FLUSH_VOTES, ranking),
            NOTHING_FAILED,
            FLUSH_VOTES,
        ),
        Row::of_many(
            "tally-votes, a message with segments",
            "tally-votes",
            queue_event(FLUSH_VOTES, segmented),
            NOTHING_FAILED,
            FLUSH_VOTES,
        ),
        http("get-poll", "GET", POLL, By::Nobody, None, OK),
        Row::new("show-poll, a ballot", "show-poll", page(), OK),
        Row::new("show-poll, a vote", "show-poll", page_vote(&tokens::device()), "\"statusCode\":303"),
        http("sign-in, the way there", "GET", "/p/{poll_id}/sign-in", By::Nobody, None, "\"statusCode\":303"),
        http("get-vote", "GET", MINE, By::Device, None, OK),
        http("retract-vote", "DELETE", MINE, By::Device, None, "\"statusCode\":204"),
        http("create-poll", "POST", "/v1/polls", By::Owner, Some(poll), CREATED),
        http("list-polls", "GET", "/v1/polls", By::Owner, None, OK),
        http("list-audit", "GET", "/v1/audit", By::Owner, None, OK),
        http("get-usage", "GET", "/v1/usage", By::Owner, None, OK),
        Row::new("graphql, a kept query", "graphql", kept_query(), OK),
        Row::new("graphql, a query", "graphql", query(), OK),
        http("update-poll", "PATCH", POLL, By::Owner, Some(json!({"peak_votes_per_second": 31_000})), OK),
        http("close-poll", "POST", "/v1/polls/{poll_id}/close", By::Owner, Some(json!({})), OK),
        of_owners("authorizer-owners, API key", &api_key),
        of_owners("authorizer-owners, RS256 token", &tokens::account("RS256")),
        Row::new("relay-changes, one change", "relay-changes", changes_event(1), "null"),
        Row::of_many("relay-changes, a full batch", "relay-changes", changes_event(CHANGES), "null", CHANGES),
        http("create-view", "POST", VIEWS, By::Owner, Some(json!({})), CREATED),
        http("list-views", "GET", VIEWS, By::Owner, None, OK),
        http("delete-view", "DELETE", "/v1/polls/{poll_id}/views/{view_id}", By::Owner, None, OK),
        http("create-key", "POST", "/v1/keys", By::Owner, Some(json!({"name": "n", "role": "editor"})), CREATED),
        http("list-keys", "GET", "/v1/keys", By::Owner, None, OK),
        http("delete-key", "DELETE", "/v1/keys/{key_id}", By::Owner, None, OK),
        http("pause-poll", "POST", "/v1/polls/{poll_id}/pause", By::Owner, Some(json!({})), OK),
        http("copy-poll", "POST", "/v1/polls/{poll_id}/copy", By::Owner, Some(json!({})), CREATED),
        http("transfer-poll", "DELETE", "/v1/polls/{poll_id}/transfer", By::Owner, None, OK),
    ]
}
