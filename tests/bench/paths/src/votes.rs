//! Votes in all forms that they take on their way: stream records, changes, ids that are counted.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use fastrand::Rng;
use landslide_aws::clock;
pub use landslide_ballots::ballot as ranking;
use landslide_ballots::segmented::Said;
use landslide_domain::{
    ballot::{Ballot, Field, Ranking, SEE_BALLOT},
    change::{Change, VoteId},
    entries::{Entries, EntriesBuilder, PerSet},
    ids::{PollId, VoterKey},
    lane::{LaneKey, Partitions},
    message::Message,
    runs::{Kept, LaneEntries, RUN_LIMITS, Run, RunName},
    series::Slot,
    tally::{Count, Counters, Head, Minute, Seen},
    time::Timestamp,
};
use serde_json::{Map, Value, json};

/// The poll that everybody votes in, with an id as `create-poll` makes them.
pub const POLL: &str = "Zk3bq0v9TnqY1xW2uR7a5g";
/// How many options it has.
pub const OPTIONS: u8 = 4;
/// A poll in which everybody ranks options.
pub const RANKED_POLL: &str = "Rk3bq0v9TnqY1xW2uR7a5g";
/// How many it has.
pub const RANKABLE: u8 = landslide_ballots::OPTIONS as u8;
/// A poll in which everybody chooses one option, counted by dimensions and by minutes.
pub const SEGMENTED_POLL: &str = "Sk3bq0v9TnqY1xW2uR7a5g";
/// How many lanes count it.
pub const LANES: u8 = 4;
/// Records of a batch of the stream: about as many as the 6 MB of an event hold.
pub const BATCH_RECORDS: usize = 6_000;
/// Votes that are counted in one go, and that HEAD holds of the last time: half of the most.
pub const FLUSH_VOTES: usize = 4_000;
/// The most votes of a lane in a minute: 8,000 a second.
pub const MINUTE_VOTES: usize = 480_000;
/// Ballots, distinct rankings, options and ranks of Minneapolis's mayoral election of 2013.
pub const RANKED_BALLOTS: u64 = 80_101;
const RANKINGS: usize = 7_084;
/// The same election's options.
pub const RANKED_OPTIONS: u8 = 36;
const RANKS: usize = 3;
/// A minute in which votes are cast.
const MINUTE: u64 = 1_790_000_040_000;
/// So that each run has the same votes.
const SEED: u64 = 7;

/// A lane of the poll.
pub fn lane(number: u8) -> LaneKey {
    LaneKey { poll: PollId::parse(POLL).unwrap(), lane: number }
}

fn random_id(random: &mut Rng) -> VoteId {
    VoteId::new(&VoterKey::from_bytes(random.u128(..).to_be_bytes()), 1)
}

/// Draws what a voter says.
pub type Draw = fn(&mut Rng) -> Ballot;

/// One of the poll's options.
pub fn choice(random: &mut Rng) -> Ballot {
    Ballot::of_options(&[random.u64(..u64::from(OPTIONS))]).unwrap()
}

/// One of the options, by a voter of some group in each dimension.
pub fn segmented(random: &mut Rng) -> Ballot {
    Said::draw(random).ballot(Slot::of_number(700).unwrap())
}

/// First votes, cast within a minute.
pub fn changes(count: usize, seed: u64, draw: Draw) -> Vec<Change> {
    changes_of(minute(), count, seed, draw)
}

fn minute() -> Timestamp {
    Timestamp::from_millis(MINUTE).unwrap()
}

fn changes_of(minute: Timestamp, count: usize, seed: u64, draw: Draw) -> Vec<Change> {
    let mut random = Rng::with_seed(seed);
    let change = |_| Change {
        id: random_id(&mut random),
        cast_at: minute.plus_millis(random.u64(..60_000)),
        from: None,
        to: Some(draw(&mut random)),
    };
    (0..count).map(change).collect()
}

/// An event of the votes' stream with that many first votes, as Lambda hands it over.
pub fn stream_event(records: usize, draw: Draw) -> Vec<u8> {
    let records: Vec<Value> = (0..).zip(changes(records, SEED, draw)).map(record).collect();
    serde_json::to_vec(&json!({ "Records": records })).unwrap()
}

fn record((number, change): (u64, Change)) -> Value {
    let voter = change.id.voter();
    let partition = Partitions::Few.of(&voter);
    let keys = json!({"poll_partition": {"S": format!("{POLL}#{partition}")}, "voter": {"S": voter.to_string()}});
    let cast_at = change.cast_at.as_millis();
    let mut image = json!({
        "poll_partition": keys["poll_partition"], "voter": keys["voter"], "revision": {"N": "1"},
        "cast_at": {"N": cast_at.to_string()}, "lane": {"N": partition.lane(LANES).to_string()},
        "nonce": {"N": "3141592653"},
    });
    let list = |ids: &mut dyn Iterator<Item = i64>| ids.map(|id| json!({"N": id.to_string()})).collect::<Vec<_>>();
    match change.to.unwrap() {
        Ballot::Choices(choices) => image["choices"] = json!({"L": list(&mut choices.iter().map(i64::from))}),
        Ballot::Full(full) => {
            let field = |(name, field): (Cow<'_, str>, Field<'_>)| match field {
                Field::Number(number) => (name.into_owned(), json!({"N": number.to_string()})),
                Field::Text(text) => (name.into_owned(), json!({"S": text})),
                Field::Numbers(numbers) => (name.into_owned(), json!({"L": list(&mut numbers.into_iter())})),
            };
            image["choices"] = json!({"S": SEE_BALLOT});
            image["ballot"] = json!({"M": full.fields().into_iter().map(field).collect::<Map<_, _>>()});
        }
    }
    json!({
        "eventID": format!("{number:032x}"), "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": cast_at / 1_000,
            "Keys": keys,
            "NewImage": image,
            "SequenceNumber": format!("{:024}", 4_000_000 + number), "SizeBytes": 207, "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/landslide-Votes-1A2B3C4D5E6F7/stream/2026-09-21T13:34:00.000",
    })
}

/// A message of these votes.
pub fn message(changes: Vec<Change>) -> Message {
    Message { lane: lane(0), changes }
}

/// An event of the tally queue with a message of that many first votes of one lane, cast just now.
pub fn queue_event(votes: usize, draw: Draw) -> Vec<u8> {
    let message = message(changes_of(clock::now().minute(), votes, SEED, draw));
    let group = message.lane.to_string();
    let record = json!({
        "messageId": "19dd0b57-b21e-4ac1-bd88-01bbb068cb78", "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a".repeat(10),
        "body": message.encode(),
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": "1790000040000", "SequenceNumber": "18849496460467696128",
            "MessageGroupId": group, "SenderId": "AIDAIO23YVJENQZJOL4VO", "MessageDeduplicationId": "0".repeat(64),
            "ApproximateFirstReceiveTimestamp": "1790000040001",
        },
        "messageAttributes": {}, "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3", "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:landslide-TallyQueue.fifo", "awsRegion": "us-east-1",
    });
    serde_json::to_vec(&json!({ "Records": [record] })).unwrap()
}

/// A lane that has counted that many votes: HEAD with those of the last flush, and the ids of all before, minute by
/// minute, as a process remembers them.
pub fn counted(votes: usize) -> (Head, Seen) {
    let mut random = Rng::with_seed(SEED + 1);
    let newest = Minute::of(minute());
    let mut seen = Seen::new();
    for (minutes_ago, first) in (0..).zip((0..votes).step_by(MINUTE_VOTES)) {
        let start = Timestamp::from_millis(MINUTE - minutes_ago * 60_000).unwrap();
        let ids = (first..votes.min(first + MINUTE_VOTES)).map(|_| random_id(&mut random)).collect();
        seen.insert(Minute::of(start), Arc::new(ids));
    }
    let recent = (0..FLUSH_VOTES).map(|_| random_id(&mut random)).collect();
    let Count { version, as_of, counters, entries } = count(votes as i64);
    let head = Head { version, as_of, counters, entries, recent: [(newest, recent)].into(), sealed: false };
    (head, seen)
}

/// The entries of a lane whose votes are like this one: as many runs as may wait to be merged.
pub fn entries(vote: &Ballot) -> LaneEntries {
    let name = |version| RunName { version, attempt: SEED };
    let run = |version| Run { name: name(version), level: 0, chunks: 1, bytes: 20_000, missed: 0 };
    let runs: Vec<Run> = (1..=RUN_LIMITS.runs_of_a_level_max as u64).map(run).collect();
    let mut of_vote = PerSet::<EntriesBuilder>::default();
    of_vote.add_ballot(vote, 1);
    let kept = |is_empty| Kept { runs: if is_empty { Vec::new() } else { runs.clone() }, ..Kept::default() };
    LaneEntries { kept: of_vote.build().map(|_, entries| kept(entries.is_empty())), ..LaneEntries::default() }
}

/// As many counted ids as a full lane has in a minute.
pub fn full_minute() -> Vec<VoteId> {
    let mut random = Rng::with_seed(SEED + 2);
    (0..MINUTE_VOTES).map(|_| random_id(&mut random)).collect()
}

/// What readers see of a lane that has counted that many votes.
pub fn count(votes: i64) -> Count {
    let options = (0..OPTIONS).map(|id| (format!("o{id}"), votes / i64::from(OPTIONS)));
    Count {
        version: 42,
        as_of: Some(minute()),
        counters: Counters::from_entries(options.chain([("ballots".to_owned(), votes)])),
        entries: LaneEntries::default(),
    }
}

/// Rankings with their ballots, distributed as in real elections: few options and few rankings have most of them.
pub fn rankings() -> Entries {
    let mut rng = Rng::with_seed(2013);
    let mut skewed = |places: usize, power: i32| ((rng.f64().powi(power) * places as f64) as usize).min(places - 1);
    let mut distinct = HashSet::new();
    let mut rankings = Vec::new();
    while rankings.len() < RANKINGS {
        let mut ids = Vec::new();
        for _ in 0..=skewed(RANKS, 1) {
            let id = skewed(RANKED_OPTIONS.into(), 2) as u64;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let ranking = Ranking::of_ids(&ids).unwrap();
        if distinct.insert(ranking) {
            rankings.push(ranking);
        }
    }
    let mut entries = EntriesBuilder::default();
    rankings.iter().for_each(|ranking| entries.add_ranking(ranking.as_slice(), 1));
    for _ in RANKINGS as u64..RANKED_BALLOTS {
        entries.add_ranking(rankings[skewed(RANKINGS, 4)].as_slice(), 1);
    }
    entries.build()
}
