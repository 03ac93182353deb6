use landslide_domain::ballot::Ballot;
use landslide_domain::change::{Change, VoteId};
use landslide_domain::ids::{PollId, VoterKey};
use landslide_domain::lane::LaneKey;

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
fn a_record_that_can_be_read_now_goes_to_the_relay_as_it_came() {
    let record = r#"{"eventName": "REMOVE", "dynamodb": {}}"#;
    assert_eq!(read_letter(record).unwrap().records(), 1);
    for body in ["", "{}", r#"{"too_long": 7}"#, r#"{"eventName": "INSERT", "dynamodb": {}}"#] {
        assert!(read_letter(body).is_err(), "{body}");
    }
}
