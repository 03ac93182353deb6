//! The API as its callers use it, and the stack behind it as an operator sees it.

use std::{
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    answer::Answer, aws::Aws, counts::Counts, issuer::Issuer, messages::message_is_of, stack::Stack, time::eventually,
};

/// How many voters vote at once, unless a test says otherwise.
pub const CONNECTIONS: usize = 16;

/// Tests that kill functions run while no other one does: theirs would fail too.
static STACK: RwLock<()> = RwLock::new(());

/// Whether other tests may use the stack at the same time.
enum Claim {
    Shared(#[expect(dead_code, reason = "held until it is dropped")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held until it is dropped")] RwLockWriteGuard<'static, ()>),
}

/// The stack that is up, for one test.
pub struct App {
    /// Where everything is.
    pub stack: Stack,
    /// The stack's tables, queues and functions.
    pub aws: Aws,
    /// The issuer of account tokens.
    pub issuer: Issuer,
    http: reqwest::Client,
    claim: Claim,
}

impl App {
    /// The stack, shared with other tests.
    pub fn new() -> Self {
        Self::with(Claim::Shared(STACK.read().unwrap_or_else(|poisoned| poisoned.into_inner())))
    }

    /// The stack while no other test uses it.
    pub fn alone() -> Self {
        Self::with(Claim::Alone(STACK.write().unwrap_or_else(|poisoned| poisoned.into_inner())))
    }

    /// Lets other tests use the stack again.
    pub fn share(self) -> Self {
        let Self { claim, stack, aws, issuer, http } = self;
        drop(claim);
        let claim = Claim::Shared(STACK.read().unwrap_or_else(|poisoned| poisoned.into_inner()));
        Self { claim, stack, aws, issuer, http }
    }

    /// The same stack, whose API is asked at another address.
    pub fn through(mut self, url: String) -> Self {
        self.stack.api_url = url;
        self
    }

    fn with(claim: Claim) -> Self {
        let stack = Stack::read();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let aws = Aws::new(http.clone(), &stack);
        let issuer = Issuer::read(&stack.issuer_key);
        Self { stack, aws, issuer, http, claim }
    }

    // --- The API, call by call -----------------------------------------------------------------------------------------

    /// A request to be completed, by a path such as `/v1/polls`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.stack.api_url))
    }

    /// Sends a request as it is written here, header by header, over a connection on which the answer can be read (or
    /// not). The API must speak HTTP without TLS.
    pub async fn send_raw(&self, method: &Method, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let (host, base) = self.stack.api_url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "{method} /{base}{path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut connection = TcpStream::connect(host).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        connection
    }

    /// GET without a token.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// POST of JSON with a token.
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).bearer_auth(token).json(body)).await
    }

    /// POST without a body, with a token.
    pub async fn post_without_body(&self, path: &str, token: &str) -> Answer {
        Answer::of(self.request(Method::POST, path).bearer_auth(token)).await
    }

    /// An account token of the local issuer.
    pub fn account(&self, subject: &str) -> String {
        self.account_with(subject, &json!({}))
    }

    /// An account token with these claims besides.
    pub fn account_with(&self, subject: &str, claims: &Value) -> String {
        let mut all = self.issuer.claims(subject);
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        self.issuer.sign(&all)
    }

    /// A token of a new device.
    pub async fn device(&self) -> String {
        let answer = Answer::of(self.request(Method::POST, "/v1/devices")).await;
        assert_eq!(answer.status, 201, "{answer}");
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// POST /v1/polls.
    pub async fn create_poll(&self, owner: &str, body: &Value) -> Answer {
        self.post("/v1/polls", owner, body).await
    }

    /// A new poll of nobody in particular; its id.
    pub async fn poll(&self, body: Value) -> String {
        self.poll_of(&self.account(&someone()), body).await
    }

    /// A new poll of an owner; its id.
    pub async fn poll_of(&self, owner: &str, body: Value) -> String {
        let answer = self.create_poll(owner, &body).await;
        assert_eq!(answer.status, 201, "{answer}");
        answer.json()["poll_id"].as_str().unwrap().to_owned()
    }

    /// GET /v1/polls/{poll_id}.
    pub async fn shown(&self, poll: &str) -> Value {
        let answer = self.get(&format!("/v1/polls/{poll}")).await;
        assert_eq!(answer.status, 200, "{answer}");
        answer.json()
    }

    /// PATCH /v1/polls/{poll_id} of the revision, as in If-Match.
    pub async fn change_poll(&self, poll: &str, owner: &str, revision: &str, body: &Value) -> Answer {
        let request = self.request(Method::PATCH, &format!("/v1/polls/{poll}")).bearer_auth(owner);
        Answer::of(request.header("If-Match", revision).json(body)).await
    }

    /// POST …/close.
    pub async fn close_poll(&self, poll: &str, owner: &str) -> Answer {
        self.post_without_body(&format!("/v1/polls/{poll}/close"), owner).await
    }

    /// A new poll of three options that takes one choice from anyone; its id.
    pub async fn single_choice_poll(&self) -> String {
        self.poll(json!({"question": "Best colour?", "options": ["Red", "Blue", "Green"]})).await
    }

    /// POST …/votes.
    pub async fn vote(&self, poll: &str, token: &str, choices: &[u64]) -> Answer {
        self.post(&format!("/v1/polls/{poll}/votes"), token, &json!({"choices": choices})).await
    }

    /// POST …/votes in a ranked poll.
    pub async fn rank(&self, poll: &str, token: &str, ranking: &[u64]) -> Answer {
        self.post(&format!("/v1/polls/{poll}/votes"), token, &json!({"ranking": ranking})).await
    }

    /// GET …/votes/mine.
    pub async fn my_vote(&self, poll: &str, token: &str) -> Answer {
        Answer::of(self.request(Method::GET, &format!("/v1/polls/{poll}/votes/mine")).bearer_auth(token)).await
    }

    /// DELETE …/votes/mine.
    pub async fn retract(&self, poll: &str, token: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, &format!("/v1/polls/{poll}/votes/mine")).bearer_auth(token)).await
    }

    /// GET …/results/mine.
    pub async fn my_results(&self, poll: &str, token: &str) -> Answer {
        Answer::of(self.request(Method::GET, &format!("/v1/polls/{poll}/results/mine")).bearer_auth(token)).await
    }

    /// GET …/results.
    pub async fn results(&self, poll: &str) -> Value {
        let answer = self.get(&format!("/v1/polls/{poll}/results")).await;
        assert_eq!(answer.status, 200, "{answer}");
        answer.json()
    }

    /// POST /v1/keys; the new key as it is answered, `key` included.
    pub async fn key(&self, owner: &str, role: &str) -> Value {
        let answer = self.post("/v1/keys", owner, &json!({"name": "The studio's server", "role": role})).await;
        assert_eq!(answer.status, 201, "{answer}");
        answer.json()
    }

    /// POST /v1/polls/{poll_id}/views; the new link as it is answered, `token` included.
    pub async fn view(&self, poll: &str, owner: &str) -> Value {
        let answer = self.post(&format!("/v1/polls/{poll}/views"), owner, &json!({})).await;
        assert_eq!(answer.status, 201, "{answer}");
        answer.json()
    }

    /// What the owners' authorizer says now about a token, past the gateway's memory of what it has said.
    pub async fn authorization(&self, token: &str) -> Value {
        self.ask_authorizer("authorizer-owners", token).await
    }

    /// What the voters' authorizer says now about a token.
    pub async fn voters_authorization(&self, token: &str) -> Value {
        self.ask_authorizer("authorizer", token).await
    }

    async fn ask_authorizer(&self, folder: &str, token: &str) -> Value {
        let event = json!({
            "type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:000000000000:a1b2c3/prod/GET/v1/polls",
            "headers": {"Authorization": format!("Bearer {token}")},
        });
        self.aws.invoke(&self.stack.function(folder), &event).await.unwrap()
    }

    /// What the audit log has of a tenant, in order: action, and the id of a key or link.
    pub async fn audited(&self, tenant: &str) -> Vec<(String, String)> {
        let table = self.stack.output("AuditTable");
        let items = self.aws.partition(table, ("tenant", tenant)).await;
        let rows = items.iter().filter(|item| item["item"]["S"].as_str().unwrap().starts_with("ROW#"));
        let entries = rows.map(|row| serde_json::from_str::<Value>(row["entry"]["S"].as_str().unwrap()).unwrap());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        entries.map(|entry| (text(&entry["action"]), text(&entry["key_id"]) + &text(&entry["view_id"]))).collect()
    }

    // --- Whole scenes --------------------------------------------------------------------------------------------------

    /// The results once that many ballots are counted. More than that is a failure at once.
    pub async fn results_settle_at(&self, poll: &str, ballots: u64) -> Value {
        eventually(&format!("{ballots} ballots"), async || {
            let results = self.results(poll).await;
            let counted = results["ballots"].as_u64().unwrap();
            assert!(counted <= ballots, "{counted} ballots of {ballots} votes: {results}");
            if counted == ballots { Ok(results) } else { Err(results.to_string()) }
        })
        .await
    }

    /// The results once they are a recount of the votes that are stored now, `as_of` included: where votes change,
    /// counts go down as well as up and lead back to what another process still remembers.
    pub async fn results_recounted(&self, poll: &str) -> Value {
        let votes = self.aws.votes_of(poll).await;
        eventually("recount", async || {
            let results = self.results(poll).await;
            let recount = Counts::of_votes(&votes, &results);
            if Counts::shown(&results) == recount { Ok(results) } else { Err(format!("{results}, not {recount:?}")) }
        })
        .await
    }

    /// New voters who vote for one option each, `CONNECTIONS` at a time; each must get a 201.
    pub async fn votes_for(&self, poll: &str, options: impl IntoIterator<Item = u64>) {
        let casts = options.into_iter().map(|option| async move {
            let answer = self.vote(poll, &self.account(&someone()), &[option]).await;
            assert_eq!(answer.status, 201, "{answer}");
        });
        stream::iter(casts).buffer_unordered(CONNECTIONS).collect::<()>().await;
    }

    /// Waits until all that was sent to a poll's only lane so far is counted: one more vote for option 0 follows it
    /// through the queue, whose groups keep their order. Fails unless the ballots are `before` then, and that one.
    pub async fn nothing_more_is_counted_than(&self, poll: &str, before: u64) -> Value {
        self.votes_for(poll, [0]).await;
        self.results_settle_at(poll, before + 1).await
    }

    /// Fails unless the results are a recount of the poll's vote items, option by option.
    pub async fn assert_recounted(&self, poll: &str, results: &Value) {
        let votes = self.aws.votes_of(poll).await;
        assert_eq!(Counts::shown(results), Counts::of_votes(&votes, results), "{results}");
    }

    /// Fails if anything of a poll lies in a dead-letter queue.
    pub async fn assert_no_dead_letter_of(&self, poll: &str) {
        self.aws.assert_no_letter(self.stack.output("TallyDlqUrl"), |letter| message_is_of(&letter.body, poll)).await;
        self.aws.assert_no_letter(self.stack.output("RelayDlqUrl"), |letter| letter.body.contains(poll)).await;
    }
}

/// A subject that no other test has.
pub fn someone() -> String {
    format!("someone-{:032x}", fastrand::u128(..))
}
