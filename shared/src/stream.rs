//! The votes' stream as Lambda hands it over: which records are votes, and what each changed.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    domain::{
        change::{Change, VoteId},
        choices::Choices,
        ids::VoterKey,
        lane::{LANES_MAX, LaneKey},
        time::Timestamp,
    },
    store::poll_of_partition,
};

/// An event of the votes' stream: records as they came, so that one that can't be read can be passed on whole.
#[derive(Debug, Deserialize)]
pub struct StreamEvent {
    /// The records' JSON.
    #[serde(rename = "Records")]
    pub records: Vec<Box<RawValue>>,
}

/// Why a record is neither a vote nor safely none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnreadableRecord(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow)]
    event_name: Cow<'a, str>,
    #[serde(default, borrow)]
    dynamodb: Images<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Images<'a> {
    #[serde(borrow)]
    new_image: Option<Image<'a>>,
    #[serde(borrow)]
    old_image: Option<Image<'a>>,
}

/// The attributes that counting needs; others may come and go. Nothing is copied out of the record's text.
#[derive(Deserialize)]
struct Image<'a> {
    #[serde(borrow)]
    poll_partition: Text<'a>,
    #[serde(borrow)]
    voter: Text<'a>,
    #[serde(borrow)]
    revision: Number<'a>,
    #[serde(borrow)]
    cast_at: Number<'a>,
    #[serde(borrow)]
    lane: Number<'a>,
    #[serde(borrow)]
    choices: Option<List<'a>>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(rename = "S", borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Number<'a> {
    #[serde(rename = "N", borrow)]
    digits: Cow<'a, str>,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(rename = "L", borrow)]
    numbers: Vec<Number<'a>>,
}

/// What a record changed; `None` for one that is no vote: a removal (time to live, purge), or a change of other
/// attributes than the vote's, under which the revision stays.
pub fn read_record(record: &RawValue) -> Result<Option<(LaneKey, Change)>, UnreadableRecord> {
    let record: Record<'_> = serde_json::from_str(record.get())
        .map_err(|error| UnreadableRecord(format!("not a vote's record: {error}")))?;
    let (new, old) = match record.event_name.as_ref() {
        "REMOVE" => return Ok(None),
        "INSERT" | "MODIFY" => (record.dynamodb.new_image, record.dynamodb.old_image),
        other => return Err(UnreadableRecord(format!("unknown event {other:?}"))),
    };
    let new = new.ok_or_else(|| UnreadableRecord("no new image".to_owned()))?;
    let revision = new.revision.read("revision")?;
    let former: u32 = old.as_ref().map_or(Ok(0), |old| old.revision.read("revision"))?;
    if revision <= former {
        return Ok(None);
    }
    let change = Change {
        id: VoteId::new(&new.voter()?, revision),
        cast_at: new.cast_at()?,
        from: old.as_ref().map_or(Ok(None), Image::choices)?,
        to: new.choices()?,
    };
    Ok(Some((new.lane_key()?, change)))
}

impl Number<'_> {
    fn read<T: std::str::FromStr>(&self, name: &str) -> Result<T, UnreadableRecord> {
        self.digits.parse().map_err(|_| UnreadableRecord(format!("{name} is {:?}", self.digits)))
    }
}

impl Image<'_> {
    fn voter(&self) -> Result<VoterKey, UnreadableRecord> {
        VoterKey::parse(&self.voter.text).ok_or_else(|| UnreadableRecord(format!("voter is {:?}", self.voter.text)))
    }

    fn cast_at(&self) -> Result<Timestamp, UnreadableRecord> {
        let millis = self.cast_at.read("cast_at")?;
        Timestamp::from_millis(millis).ok_or_else(|| UnreadableRecord(format!("cast_at is {millis}")))
    }

    fn lane_key(&self) -> Result<LaneKey, UnreadableRecord> {
        let key = &self.poll_partition.text;
        let poll = poll_of_partition(key).ok_or_else(|| UnreadableRecord(format!("poll_partition is {key:?}")))?;
        let lane = self.lane.read("lane")?;
        if lane < LANES_MAX { Ok(LaneKey { poll, lane }) } else { Err(UnreadableRecord(format!("lane is {lane}"))) }
    }

    fn choices(&self) -> Result<Option<Choices>, UnreadableRecord> {
        let Some(list) = &self.choices else { return Ok(None) };
        let ids: Vec<u64> = list.numbers.iter().map(|id| id.read("a choice")).collect::<Result<_, _>>()?;
        let choices = Choices::of_ids(&ids);
        choices.map(Some).ok_or_else(|| UnreadableRecord(format!("choices are {ids:?}")))
    }
}

/// What a record that is too long for a queue is shortened to: enough to find it.
pub fn outline(record: &RawValue) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Place {
        keys: Option<Box<RawValue>>,
        sequence_number: Option<String>,
    }
    #[derive(Deserialize)]
    struct Outline {
        dynamodb: Option<Place>,
    }
    let place = serde_json::from_str::<Outline>(record.get()).ok().and_then(|outline| outline.dynamodb);
    let keys = place.as_ref().and_then(|place| place.keys.clone());
    let sequence_number = place.and_then(|place| place.sequence_number);
    serde_json::json!({"too_long": record.get().len(), "keys": keys, "sequence_number": sequence_number}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn image(revision: u32, choices: Option<&[u8]>) -> Value {
        let mut image = json!({
            "poll_partition": {"S": "poll#1ff"}, "voter": {"S": "000102030405060708090a0b0c0d0e0f"},
            "revision": {"N": revision.to_string()}, "cast_at": {"N": "1790000000000"}, "lane": {"N": "3"},
            "nonce": {"N": "7"},
        });
        if let Some(choices) = choices {
            image["choices"] = json!({"L": choices.iter().map(|id| json!({"N": id.to_string()})).collect::<Vec<_>>()});
        }
        image
    }

    fn read(record: Value) -> Result<Option<(LaneKey, Change)>, UnreadableRecord> {
        read_record(&serde_json::value::to_raw_value(&record).unwrap())
    }

    fn choices(ids: &[u64]) -> Option<Choices> {
        Choices::of_ids(ids)
    }

    #[test]
    fn a_first_vote_comes_from_nothing() {
        let (lane, change) =
            read(json!({"eventName": "INSERT", "dynamodb": {"NewImage": image(1, Some(&[1]))}})).unwrap().unwrap();
        assert_eq!(lane.to_string(), "poll#3");
        assert_eq!((change.from, change.to), (None, choices(&[1])));
        assert_eq!(change.cast_at.as_millis(), 1_790_000_000_000);
    }

    #[test]
    fn a_changed_vote_comes_from_the_one_before_and_a_retracted_one_goes_to_nothing() {
        let record = |new, old| json!({"eventName": "MODIFY", "dynamodb": {"NewImage": new, "OldImage": old}});
        let (_, changed) = read(record(image(2, Some(&[0, 2])), image(1, Some(&[1])))).unwrap().unwrap();
        assert_eq!((changed.from, changed.to), (choices(&[1]), choices(&[0, 2])));
        let (_, retracted) = read(record(image(3, None), image(2, Some(&[0, 2])))).unwrap().unwrap();
        assert_eq!((retracted.from, retracted.to), (choices(&[0, 2]), None));
    }

    #[test]
    fn what_is_no_vote_is_dropped() {
        let time_to_live = json!({
            "eventName": "REMOVE", "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
            "dynamodb": {"Keys": {}, "OldImage": image(1, Some(&[1]))},
        });
        assert_eq!(read(time_to_live), Ok(None));
        assert_eq!(read(json!({"eventName": "REMOVE", "dynamodb": {"OldImage": image(1, Some(&[1]))}})), Ok(None));
        let mut expiring = image(1, Some(&[1]));
        expiring["expires_at"] = json!({"N": "1800000000"});
        let other_attribute =
            json!({"eventName": "MODIFY", "dynamodb": {"NewImage": expiring, "OldImage": image(1, Some(&[1]))}});
        assert_eq!(read(other_attribute), Ok(None));
    }

    #[test]
    fn what_can_not_be_read_is_an_error() {
        let insert = |image: Value| json!({"eventName": "INSERT", "dynamodb": {"NewImage": image}});
        let with = |name: &str, value: Value| {
            let mut image = image(1, Some(&[1]));
            image[name] = value;
            insert(image)
        };
        for record in [
            json!(7),
            json!({}),
            json!({"eventName": "INSERT", "dynamodb": {}}),
            json!({"eventName": "TRUNCATE", "dynamodb": {"NewImage": image(1, Some(&[1]))}}),
            with("voter", json!({"S": "me"})),
            with("lane", json!({"N": "32"})),
            with("lane", json!({"S": "1"})),
            with("revision", json!({"N": "-1"})),
            with("cast_at", json!({"N": "1e99"})),
            with("poll_partition", json!({"S": "poll"})),
            with("choices", json!({"L": []})),
            with("choices", json!({"L": [{"N": "100"}]})),
        ] {
            assert!(read(record.clone()).is_err(), "{record}");
        }
    }

    proptest! {
        #[test]
        fn no_record_makes_the_reader_panic(text in "\\PC{0,80}", name in "[A-Za-z]{1,12}", number in "[-+0-9.eE]{0,30}") {
            if let Ok(record) = RawValue::from_string(text) {
                drop(read_record(&record));
                drop(outline(&record));
            }
            let mut odd = image(1, Some(&[1]));
            odd[name] = json!({"N": number});
            drop(read(json!({"eventName": "INSERT", "dynamodb": {"NewImage": odd}})));
        }
    }
}
