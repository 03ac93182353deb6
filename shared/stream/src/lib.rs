//! Parses Lambda's events of the votes' stream: which records are votes, and what each changed.

use std::{borrow::Cow, collections::BTreeMap, str::FromStr};

use landslide_domain::keys::poll_of_partition;
use landslide_domain::{
    ballot::{Ballot, Field, Fields, SEE_BALLOT},
    change::{Change, VoteId},
    ids::VoterKey,
    lane::{LANES_MAX, LaneKey},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;

mod quick;

/// One stream batch: its votes, and its unreadable records whole.
#[derive(Debug, Default)]
pub struct StreamEvent {
    /// How many records it has.
    pub records: usize,
    /// What its votes changed, in their order.
    pub votes: Vec<(LaneKey, Change)>,
    /// The records that can't be read, and why.
    pub unreadable: Vec<(Box<RawValue>, UnreadableRecord)>,
}

impl StreamEvent {
    /// Parses an event. Fails only if it is not a stream event.
    pub fn read(event: &[u8]) -> Result<Self, serde_json::Error> {
        quick::read(event).map_or_else(|| Self::read_one_by_one(event), Ok)
    }

    fn read_one_by_one(event: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(rename = "Records", borrow)]
            records: Vec<&'a RawValue>,
        }
        serde_json::from_slice(event).map(|event: Event<'_>| event.records.into_iter().collect())
    }
}

impl<'a> FromIterator<&'a RawValue> for StreamEvent {
    fn from_iter<Records: IntoIterator<Item = &'a RawValue>>(records: Records) -> Self {
        let mut event = Self::default();
        for record in records {
            event.records += 1;
            match read_record(record) {
                Ok(vote) => event.votes.extend(vote),
                Err(error) => event.unreadable.push((record.to_owned(), error)),
            }
        }
        event
    }
}

/// Why a record is neither a vote nor certainly something else.
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

/// The attributes that counting needs; others are ignored. Nothing is copied from the record's text.
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
    choices: Option<Choices<'a>>,
    #[serde(borrow)]
    ballot: Option<Map<'a>>,
}

/// The attribute `choices`: a list of ids, or a text that says where the ballot is.
#[derive(Deserialize)]
enum Choices<'a> {
    #[serde(rename = "L", borrow)]
    List(Vec<Number<'a>>),
    #[serde(rename = "S", borrow)]
    Text(Cow<'a, str>),
}

/// A full ballot's map.
#[derive(Deserialize)]
struct Map<'a> {
    #[serde(rename = "M", borrow)]
    fields: BTreeMap<Cow<'a, str>, SomeField<'a>>,
}

/// A value of the map.
#[derive(Deserialize)]
enum SomeField<'a> {
    #[serde(rename = "N", borrow)]
    Number(Cow<'a, str>),
    #[serde(rename = "S", borrow)]
    Text(Cow<'a, str>),
    #[serde(rename = "L", borrow)]
    Numbers(Vec<Number<'a>>),
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

fn read_record(record: &RawValue) -> Result<Option<(LaneKey, Change)>, UnreadableRecord> {
    let record = serde_json::from_str(record.get());
    vote_of(record.map_err(|error| UnreadableRecord(format!("not a vote's record: {error}")))?)
}

/// What a record changed. Returns `None` if it is no vote: a removal (time to live, purge), or a change that leaves the
/// revision as it is.
fn vote_of(record: Record<'_>) -> Result<Option<(LaneKey, Change)>, UnreadableRecord> {
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
        from: old.as_ref().map_or(Ok(None), Image::ballot)?,
        to: new.ballot()?,
    };
    Ok(Some((new.lane_key()?, change)))
}

impl Number<'_> {
    fn read<T: FromStr>(&self, name: &str) -> Result<T, UnreadableRecord> {
        read_digits(&self.digits, name)
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

    fn ballot(&self) -> Result<Option<Ballot>, UnreadableRecord> {
        match (&self.choices, &self.ballot) {
            (None, _) => Ok(None),
            (Some(Choices::List(ids)), _) => {
                let ids = numbers(ids)?;
                let ballot = Ballot::of_options(&ids);
                ballot.map(Some).ok_or_else(|| UnreadableRecord(format!("choices are {ids:?}")))
            }
            (Some(Choices::Text(see)), Some(map)) if see == SEE_BALLOT => {
                let ballot = Ballot::read(map.fields()?);
                // What people write stays out of the reason.
                let unread = || UnreadableRecord("the ballot is none that this code knows".to_owned());
                ballot.map(Some).ok_or_else(unread)
            }
            (Some(Choices::Text(_)), _) => Err(UnreadableRecord("choices are no list".to_owned())),
        }
    }
}

impl<'a> Map<'a> {
    fn fields(&'a self) -> Result<Fields<'a>, UnreadableRecord> {
        let field = |(name, field): (&'a Cow<'a, str>, &'a SomeField<'a>)| {
            let field = match field {
                SomeField::Number(digits) => Field::Number(read_digits(digits, "a ballot's number")?),
                SomeField::Text(text) => Field::Text(Cow::Borrowed(text)),
                SomeField::Numbers(list) => Field::Numbers(numbers(list)?),
            };
            Ok((Cow::Borrowed(name.as_ref()), field))
        };
        self.fields.iter().map(field).collect()
    }
}

fn numbers<T: FromStr>(list: &[Number<'_>]) -> Result<Vec<T>, UnreadableRecord> {
    list.iter().map(|id| id.read("a choice")).collect()
}

fn read_digits<T: FromStr>(digits: &str, name: &str) -> Result<T, UnreadableRecord> {
    digits.parse().map_err(|_| UnreadableRecord(format!("{name} is {digits:?}")))
}

/// Shortens a record that is too long for a queue to what is needed to find it.
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
    use landslide_domain::{
        ballot::{Answer, Content, Segments},
        series::Slot,
    };
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

    fn choices(ids: &[u64]) -> Option<Ballot> {
        Ballot::of_options(ids)
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

    /// A vote with a number, a text and a list in its ballot.
    fn full_image() -> Value {
        let mut full = image(1, None);
        full["choices"] = json!({"S": "see ballot"});
        full["ballot"] = json!({"M": {
            "rules": {"N": "1"}, "text": {"S": "yes"}, "segments": {"L": [{"N": "2"}, {"N": "0"}]}, "slot": {"N": "7"},
        }});
        full
    }

    #[test]
    fn a_full_ballot_is_read_with_all_that_it_is_counted_by() {
        let insert = |image: Value| read(json!({"eventName": "INSERT", "dynamodb": {"NewImage": image}}));
        let (_, change) = insert(full_image()).unwrap().unwrap();
        let text = Content::Text(Answer::stored("yes").unwrap());
        let expected = Ballot::new(text, Segments::of_places(&[2, 0]).unwrap(), Slot::of_number(7));
        assert_eq!(change.to, Some(expected));
        for (name, value) in [
            ("rules", json!({"N": "2"})),
            ("rules", json!({"N": "one"})),
            ("weight", json!({"N": "2"})),
            ("text", json!({"BOOL": true})),
            ("ranking", json!({"L": [{"N": "2"}]})),
        ] {
            let mut other = full_image();
            other["ballot"]["M"][name] = value;
            assert!(insert(other.clone()).is_err(), "{other}");
        }
        let mut other = full_image();
        other["choices"] = json!({"S": "see below"});
        assert!(insert(other).is_err());
    }

    #[test]
    fn what_people_write_stays_out_of_the_reason_why_a_record_is_unreadable() {
        let mut other = full_image();
        other["ballot"]["M"]["text"] = json!({"S": "x".repeat(561)});
        let error = read(json!({"eventName": "INSERT", "dynamodb": {"NewImage": other}})).unwrap_err();
        assert_eq!(error.to_string(), "the ballot is none that this code knows");
    }

    /// Records in the stream's format.
    fn event() -> Value {
        let record = |name: &str, new: Value, old: Value| {
            json!({
                "eventID": "c9fbe7d0261a5163fcb6940593e41797", "eventName": name, "eventVersion": "1.1",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_790_000_000, "Keys": {"voter": image(1, None)["voter"]},
                    "NewImage": new, "OldImage": old, "SizeBytes": 207, "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
            })
        };
        let mut records = [
            record("INSERT", image(1, Some(&[1])), json!(null)),
            record("MODIFY", image(2, Some(&[0, 99])), image(1, Some(&[1]))),
            record("MODIFY", image(3, None), image(2, Some(&[0, 99]))),
            record("REMOVE", json!(null), image(3, None)),
            record("INSERT", full_image(), json!(null)),
        ];
        for record in &mut records {
            record["dynamodb"].as_object_mut().unwrap().retain(|_, image| !image.is_null());
        }
        json!({"Records": records})
    }

    /// An event's parts: how many records it has, its votes, and how many records can't be read.
    fn parts(event: StreamEvent) -> (usize, Vec<(LaneKey, Change)>, usize) {
        (event.records, event.votes, event.unreadable.len())
    }

    #[test]
    fn the_usual_form_is_read_in_one_pass() {
        for text in
            [event().to_string(), serde_json::to_string_pretty(&event()).unwrap(), r#"{"Records":[]}"#.to_owned()]
        {
            let event = quick::read(text.as_bytes()).map(parts);
            assert_eq!(event, StreamEvent::read_one_by_one(text.as_bytes()).map(parts).ok(), "{text}");
        }
        assert_eq!(quick::read(event().to_string().as_bytes()).unwrap().votes.len(), 4);
    }

    #[test]
    fn a_batch_of_which_some_can_not_be_read_is_read_whole() {
        let votes = StreamEvent::read(event().to_string().as_bytes()).unwrap().votes;
        let mut event = event();
        event["Records"][1]["dynamodb"]["NewImage"]["voter"]["S"] = json!("me");
        let event = StreamEvent::read(event.to_string().as_bytes()).unwrap();
        assert!(event.unreadable[0].0.get().contains(r#""voter":{"S":"me"}"#));
        assert_eq!(parts(event), (5, [&votes[..1], &votes[2..]].concat(), 1));
    }

    #[test]
    fn what_is_no_event_of_a_stream_is_an_error() {
        for text in ["", "null", "{}", "[]", r#"{"Records":{}}"#, r#"{"Records":[]}]"#, r#"{"Records":[{}"#] {
            assert!(StreamEvent::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    /// Overwrites some bytes in an event's text: anywhere, or before an object's first name.
    fn an_edit() -> impl Strategy<Value = (proptest::sample::Index, bool, usize, &'static [u8])> {
        const ANYWHERE: [&[u8]; 18] = [
            b"",
            b"\"",
            b"\\",
            b"\\u0041",
            b"\x01",
            b"\xff",
            "é".as_bytes(),
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b" \n",
            b"0",
            b"7",
            b"-1.5e3",
            b"null",
        ];
        const MEMBERS: [&[u8]; 12] = [
            b"\"eventName\":\"INSERT\",",
            b"\"dynamodb\":{},",
            b"\"NewImage\":{},",
            b"\"lane\":{\"N\":\"2\"},",
            b"\"S\":\"x\",",
            b"\"N\":\"3\",",
            b"\"L\":[],",
            b"\"Records\":[],",
            b"\"a\":[1.25,{\"b\":\"c\"},[],{}] ,",
            b"\"a\":01,",
            b"\"a\":[[[[[[[[[[]]]]]]]]]],",
            b"\"choices\":{\"L\":[]},",
        ];
        let anywhere =
            (any::<proptest::sample::Index>(), Just(false), 0usize..4, proptest::sample::select(&ANYWHERE[..]));
        let members = (any::<proptest::sample::Index>(), Just(true), Just(0), proptest::sample::select(&MEMBERS[..]));
        prop_oneof![anywhere, members]
    }

    fn edited(mut text: Vec<u8>, edits: Vec<(proptest::sample::Index, bool, usize, &[u8])>) -> Vec<u8> {
        for (index, in_object, over, written) in edits {
            let places: Vec<usize> =
                (0..=text.len()).filter(|place| !in_object || *place > 0 && text[place - 1] == b'{').collect();
            let place = places[index.index(places.len().max(1))];
            text.splice(place..(place + over).min(text.len()), written.iter().copied());
        }
        text
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn what_is_read_in_one_pass_is_what_is_read_record_by_record(
            pretty in any::<bool>(), edits in proptest::collection::vec(an_edit(), 0..3),
        ) {
            let text = if pretty { serde_json::to_vec_pretty(&event()) } else { serde_json::to_vec(&event()) };
            let text = edited(text.unwrap(), edits);
            if let Some(event) = quick::read(&text) {
                prop_assert_eq!(parts(event), parts(StreamEvent::read_one_by_one(&text).unwrap()));
            }
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
