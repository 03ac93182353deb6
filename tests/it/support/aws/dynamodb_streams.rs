//! DynamoDB Streams: the records of the Votes table.

use serde_json::{Value, json};

use super::client::Aws;

/// Where someone is in the stream of the Votes table.
pub struct StreamReader {
    /// A shard's next page; null once it has ended.
    iterators: Vec<Value>,
}

impl Aws {
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
}
