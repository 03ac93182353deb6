//! Tables, a stream and queues as far as votes and counts need them, for the code of both releases.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use landslide_aws::{
    store::{PollStore, VoteStore},
    testing::{Answer, Call, VirtualClock, stub},
};
use landslide_counting::{
    relay::{Folded, StreamEvent},
    tallies::{Tallies, TallyLimits},
};
use landslide_domain::{
    ballot::SentBallot,
    message::Message,
    poll::Poll,
    recount::recount,
    runs::{RUN_LIMITS, RunLimits},
    tally::Counters,
    testing::{account, at, poll_asked_for},
};
use landslide_service::votes::{Votes, Wish};
use serde_json::{Value, json};

use crate::ballots::{Ballot, History, new};

/// More bytes of entries than any test has: all stay in HEAD.
pub const IN_HEAD: RunLimits = RunLimits { near_bytes_max: 1 << 20, ..RUN_LIMITS };

/// Runs what a test waits for.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A record of the votes' stream, and whether a part of it is more than choices.
#[derive(Clone, Debug)]
pub struct Record {
    pub text: String,
    pub is_new: bool,
}

/// The stream's records of these votes, cast by the code of now, and the counters of those that stand in the end.
pub fn cast_all(histories: &[History]) -> (Vec<Record>, Counters) {
    let cast = histories.iter().enumerate().map(|(voter, history)| cast(voter, history));
    let (records, standing): (Vec<_>, Vec<_>) = cast.unzip();
    (records.concat(), recount(standing.into_iter().flatten()))
}

/// The stream's records of one voter's votes, and the one that stands in the end.
pub fn cast(voter: usize, history: &History) -> (Vec<Record>, Option<landslide_domain::ballot::Ballot>) {
    let (mut records, mut stored, mut stands) = (Vec::new(), None, None);
    let (mut before, new) = (None, new());
    for ballot in history {
        let text = vote(&format!("voter {voter}"), ballot.as_ref(), &mut stored, &mut stands);
        let is_new = [before, ballot.as_ref()].into_iter().flatten().any(|part| new.contains(part));
        records.push(Record { text, is_new });
        before = ballot.as_ref();
    }
    (records, stands)
}

/// Lets a voter cast or retract. Returns the stream's record of it.
fn vote(
    voter: &str,
    ballot: Option<&Ballot>,
    stored: &mut Option<Value>,
    stands: &mut Option<landslide_domain::ballot::Ballot>,
) -> String {
    let settings = ballot.map_or(json!({}), |ballot| ballot.settings.clone());
    let poll = poll(&settings);
    let wish = ballot.map_or(Wish::Retract, |ballot| {
        Wish::Cast(serde_json::from_value::<SentBallot>(ballot.vote.clone()).unwrap(), None)
    });
    let rules = rules_item(&poll);
    let votes = Arc::new(Mutex::new(stored.clone()));
    let table = votes.clone();
    let (aws, _) = stub(move |call, _| match call.body["TableName"].as_str() {
        Some("polls") => Answer::Ok(json!({"Item": rules})),
        _ => votes_answer(call, &mut table.lock().unwrap()),
    });
    let stores = (PollStore::new(&aws, "polls".to_owned()), VoteStore::new(&aws, "votes".to_owned()));
    let voting = Votes::over(stores.0, stores.1, VirtualClock::new(at(10)));
    let standing = run(voting.submit(&poll.rules.settings.poll_id, &account(voter), None, &wish)).unwrap();
    let new = votes.lock().unwrap().clone();
    let name = if stored.is_some() { "MODIFY" } else { "INSERT" };
    let mut images = json!({"SequenceNumber": "1", "NewImage": new, "Keys": {"voter": new.as_ref().unwrap()["voter"]}});
    if let Some(old) = stored.take() {
        images["OldImage"] = old;
    }
    (*stored, *stands) = (new, standing.vote.ballot);
    json!({"eventID": "1", "eventName": name, "eventSource": "aws:dynamodb", "dynamodb": images}).to_string()
}

fn poll(settings: &Value) -> Poll {
    let mut body = json!({"question": "Which?", "options": ["a", "b", "c"], "vote_change": "until_close"});
    body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    // A poll of texts has no options.
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    poll_asked_for(body, at(0)).unwrap()
}

/// The item with a poll's rules, as it is stored.
fn rules_item(poll: &Poll) -> Value {
    let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
    run(PollStore::new(&aws, "polls".to_owned()).create(poll, &[])).unwrap();
    calls.all()[0].body["TransactItems"][0]["Put"]["Item"].clone()
}

/// The Votes table's answer, with one voter's vote.
fn votes_answer(call: &Call, stored: &mut Option<Value>) -> Answer {
    match (call.operation.as_str(), &stored) {
        ("GetItem", _) => Answer::Ok(json!({"Item": stored})),
        ("PutItem", Some(stored)) if call.body["ConditionExpression"].as_str().unwrap().contains("not_exists") => {
            Answer::condition_failed(stored.clone())
        }
        _ => {
            *stored = Some(call.body["Item"].clone());
            Answer::Ok(json!({}))
        }
    }
}

/// An event of the stream with these records.
pub fn event<'a>(records: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    format!("{{\"Records\":[{}]}}", records.into_iter().collect::<Vec<_>>().join(",")).into_bytes()
}

/// Messages that the relay of now makes of records, of which it must be able to read each.
pub fn relayed<'a>(records: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let folded = Folded::of(StreamEvent::read(&event(records)).unwrap());
    assert!(folded.unreadable.is_empty(), "{:?}", folded.unreadable.iter().map(|letter| &letter.body));
    folded.messages.into_iter().map(|message| message.body).collect()
}

/// The Tallies table with one lane's HEAD, and queues that take everything.
#[derive(Clone, Default)]
pub struct Lane(Arc<Mutex<BTreeMap<String, Value>>>);

impl Lane {
    /// The body of a good answer to a call of AWS.
    pub fn answer(&self, operation: &str, body: &Value) -> Value {
        let mut items = self.0.lock().unwrap();
        let key = |item: &Value| item["item"]["S"].as_str().unwrap_or_default().to_owned();
        match (operation, body["Entries"].as_array()) {
            ("GetItem", _) => items.get(&key(&body["Key"])).map_or(json!({}), |item| json!({"Item": item})),
            ("PutItem", _) => {
                items.insert(key(&body["Item"]), body["Item"].clone());
                json!({})
            }
            (_, Some(entries)) => {
                let taken = |entry: &Value| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"});
                json!({"Successful": entries.iter().map(taken).collect::<Vec<_>>(), "Failed": []})
            }
            _ => json!({}),
        }
    }

    /// Counts messages by the code of now.
    pub fn count(&self, bodies: &[String], runs: RunLimits) {
        let lane = self.clone();
        let (aws, _) = stub(move |call, _| Answer::Ok(lane.answer(&call.operation, &call.body)));
        let store = landslide_aws::store::TallyStore::new(&aws, "tallies".to_owned());
        let limits = TallyLimits { runs, ..TallyLimits::remembering(1 << 20) };
        let tallies = Tallies::new(store, limits, VirtualClock::new(at(20)));
        for body in bodies {
            let message = Message::decode(body).unwrap();
            run(tallies.apply(&message.lane, &message.changes)).unwrap();
        }
    }

    /// HEAD's counters and entries, without what tells when, in which order and by how many writes they were counted.
    pub fn sums(&self) -> Value {
        let mut head = self.0.lock().unwrap()["HEAD"].clone();
        let told =
            |name: &String, value: &Value| ["version", "as_of", "recent"].contains(&name.as_str()) || value["N"] == "0";
        head.as_object_mut().unwrap().retain(|name, value| !told(name, value));
        head
    }
}
