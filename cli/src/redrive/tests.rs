use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use landslide_domain::ballot::Ballot;
use landslide_domain::change::{Change, VoteId};
use landslide_domain::ids::{PollId, VoterKey};
use landslide_domain::lane::LaneKey;
use serde_json::json;

use super::*;

fn body(ages_ms: &[u64], now: Timestamp) -> String {
    let change = |age: &u64| Change {
        id: VoteId::new(&VoterKey::from_bytes([1; 16]), 1),
        cast_at: Timestamp::from_millis(now.as_millis() - age).unwrap(),
        from: None,
        to: Ballot::of_bits(1),
    };
    let lane = LaneKey { poll: PollId::parse("p").unwrap(), lane: 3 };
    Message { lane, changes: ages_ms.iter().map(change).collect() }.encode()
}

#[test]
fn what_can_not_be_counted_stays_a_dead_letter() {
    let now = Timestamp::from_millis(1_790_000_000_000).unwrap();
    let why = |body: &str, group: &str| readable(body, group, now).unwrap_err();
    assert!(readable(&body(&[0], now), "p#3", now).is_ok());
    assert!(readable(&body(&[COUNTABLE_AGE_MS + 1, 0], now), "p#3", now).is_ok(), "the young one counts");
    assert!(why(&body(&[COUNTABLE_AGE_MS + 1], now), "p#3").starts_with("it is too old"));
    assert!(why(&body(&[0], now), "p#2").starts_with("its lane is not"));
    assert!(why("this is no message", "p#3").starts_with("malformed"));
}

#[test]
fn rankings_and_their_retractions_return_to_the_queue() {
    let now = Timestamp::from_millis(1_790_000_000_000).unwrap();
    let lane = LaneKey { poll: PollId::parse("p").unwrap(), lane: 3 };
    let id = |revision| VoteId::new(&VoterKey::from_bytes([1; 16]), revision);
    let ranking = Ballot::of_ranking(&[2, 0]);
    let changes = vec![
        Change { id: id(1), cast_at: now, from: None, to: ranking.clone() },
        Change { id: id(2), cast_at: now, from: ranking, to: None },
    ];
    let body = Message { lane, changes }.encode();
    assert_eq!(BASE64_STANDARD_NO_PAD.decode(&body).unwrap()[0], 2, "the layout's version");
    assert_eq!(readable(&body, "p#3", now), Ok(()));
    let cut = BASE64_STANDARD_NO_PAD.encode(&BASE64_STANDARD_NO_PAD.decode(&body).unwrap()[..40]);
    assert!(readable(&cut, "p#3", now).unwrap_err().starts_with("malformed"));
}

#[test]
fn a_ranking_that_an_earlier_relay_could_not_read_is_relayed() {
    let record = |rules: &str| {
        json!({"eventName": "INSERT", "dynamodb": {"NewImage": {
            "poll_partition": {"S": "p#007"}, "voter": {"S": "07".repeat(16)}, "revision": {"N": "1"},
            "cast_at": {"N": "1790000000000"}, "lane": {"N": "3"}, "choices": {"S": "see ballot"},
            "ballot": {"M": {"rules": {"N": rules}, "ranking": {"L": [{"N": "2"}, {"N": "0"}]}}},
        }}})
    };
    let Ok(Batch::Votes(event)) = read_letter(&record("1").to_string()) else { panic!("no vote") };
    assert_eq!(event.votes[0].1.to, Ballot::of_ranking(&[2, 0]));
    assert!(read_letter(&record("2").to_string()).is_err(), "rules that only a later release knows");
}

#[test]
fn a_record_that_can_be_read_now_goes_to_the_relay_as_it_came() {
    let record = r#"{"eventName": "REMOVE", "dynamodb": {}}"#;
    assert_eq!(read_letter(record).unwrap().records(), 1);
    for body in ["", "{}", r#"{"too_long": 7}"#, r#"{"eventName": "INSERT", "dynamodb": {}}"#] {
        assert!(read_letter(body).is_err(), "{body}");
    }
}
