//! A poll's item as the Polls table's stream shows it, in DynamoDB's JSON.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine, prelude::BASE64_STANDARD};
use landslide_domain::{ids::PollId, keys, poll::Rules};
use serde_json::{Map, Value};

use super::{
    StoreError,
    item::{Attributes, Item},
    polls::{read_labels, read_rules},
};

/// A poll's item before or after a change.
pub enum PollImage {
    /// The item RULES.
    Rules(Box<Rules>),
    /// The item OPTIONS.
    Options(Labels),
    /// Another item.
    Other,
}

/// A poll's labels.
pub struct Labels {
    /// Whose they are.
    pub poll_id: PollId,
    /// The poll's revision that wrote them.
    pub revision: u64,
    /// The labels.
    pub labels: Vec<String>,
}

impl PollImage {
    /// Parses an image.
    pub fn read(image: &Map<String, Value>) -> Result<Self, StoreError> {
        let item: Item = image.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
        let attributes = Attributes(&item);
        match attributes.string(keys::ITEM)? {
            keys::RULES => Ok(Self::Rules(Box::new(read_rules(&item)?))),
            keys::OPTIONS => Ok(Self::Options(read_options(&attributes)?)),
            _ => Ok(Self::Other),
        }
    }
}

fn read_options(attributes: &Attributes) -> Result<Labels, StoreError> {
    let id = attributes.string(keys::POLL_ID)?;
    Ok(Labels {
        poll_id: PollId::parse(id).ok_or_else(|| StoreError::Broken(format!("read item: {id:?} is no poll's id")))?,
        revision: attributes.number("revision")?,
        labels: read_labels(attributes)?,
    })
}

/// An attribute of a type that polls have. Any other is null, so that its reader says what it misses.
fn attribute(value: &Value) -> AttributeValue {
    let typed = value.as_object().and_then(|typed| typed.iter().next());
    let read = typed.and_then(|(kind, value)| match kind.as_str() {
        "S" => Some(AttributeValue::S(value.as_str()?.to_owned())),
        "N" => Some(AttributeValue::N(value.as_str()?.to_owned())),
        "B" => Some(AttributeValue::B(Blob::new(BASE64_STANDARD.decode(value.as_str()?).ok()?))),
        "L" => Some(AttributeValue::L(value.as_array()?.iter().map(attribute).collect())),
        _ => None,
    });
    read.unwrap_or(AttributeValue::Null(true))
}
