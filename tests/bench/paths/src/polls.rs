//! Changes of polls as the Polls table's stream has them.

use landslide_aws::clock;
use serde_json::{Value, json};

use crate::{cloud::rules, votes::POLL};

/// The most records of a batch.
pub const CHANGES: usize = 100;

/// An event of the polls' stream with that many edits of one poll, as Lambda hands it over.
pub fn changes_event(records: usize) -> Vec<u8> {
    let records: Vec<Value> = (1..=records).map(record).collect();
    serde_json::to_vec(&json!({ "Records": records })).unwrap()
}

fn record(number: usize) -> Value {
    json!({
        "eventID": format!("{number:032x}"), "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": clock::now().as_millis() / 1_000,
            "Keys": {"poll_id": {"S": POLL}, "item": {"S": "RULES"}},
            "OldImage": revision(number), "NewImage": revision(number + 1),
            "SequenceNumber": format!("{:024}", 4_000_000 + number), "SizeBytes": 1_207, "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/landslide-Polls-1A2B3C4D5E6F7/stream/2026-09-21T13:34:00.000",
    })
}

/// The item RULES at a revision, which says who wrote it.
fn revision(number: usize) -> Value {
    let stamp = json!({
        "action": "poll.edited", "author": {"kind": "account", "issuer": "https://id.example.org", "subject": "owner"},
        "at": clock::now(), "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
    });
    let mut rules = rules();
    rules["revision"] = json!({"N": number.to_string()});
    rules["options_revision"] = json!({"N": "1"});
    rules["peak_votes_per_second"] = json!({"N": (30_000 + number).to_string()});
    rules["stamp"] = json!({"S": stamp.to_string()});
    rules
}
