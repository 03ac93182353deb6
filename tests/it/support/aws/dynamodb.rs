//! DynamoDB: the items of polls, votes and tallies.

use futures_util::{StreamExt, stream};
use landslide_domain::time::Timestamp;
use serde_json::{Value, json};

use super::client::Aws;
use crate::support::time::now_ms;

/// The most items of a batch (DynamoDB).
const BATCH_MAX: usize = 25;
/// How many batches are written at once.
const BATCHES_AT_ONCE: usize = 8;

/// A vote as it is stored.
#[derive(Debug)]
pub struct StoredVote {
    /// The voter's key, in hex.
    pub voter: String,
    /// What was chosen. Empty once the vote is retracted.
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

impl Aws {
    /// All items of a partition, by the names of table and partition key.
    pub async fn partition(&self, table: &str, (key, value): (&str, &str)) -> Vec<Value> {
        let query = json!({
            "TableName": table, "ConsistentRead": true, "KeyConditionExpression": "#key = :value",
            "ExpressionAttributeNames": {"#key": key}, "ExpressionAttributeValues": {":value": {"S": value}},
        });
        let mut page = self.dynamodb("Query", &query).await;
        assert!(page["LastEvaluatedKey"].is_null(), "more than a page: {page}");
        let Value::Array(items) = page["Items"].take() else { panic!("no items in {page}") };
        items
    }

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

    /// Puts that many items into the Votes table, past all functions.
    pub async fn put_vote_items(&self, items: &[Value]) {
        let batches = items.chunks(BATCH_MAX).map(|batch| async {
            let puts: Vec<Value> = batch.iter().map(|item| json!({"PutRequest": {"Item": item}})).collect();
            let answer = self.dynamodb("BatchWriteItem", &json!({"RequestItems": {&self.votes: puts}})).await;
            assert!(answer["UnprocessedItems"].as_object().is_none_or(|left| left.is_empty()), "{answer}");
        });
        stream::iter(batches).buffer_unordered(BATCHES_AT_ONCE).collect::<()>().await;
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

    /// Deletes a poll's item.
    pub async fn delete_poll_item(&self, poll: &str, item: &str) {
        let key = json!({"poll_id": {"S": poll}, "item": {"S": item}});
        self.dynamodb("DeleteItem", &json!({"TableName": self.polls, "Key": key})).await;
    }

    /// Sets an attribute of a poll's item to a text.
    pub async fn set_poll_attribute(&self, poll: &str, item: &str, name: &str, text: &str) {
        let update = json!({
            "TableName": self.polls, "Key": {"poll_id": {"S": poll}, "item": {"S": item}},
            "UpdateExpression": "SET #name = :text", "ExpressionAttributeNames": {"#name": name},
            "ExpressionAttributeValues": {":text": {"S": text}},
        });
        self.dynamodb("UpdateItem", &update).await;
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

    /// Sets a poll's closing time to `millis` milliseconds ago.
    pub async fn set_closed_ago(&self, poll: &str, millis: u64) {
        let update = json!({
            "TableName": self.polls, "Key": {"poll_id": {"S": poll}, "item": {"S": "RULES"}},
            "UpdateExpression": "SET closes_at = :at",
            "ExpressionAttributeValues": {":at": {"N": (now_ms() - millis).to_string()}},
        });
        self.dynamodb("UpdateItem", &update).await;
    }

    /// Gives a tenant limits of its own, before any process has read them.
    pub async fn set_limits(&self, tenant: &str, limits: &[(&str, u32)]) {
        let mut item = json!({"scope": {"S": tenant}, "item": {"S": "LIMITS"}});
        for (name, limit) in limits {
            item[name] = json!({"N": limit.to_string()});
        }
        self.dynamodb("PutItem", &json!({"TableName": self.tenants, "Item": item})).await;
    }

    /// What a tenant has used today, as it is stored.
    pub async fn day_of(&self, tenant: &str) -> Value {
        let today = Timestamp::from_millis(now_ms()).unwrap().day();
        let key = json!({"scope": {"S": tenant}, "item": {"S": format!("DAY#{today}")}});
        let get = json!({"TableName": self.tenants, "Key": key, "ConsistentRead": true});
        self.dynamodb("GetItem", &get).await["Item"].take()
    }

    /// The entries of a tenant's audit log, from the first on; one page.
    pub async fn log_of(&self, tenant: &str) -> Vec<Value> {
        let query = json!({
            "TableName": self.audit, "ConsistentRead": true,
            "KeyConditionExpression": "tenant = :tenant AND begins_with(#item, :row)",
            "ExpressionAttributeNames": {"#item": "item"},
            "ExpressionAttributeValues": {":tenant": {"S": tenant}, ":row": {"S": "ROW#"}},
        });
        let page = self.dynamodb("Query", &query).await;
        let entries = page["Items"].as_array().unwrap().iter().map(|row| row["entry"]["S"].as_str().unwrap());
        entries.map(|entry| serde_json::from_str(entry).unwrap()).collect()
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

    /// A row of a tenant's audit log; null if it is not there.
    pub async fn audit_row(&self, tenant: &str, number: u64) -> Value {
        let key = json!({"tenant": {"S": tenant}, "item": {"S": format!("ROW#{number:015}")}});
        let read = json!({"TableName": self.audit, "Key": key, "ConsistentRead": true});
        self.dynamodb("GetItem", &read).await["Item"].take()
    }

    /// Writes a row over what is there.
    pub async fn put_audit_row(&self, row: &Value) {
        self.dynamodb("PutItem", &json!({"TableName": self.audit, "Item": row})).await;
    }

    /// Deletes a row.
    pub async fn delete_audit_row(&self, row: &Value) {
        let key = json!({"tenant": row["tenant"], "item": row["item"]});
        self.dynamodb("DeleteItem", &json!({"TableName": self.audit, "Key": key})).await;
    }

    /// A table's description.
    pub async fn table(&self, name: &str) -> Value {
        self.dynamodb("DescribeTable", &json!({"TableName": name})).await["Table"].take()
    }

    async fn dynamodb(&self, operation: &str, body: &Value) -> Value {
        self.json("dynamodb", &format!("DynamoDB_20120810.{operation}"), body).await
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

fn tally_key(poll: &str, lane: u64, item: &str) -> Value {
    json!({"poll_lane": {"S": format!("{poll}#{lane}")}, "item": {"S": item}})
}
