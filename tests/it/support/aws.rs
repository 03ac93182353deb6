//! What lies behind the API: tables, queues, functions and roles, by signed calls in AWS's own JSON. The same JSON
//! makes stream records of items, and no SDK has to be built for each service.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use http::HeaderMap;
use landslide_aws::{
    sdk::{https_client, sdk_config_over},
    store::{PollStore, TallyStore, VoteStore},
};
use landslide_cli::signing::Signer;
use landslide_domain::time::Timestamp;
use serde_json::{Value, json};

use super::{Stack, eventually, gate, now_ms};

/// The most messages that a queue gives at once (SQS).
const RECEIVE_MAX: u32 = 10;
/// For how long a dead letter that a test looked at is hidden from other tests, in seconds.
const LOOK_SECONDS: u32 = 1;
/// The pause between two looks, in which letters that were looked at come to sight again.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// How many times a dead-letter queue is looked through for what must not be there.
const LOOKS_MAX: u32 = 30;
/// After how long a letter that another look hid has come to sight again, with a margin.
const HIDDEN_MAX: Duration = Duration::from_millis(LOOK_SECONDS as u64 * 1_000 + 500);
/// For how long a letter is looked for that should not be there, at most.
const LOOKING_MAX: Duration = Duration::from_secs(6);

/// The stack's cloud.
pub struct Aws {
    http: reqwest::Client,
    credentials: Credentials,
    endpoint: Option<String>,
    region: String,
    polls: String,
    votes: String,
    tallies: String,
}

/// A vote as it is stored.
#[derive(Debug)]
pub struct StoredVote {
    /// The voter's key, in hex.
    pub voter: String,
    /// What was chosen; nothing once it is taken back.
    pub choices: Vec<u64>,
    /// 1 for a first vote.
    pub revision: u64,
    /// When it was cast.
    pub cast_at: Timestamp,
    /// Which lane counts it.
    pub lane: u64,
    /// The item, in DynamoDB's JSON.
    pub item: Value,
}

/// A message of a dead-letter queue.
#[derive(Debug)]
pub struct Letter {
    /// Its text.
    pub body: String,
    /// Why it lies there.
    pub reason: String,
    /// Its FIFO group; empty in a standard queue.
    pub group: String,
    id: String,
    handle: String,
}

/// Where someone is in the stream of the Votes table.
pub struct StreamReader {
    /// A shard's next page; null once it has ended.
    iterators: Vec<Value>,
}

/// What a function failed with.
#[derive(Debug)]
pub struct FunctionError(#[expect(dead_code, reason = "shown by Debug where a test fails")] pub Value);

impl Aws {
    /// The cloud of a stack, with the credentials of the environment (a local cloud's by default).
    pub fn new(http: reqwest::Client, stack: &Stack) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let credentials = Credentials::new(
            variable("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "test".to_owned()),
            variable("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| "test".to_owned()),
            variable("AWS_SESSION_TOKEN"),
            None,
            "tests",
        );
        let table = |output: &str| stack.output(output).to_owned();
        Self {
            http,
            credentials,
            endpoint: stack.endpoint_url.clone(),
            region: stack.region.clone(),
            polls: table("PollsTable"),
            votes: table("VotesTable"),
            tallies: table("TalliesTable"),
        }
    }

    /// The same cloud for whoever has these credentials, as a function's environment holds them.
    pub fn with_credentials_of(&self, environment: &HashMap<String, String>) -> Self {
        let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
        let key = variable("AWS_ACCESS_KEY_ID").unwrap();
        let secret = variable("AWS_SECRET_ACCESS_KEY").unwrap();
        let credentials = Credentials::new(key, secret, variable("AWS_SESSION_TOKEN"), None, "function");
        Self {
            http: self.http.clone(),
            credentials,
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            polls: self.polls.clone(),
            votes: self.votes.clone(),
            tallies: self.tallies.clone(),
        }
    }

    /// The votes as the product stores them.
    pub fn vote_store(&self) -> VoteStore {
        VoteStore::new(&self.sdk_config(), self.votes.clone())
    }

    /// The polls as the product stores them.
    pub fn poll_store(&self) -> PollStore {
        PollStore::new(&self.sdk_config(), self.polls.clone())
    }

    /// The tallies as the product stores them.
    pub fn tally_store(&self) -> TallyStore {
        TallyStore::new(&self.sdk_config(), self.tallies.clone())
    }

    /// The product's own settings of its clients, with these credentials.
    fn sdk_config(&self) -> aws_types::SdkConfig {
        let settings = sdk_config_over(https_client(), self.region.clone(), self.endpoint.clone(), Duration::ZERO);
        let credentials = SharedCredentialsProvider::new(self.credentials.clone());
        settings.to_builder().credentials_provider(credentials).build()
    }

    /// These credentials as a function's environment holds them.
    pub fn credentials_as_environment(&self) -> [(&'static str, String); 3] {
        [
            ("AWS_ACCESS_KEY_ID", self.credentials.access_key_id().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.credentials.secret_access_key().to_owned()),
            ("AWS_SESSION_TOKEN", self.credentials.session_token().unwrap_or_default().to_owned()),
        ]
    }

    // --- Tables --------------------------------------------------------------------------------------------------------

    /// All votes of a poll, read consistently.
    pub async fn votes_of(&self, poll: &str) -> Vec<StoredVote> {
        let mut votes = Vec::new();
        let mut from = Value::Null;
        loop {
            let mut scan = json!({
                "TableName": self.votes, "ConsistentRead": true,
                "FilterExpression": "begins_with(poll_partition, :poll)",
                "ExpressionAttributeValues": {":poll": {"S": format!("{poll}#")}},
            });
            if !from.is_null() {
                scan["ExclusiveStartKey"] = from;
            }
            let mut page = self.dynamodb("Scan", &scan).await;
            let Value::Array(items) = page["Items"].take() else { panic!("no items in {page}") };
            votes.extend(items.into_iter().map(StoredVote::of));
            from = page["LastEvaluatedKey"].take();
            if from.is_null() {
                return votes;
            }
        }
    }

    /// Puts an item into the Votes table, vote or not.
    pub async fn put_vote_item(&self, item: &Value) {
        self.dynamodb("PutItem", &json!({"TableName": self.votes, "Item": item})).await;
    }

    /// Marks a vote to expire, as happens when its poll has closed.
    pub async fn expire_vote(&self, vote: &StoredVote, at_ms: u64) {
        let update = json!({
            "TableName": self.votes, "Key": vote.key(), "UpdateExpression": "SET expires_at = :at",
            "ExpressionAttributeValues": {":at": {"N": (at_ms / 1_000).to_string()}},
        });
        self.dynamodb("UpdateItem", &update).await;
    }

    /// Has the cloud remove all items whose time to live is over (`expiry-on-request`).
    pub async fn remove_expired(&self) {
        let url = format!("{}/_aws/dynamodb/expired", self.endpoint.as_deref().unwrap_or_default());
        self.http.delete(url).send().await.unwrap().error_for_status().unwrap();
    }

    /// Deletes a vote's item.
    pub async fn delete_vote(&self, vote: &StoredVote) {
        self.dynamodb("DeleteItem", &json!({"TableName": self.votes, "Key": vote.key()})).await;
    }

    /// How many polls an owner has: `https://issuer subject`.
    pub async fn polls_of(&self, owner: &str) -> u64 {
        let query = json!({
            "TableName": self.polls, "IndexName": "by-owner", "KeyConditionExpression": "#owner = :owner",
            "ExpressionAttributeNames": {"#owner": "owner"}, "ExpressionAttributeValues": {":owner": {"S": owner}},
        });
        self.dynamodb("Query", &query).await["Count"].as_u64().unwrap()
    }

    /// An item of the Polls table.
    pub async fn poll_item(&self, poll: &str, item: &str) -> Value {
        let key = json!({"poll_id": {"S": poll}, "item": {"S": item}});
        self.dynamodb("GetItem", &json!({"TableName": self.polls, "Key": key, "ConsistentRead": true})).await["Item"]
            .take()
    }

    /// Gives a poll more lanes, as a lane that is too hot does.
    pub async fn set_lanes(&self, poll: &str, lanes: u64) {
        let update = json!({
            "TableName": self.polls, "Key": {"poll_id": {"S": poll}, "item": {"S": "RULES"}},
            "UpdateExpression": "SET lanes = :lanes",
            "ExpressionAttributeValues": {":lanes": {"N": lanes.to_string()}},
        });
        self.dynamodb("UpdateItem", &update).await;
    }

    /// Says of a poll that it closed so many milliseconds ago.
    pub async fn set_closed_ago(&self, poll: &str, millis: u64) {
        let update = json!({
            "TableName": self.polls, "Key": {"poll_id": {"S": poll}, "item": {"S": "RULES"}},
            "UpdateExpression": "SET closes_at = :at",
            "ExpressionAttributeValues": {":at": {"N": (now_ms() - millis).to_string()}},
        });
        self.dynamodb("UpdateItem", &update).await;
    }

    /// HEAD or COUNT of a lane, read consistently; null if it is not there.
    pub async fn tally(&self, poll: &str, lane: u64, item: &str) -> Value {
        let read = json!({"TableName": self.tallies, "Key": tally_key(poll, lane, item), "ConsistentRead": true});
        self.dynamodb("GetItem", &read).await["Item"].take()
    }

    /// Deletes an item of the Tallies table.
    pub async fn delete_tally(&self, poll: &str, lane: u64, item: &str) {
        self.dynamodb("DeleteItem", &json!({"TableName": self.tallies, "Key": tally_key(poll, lane, item)})).await;
    }

    /// The refusal of a tally item that is put as it is; none if it was taken.
    pub async fn refusal_of_tally_item(&self, item: &Value) -> Option<String> {
        let put = json!({"TableName": self.tallies, "Item": item});
        self.try_json("dynamodb", "DynamoDB_20120810.PutItem", &put).await.err()
    }

    /// How many SEEN rows of a lane the first page of a query holds, and whether others follow.
    pub async fn first_page_of_seen(&self, lane: &str) -> (u64, bool) {
        let query = json!({
            "TableName": self.tallies, "ConsistentRead": true, "Select": "COUNT",
            "KeyConditionExpression": "poll_lane = :lane AND begins_with(#item, :seen)",
            "ExpressionAttributeNames": {"#item": "item"},
            "ExpressionAttributeValues": {":lane": {"S": lane}, ":seen": {"S": "SEEN#"}},
        });
        let page = self.dynamodb("Query", &query).await;
        (page["Count"].as_u64().unwrap(), page["LastEvaluatedKey"].is_object())
    }

    /// All records of a poll's votes that the stream of the Votes table holds, each shard's in its order.
    pub async fn stream_records_of(&self, poll: &str) -> Vec<Value> {
        let mut reader = self.stream_reader("TRIM_HORIZON").await;
        let mut records = self.next_records(&mut reader).await;
        let prefix = format!("{poll}#");
        let key = |record: &Value| record["dynamodb"]["Keys"]["poll_partition"]["S"].as_str().unwrap().to_owned();
        records.retain(|record| key(record).starts_with(&prefix));
        records
    }

    /// A reader of the Votes table's stream, from `TRIM_HORIZON` (all that it holds) or `LATEST` (what comes from now on).
    pub async fn stream_reader(&self, from: &str) -> StreamReader {
        let stream = self.table(&self.votes).await["LatestStreamArn"].take();
        let described = self.streams("DescribeStream", &json!({"StreamArn": stream})).await;
        let mut iterators = Vec::new();
        for shard in described["StreamDescription"]["Shards"].as_array().unwrap() {
            let start = json!({"StreamArn": stream, "ShardId": shard["ShardId"], "ShardIteratorType": from});
            iterators.push(self.streams("GetShardIterator", &start).await["ShardIterator"].take());
        }
        StreamReader { iterators }
    }

    /// Records that a reader has not read yet, each shard's in its order.
    pub async fn next_records(&self, reader: &mut StreamReader) -> Vec<Value> {
        let mut records = Vec::new();
        for iterator in &mut reader.iterators {
            while iterator.is_string() {
                let mut page = self.streams("GetRecords", &json!({"ShardIterator": iterator})).await;
                let Value::Array(found) = page["Records"].take() else { panic!("no records in {page}") };
                *iterator = page["NextShardIterator"].take();
                if found.is_empty() {
                    break;
                }
                records.extend(found);
            }
        }
        records
    }

    async fn streams(&self, operation: &str, body: &Value) -> Value {
        self.json("dynamodb", &format!("DynamoDBStreams_20120810.{operation}"), body).await
    }

    /// A table's description.
    pub async fn table(&self, name: &str) -> Value {
        self.dynamodb("DescribeTable", &json!({"TableName": name})).await["Table"].take()
    }

    async fn dynamodb(&self, operation: &str, body: &Value) -> Value {
        self.json("dynamodb", &format!("DynamoDB_20120810.{operation}"), body).await
    }

    // --- Queues --------------------------------------------------------------------------------------------------------

    /// Sends a text to a FIFO queue, under a deduplication id of its own.
    pub async fn send(&self, queue: &str, group: &str, body: &str) {
        let id = format!("{:032x}", fastrand::u128(..));
        let message =
            json!({"QueueUrl": queue, "MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": id});
        self.sqs("SendMessage", &message).await;
    }

    /// Sends a text to a queue without groups.
    pub async fn send_alone(&self, queue: &str, body: &str) {
        self.sqs("SendMessage", &json!({"QueueUrl": queue, "MessageBody": body})).await;
    }

    /// Takes the dead letter that fits out of its queue, once it is there.
    pub async fn take_letter(&self, queue: &str, fits: impl Fn(&Letter) -> bool) -> Letter {
        let letter = eventually("dead letter", async || {
            let letters = self.look_at(queue).await;
            let seen = format!("{letters:?}");
            letters.into_iter().find(|letter| fits(letter)).ok_or(seen)
        })
        .await;
        self.sqs("DeleteMessage", &json!({"QueueUrl": queue, "ReceiptHandle": letter.handle})).await;
        letter
    }

    /// Fails if a dead-letter queue holds a letter that fits. An empty look proves nothing: another test's look hides letters
    /// for a second, and SQS may miss some. So it goes on for longer than that, and until it has seen as many as there are.
    pub async fn assert_no_letter(&self, queue: &str, fits: impl Fn(&Letter) -> bool) {
        let started = Instant::now();
        let mut seen = HashSet::new();
        while started.elapsed() < LOOKING_MAX {
            let letters = self.look_at(queue).await;
            if let Some(letter) = letters.iter().find(|letter| fits(letter)) {
                panic!("dead letter: {letter:?}");
            }
            seen.extend(letters.into_iter().map(|letter| letter.id));
            match self.messages_in(queue).await {
                0 => return,
                there if started.elapsed() > HIDDEN_MAX && seen.len() as u64 >= there => return,
                _ => tokio::time::sleep(LOOK_PAUSE).await,
            }
        }
    }

    /// Takes all dead letters that fit out of their queue.
    pub async fn take_letters(&self, queue: &str, fits: impl Fn(&Letter) -> bool) -> Vec<Letter> {
        let mut taken = Vec::new();
        let mut looks = 0;
        while looks < LOOKS_MAX && self.messages_in(queue).await > 0 {
            looks += 1;
            for letter in self.look_at(queue).await {
                if fits(&letter) {
                    self.sqs("DeleteMessage", &json!({"QueueUrl": queue, "ReceiptHandle": letter.handle})).await;
                    taken.push(letter);
                    looks = 0;
                }
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        taken
    }

    async fn look_at(&self, queue: &str) -> Vec<Letter> {
        let receive = json!({
            "QueueUrl": queue, "MaxNumberOfMessages": RECEIVE_MAX, "VisibilityTimeout": LOOK_SECONDS,
            "MessageAttributeNames": ["All"], "AttributeNames": ["MessageGroupId"],
        });
        let answer = self.sqs("ReceiveMessage", &receive).await;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let letter = |message: &Value| Letter {
            body: text(&message["Body"]),
            reason: text(&message["MessageAttributes"]["reason"]["StringValue"]),
            group: text(&message["Attributes"]["MessageGroupId"]),
            id: text(&message["MessageId"]),
            handle: text(&message["ReceiptHandle"]),
        };
        messages.iter().map(letter).collect()
    }

    /// A queue's ARN.
    pub async fn queue_arn(&self, queue: &str) -> String {
        self.queue_attribute(queue, "QueueArn").await
    }

    /// One of a queue's attributes.
    pub async fn queue_attribute(&self, queue: &str, name: &str) -> String {
        let read = json!({"QueueUrl": queue, "AttributeNames": [name]});
        self.sqs("GetQueueAttributes", &read).await["Attributes"][name].as_str().unwrap().to_owned()
    }

    /// How many messages a queue holds, hidden ones too.
    pub async fn messages_in(&self, queue: &str) -> u64 {
        let counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let read = json!({"QueueUrl": queue, "AttributeNames": counts});
        let answer = self.sqs("GetQueueAttributes", &read).await;
        counts.iter().map(|name| answer["Attributes"][name].as_str().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Sets attributes of a queue.
    pub async fn set_queue_attributes(&self, queue: &str, attributes: &Value) {
        self.sqs("SetQueueAttributes", &json!({"QueueUrl": queue, "Attributes": attributes})).await;
    }

    async fn sqs(&self, operation: &str, body: &Value) -> Value {
        self.json("sqs", &format!("AmazonSQS.{operation}"), body).await
    }

    // --- Buckets -------------------------------------------------------------------------------------------------------

    /// The names of all buckets.
    pub async fn buckets(&self) -> Vec<String> {
        let (_, answer) = self.call("s3", "GET", "/", &[], String::new()).await;
        answer.split("<Name>").skip(1).map(|bucket| until_tag(bucket).to_owned()).collect()
    }

    /// The keys of a bucket's objects.
    pub async fn objects(&self, bucket: &str) -> Vec<String> {
        let (_, listed) = self.call("s3", "GET", &format!("/{bucket}?list-type=2"), &[], String::new()).await;
        listed.split("<Key>").skip(1).map(|key| until_tag(key).to_owned()).collect()
    }

    /// An object's JSON.
    pub async fn object(&self, bucket: &str, key: &str) -> Value {
        let (_, object) = self.call("s3", "GET", &format!("/{bucket}/{key}"), &[], String::new()).await;
        serde_json::from_str(&object).unwrap()
    }

    /// Writes an object.
    pub async fn put_object(&self, bucket: &str, key: &str, text: String) {
        self.call("s3", "PUT", &format!("/{bucket}/{key}"), &[], text).await;
    }

    /// Deletes an object.
    pub async fn delete_object(&self, bucket: &str, key: &str) {
        self.call("s3", "DELETE", &format!("/{bucket}/{key}"), &[], String::new()).await;
    }

    // --- Functions --------------------------------------------------------------------------------------------------------

    /// Calls a function with an event; what it answers.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, FunctionError> {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let (headers, answer) = self.call("lambda", "POST", &path, &[], event.to_string()).await;
        let answer = serde_json::from_str(&answer).unwrap_or(Value::String(answer));
        if headers.contains_key("x-amz-function-error") { Err(FunctionError(answer)) } else { Ok(answer) }
    }

    /// A function's settings.
    pub async fn function(&self, function: &str) -> Value {
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let (_, answer) = self.call("lambda", "GET", &path, &[], String::new()).await;
        serde_json::from_str(&answer).unwrap()
    }

    /// The variables of a function's environment.
    pub async fn variables(&self, function: &str) -> Value {
        self.function(function).await["Environment"]["Variables"].take()
    }

    /// Gives a function other variables, all of them, and waits until it has them.
    pub async fn set_variables(&self, function: &str, variables: &Value) {
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let body = json!({"Environment": {"Variables": variables}});
        self.call("lambda", "PUT", &path, &[("content-type", "application/json")], body.to_string()).await;
        eventually("update of the function", async || {
            let settings = self.function(function).await;
            if settings["LastUpdateStatus"] == "InProgress" { Err(settings.to_string()) } else { Ok(()) }
        })
        .await;
    }

    /// Sets how often a failed batch of a function's stream is tried again; -1: without end.
    pub async fn set_stream_retries(&self, function: &str, retries: i64) {
        self.set_event_source(function, &json!({"MaximumRetryAttempts": retries}), "Enabled").await;
    }

    /// Lets a function get events from its queue or stream, or none.
    pub async fn enable_event_source(&self, function: &str, enabled: bool) {
        let state = if enabled { "Enabled" } else { "Disabled" };
        self.set_event_source(function, &json!({"Enabled": enabled}), state).await;
    }

    /// Changes a function's event source mapping, and waits until it has that state.
    async fn set_event_source(&self, function: &str, change: &Value, state: &str) {
        let path = "/2015-03-31/event-source-mappings/";
        let (_, answer) =
            self.call("lambda", "GET", &format!("{path}?FunctionName={function}"), &[], String::new()).await;
        let listed: Value = serde_json::from_str(&answer).unwrap();
        let mapping =
            listed["EventSourceMappings"][0]["UUID"].as_str().unwrap_or_else(|| panic!("{listed}")).to_owned();
        let headers = [("content-type", "application/json")];
        self.call("lambda", "PUT", &format!("{path}{mapping}"), &headers, change.to_string()).await;
        eventually("state of the mapping", async || {
            let (_, answer) = self.call("lambda", "GET", &format!("{path}{mapping}"), &[], String::new()).await;
            let mapping: Value = serde_json::from_str(&answer).unwrap();
            if mapping["State"] == state { Ok(()) } else { Err(mapping.to_string()) }
        })
        .await;
    }

    // --- Throttles and roles --------------------------------------------------------------------------------------------

    /// What a method of the API sustains: its throttle's rate and burst, or those of all methods.
    pub async fn throttle(&self, api: &str, method: &str) -> (String, String) {
        let (_, answer) =
            self.call("apigateway", "GET", &format!("/restapis/{api}/stages/prod"), &[], String::new()).await;
        let stage: Value = serde_json::from_str(&answer).unwrap();
        let settings = &stage["methodSettings"];
        // On AWS a key has the path escaped, on MiniStack plain.
        let keys = [&escaped(method)[1..], method, "*/*"];
        let settings = keys.iter().map(|key| &settings[*key]).find(|found| found.is_object());
        let settings = settings.unwrap_or_else(|| panic!("no throttle of {method} in {stage}"));
        (settings["throttlingRateLimit"].to_string(), settings["throttlingBurstLimit"].to_string())
    }

    /// Sets a method's throttle; `method` as in `v1/devices/POST`.
    pub async fn set_throttle(&self, api: &str, method: &str, (rate, burst): (&str, &str)) {
        let of = |name: &str| format!("{}/throttling/{name}", escaped(method));
        let body = json!({"patchOperations": [
            {"op": "replace", "path": of("rateLimit"), "value": rate},
            {"op": "replace", "path": of("burstLimit"), "value": burst},
        ]});
        let headers = [("content-type", "application/json")];
        self.call("apigateway", "PATCH", &format!("/restapis/{api}/stages/prod"), &headers, body.to_string()).await;
    }

    /// Which of the actions a role's policies allow on a resource, by IAM's policy simulator.
    pub async fn allowed(&self, role_arn: &str, resource_arn: &str, actions: &[&str]) -> Vec<String> {
        let mut form = vec![
            ("Action".to_owned(), "SimulatePrincipalPolicy"),
            ("Version".to_owned(), "2010-05-08"),
            ("PolicySourceArn".to_owned(), role_arn),
            ("ResourceArns.member.1".to_owned(), resource_arn),
        ];
        form.extend((1..).zip(actions).map(|(n, action)| (format!("ActionNames.member.{n}"), *action)));
        let form: Vec<String> = form
            .iter()
            .map(|(name, value)| {
                format!("{name}={}", value.replace(':', "%3A").replace('/', "%2F").replace('*', "%2A"))
            })
            .collect();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let (_, answer) = self.call("iam", "POST", "/", &headers, form.join("&")).await;
        let results: Vec<(&str, &str)> = answer
            .split("<EvalActionName>")
            .skip(1)
            .map(|result| (until_tag(result), until_tag(result.split_once("<EvalDecision>").unwrap().1)))
            .collect();
        assert_eq!(results.len(), actions.len(), "{answer}");
        results
            .into_iter()
            .filter(|(_, decision)| *decision == "allowed")
            .map(|(action, _)| action.to_owned())
            .collect()
    }

    // --- Secrets ----------------------------------------------------------------------------------------------------------

    /// A secret's text.
    pub async fn secret(&self, id: &str) -> String {
        let secret = self.json("secretsmanager", "secretsmanager.GetSecretValue", &json!({"SecretId": id})).await;
        secret["SecretString"].as_str().unwrap().to_owned()
    }

    /// Gives a secret another text.
    pub async fn set_secret(&self, id: &str, text: &str) {
        let token = format!("{:032x}", fastrand::u128(..)); // which an SDK would draw
        let body = json!({"SecretId": id, "SecretString": text, "ClientRequestToken": token});
        self.json("secretsmanager", "secretsmanager.PutSecretValue", &body).await;
    }

    // --- Signed calls -----------------------------------------------------------------------------------------------------

    async fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        self.try_json(service, target, body).await.unwrap_or_else(|refusal| panic!("{target}: {refusal}"))
    }

    /// A call of a service that speaks JSON; else its refusal.
    pub async fn try_json(&self, service: &str, target: &str, body: &Value) -> Result<Value, String> {
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)];
        let (_, answer) = self.try_call(service, "POST", "/", &headers, body.to_string()).await?;
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() })
    }

    /// A call that must succeed.
    async fn call(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> (HeaderMap, String) {
        self.try_call(service, method, path, headers, body).await.unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// One call, signed (Signature Version 4); else its refusal.
    pub async fn try_call(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<(HeaderMap, String), String> {
        let host = match (&self.endpoint, service) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, "iam") => "https://iam.amazonaws.com".to_owned(),
            (None, _) => format!("https://{service}.{}.amazonaws.com", self.region),
        };
        let url = format!("{host}{path}");
        let mut request = http::Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let signer = Signer::new(self.credentials.clone(), self.region.clone());
        let request = signer.sign(service, request.body(body).unwrap()).unwrap();
        let _turn = gate::pass().await;
        let response = self.http.execute(request.try_into().unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = response.text().await.unwrap();
        if status.is_success() { Ok((headers, answer)) } else { Err(format!("{service} {path}: {status} {answer}")) }
    }
}

impl StoredVote {
    fn key(&self) -> Value {
        json!({"poll_partition": self.item["poll_partition"], "voter": self.item["voter"]})
    }

    fn of(item: Value) -> Self {
        let number = |value: &Value| value["N"].as_str().unwrap().parse::<u64>().unwrap();
        Self {
            voter: item["voter"]["S"].as_str().unwrap().to_owned(),
            choices: item["choices"]["L"].as_array().into_iter().flatten().map(number).collect(),
            revision: number(&item["revision"]),
            cast_at: Timestamp::from_millis(number(&item["cast_at"])).unwrap(),
            lane: number(&item["lane"]),
            item,
        }
    }
}

/// A method in a patch operation's path: `/~1v1~1devices/POST` of `v1/devices/POST`.
fn escaped(method: &str) -> String {
    let (path, verb) = method.rsplit_once('/').unwrap();
    format!("/~1{}/{verb}", path.replace('/', "~1"))
}

fn until_tag(text: &str) -> &str {
    text.split('<').next().unwrap()
}

fn tally_key(poll: &str, lane: u64, item: &str) -> Value {
    json!({"poll_lane": {"S": format!("{poll}#{lane}")}, "item": {"S": item}})
}
