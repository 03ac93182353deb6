//! Parses Lambda's events of the Polls table's stream: which records are new revisions of polls.

use std::collections::{BTreeSet, HashMap};

use landslide_aws::store::{Labels, PollImage};
use landslide_domain::{audit::PollChange, ids::PollId, keys, poll::Rules};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

/// The most bytes in a record that is kept whole. Queues take a little more.
const LETTER_BYTES_MAX: usize = 1024 * 1024 - 32 * 1024;
/// What never leaves the tables and their stream.
const SECRETS: [&str; 3] = ["salt", "lot_seed", "request_hash"];
/// What stands in a letter instead of a secret: 32 zeros, with which a redrive can read it.
const NO_SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// One stream batch: the new revisions of polls, and its unreadable records.
#[derive(Default)]
pub struct ChangeEvent {
    /// How many records it has.
    pub records: usize,
    /// The polls of its records, each once: also those that were deleted, whose counts became final or got more lanes.
    pub polls: BTreeSet<PollId>,
    revisions: Vec<Revision>,
    /// By poll, and by the revision that wrote them.
    labels: HashMap<(PollId, u64), LabelsOfRevision>,
    /// The records that can't be read, without their secrets, and why.
    pub unreadable: Vec<(String, UnreadableRecord)>,
}

/// A poll's rules before and after.
struct Revision {
    before: Option<Box<Rules>>,
    after: Box<Rules>,
}

/// A poll's labels before and after.
struct LabelsOfRevision {
    before: Option<Vec<String>>,
    after: Vec<String>,
}

/// Why a record can't be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnreadableRecord(String);

impl ChangeEvent {
    /// Parses an event. Fails only if it is not a stream event.
    pub fn read(event: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(rename = "Records", borrow)]
            records: Vec<&'a RawValue>,
        }
        serde_json::from_slice(event).map(|event: Event<'_>| event.records.into_iter().collect())
    }

    /// The changes of polls, in their order. Labels are known where their record is in the same batch.
    pub fn changes(&self) -> impl Iterator<Item = PollChange<'_>> {
        self.revisions.iter().map(|Revision { before, after }| {
            let labels = self.labels.get(&(after.settings.poll_id.clone(), after.options_revision));
            let labels = labels.map(|labels| (labels.before.as_deref(), Some(labels.after.as_slice())));
            PollChange { before: before.as_deref(), after, labels: labels.unwrap_or_default() }
        })
    }

    fn note(&mut self, change: Option<Change>) {
        match change {
            Some(Change::Rules(revision)) => self.revisions.push(revision),
            Some(Change::Labels { before, after: Labels { poll_id, revision, labels } }) => {
                self.labels.insert((poll_id, revision), LabelsOfRevision { before, after: labels });
            }
            None => {}
        }
    }
}

impl<'a> FromIterator<&'a RawValue> for ChangeEvent {
    fn from_iter<Records: IntoIterator<Item = &'a RawValue>>(records: Records) -> Self {
        let mut event = Self::default();
        for record in records {
            event.records += 1;
            let read = parse(record).and_then(|record| {
                event.polls.extend(record.poll());
                read_record(record)
            });
            match read {
                Ok(change) => event.note(change),
                Err(error) => event.unreadable.push((without_secrets(record), error)),
            }
        }
        event
    }
}

/// What a record changed.
enum Change {
    Rules(Revision),
    Labels { before: Option<Vec<String>>, after: Labels },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    #[serde(default)]
    dynamodb: Images,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Images {
    keys: Map<String, Value>,
    new_image: Option<Map<String, Value>>,
    old_image: Option<Map<String, Value>>,
}

/// Whether a record is one of the Polls table's stream, by its key.
pub fn is_of_polls(record: &RawValue) -> bool {
    serde_json::from_str(record.get()).is_ok_and(|record: Record| record.dynamodb.keys.contains_key(keys::POLL_ID))
}

fn parse(record: &RawValue) -> Result<Record, UnreadableRecord> {
    serde_json::from_str(record.get()).map_err(|error| UnreadableRecord(format!("not a poll's record: {error}")))
}

impl Record {
    /// The poll, by the record's key.
    fn poll(&self) -> Option<PollId> {
        PollId::parse(self.dynamodb.keys.get(keys::POLL_ID)?.get("S")?.as_str()?)
    }
}

/// What a record changed. Returns `None` if it is no new revision: a removal, or a doubling of lanes.
fn read_record(record: Record) -> Result<Option<Change>, UnreadableRecord> {
    match record.event_name.as_str() {
        "REMOVE" => return Ok(None),
        "INSERT" | "MODIFY" => {}
        other => return Err(UnreadableRecord(format!("unknown event {other:?}"))),
    }
    let new = record.dynamodb.new_image.ok_or_else(|| UnreadableRecord("no new image".to_owned()))?;
    let old = record.dynamodb.old_image.as_ref().map(read_image).transpose()?;
    Ok(match (old, read_image(&new)?) {
        (None, PollImage::Rules(after)) => Some(Change::Rules(Revision { before: None, after })),
        (Some(PollImage::Rules(before)), PollImage::Rules(after)) => {
            let is_new = after.settings.revision > before.settings.revision;
            is_new.then_some(Change::Rules(Revision { before: Some(before), after }))
        }
        (Some(PollImage::Options(before)), PollImage::Options(after)) => {
            Some(Change::Labels { before: Some(before.labels), after })
        }
        (_, PollImage::Options(after)) => Some(Change::Labels { before: None, after }),
        (_, PollImage::Rules(_)) => return Err(UnreadableRecord("the images are of two items".to_owned())),
        (_, PollImage::Other) => None,
    })
}

fn read_image(image: &Map<String, Value>) -> Result<PollImage, UnreadableRecord> {
    PollImage::read(image).map_err(|error| UnreadableRecord(error.to_string()))
}

/// The record without its images' secrets, or just its key if it is too long for a queue.
fn without_secrets(record: &RawValue) -> String {
    let mut record: Value = serde_json::from_str(record.get()).unwrap_or_default();
    for image in ["/dynamodb/NewImage", "/dynamodb/OldImage"] {
        if let Some(image) = record.pointer_mut(image).and_then(Value::as_object_mut) {
            for (_, secret) in image.iter_mut().filter(|(name, _)| SECRETS.contains(&name.as_str())) {
                *secret = json!({"B": NO_SECRET});
            }
        }
    }
    let whole = record.to_string();
    if whole.len() <= LETTER_BYTES_MAX {
        return whole;
    }
    json!({"too_long": whole.len(), "keys": record.pointer("/dynamodb/Keys")}).to_string()
}
