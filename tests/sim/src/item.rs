//! Items of DynamoDB: their attributes, their lengths, and their changes as a stream shows them.

use std::{collections::HashMap, fmt::Write};

use aws_sdk_dynamodb::types::AttributeValue;

/// An item's attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// A number attribute that must be there.
pub fn number(item: &Item, name: &str) -> u64 {
    item[name].as_n().expect("a number").parse().expect("a whole number")
}

/// A string attribute that must be there.
pub fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item[name].as_s().expect("a string")
}

/// An item in a few words: its keys and its plain attributes, and the lengths of the others.
pub fn outline(item: &Item) -> String {
    let mut parts: Vec<String> = item
        .iter()
        .filter_map(|(name, value)| match value {
            AttributeValue::S(text) => Some(format!("{name} {text}")),
            AttributeValue::N(digits) => Some(format!("{name} {digits}")),
            AttributeValue::L(list) => {
                let ids = list.iter().filter_map(|id| id.as_n().ok().map(String::as_str)).collect::<Vec<_>>();
                Some(format!("{name} {ids:?}"))
            }
            AttributeValue::M(map) => Some(format!("{name} {{{}}}", outline(map))),
            AttributeValue::B(bytes) => Some(format!("{name} of {} bytes", bytes.as_ref().len())),
            _ => None,
        })
        .collect();
    parts.sort();
    parts.join(", ")
}

/// An item's length as DynamoDB bills it, in bytes: names and values, numbers by two digits a byte.
pub fn item_bytes(item: &Item) -> u64 {
    item.iter().map(|(name, value)| name.len() as u64 + value_bytes(value)).sum()
}

fn value_bytes(value: &AttributeValue) -> u64 {
    let inside = |values: &mut dyn Iterator<Item = u64>| 3 + values.map(|bytes| 1 + bytes).sum::<u64>();
    match value {
        AttributeValue::S(text) => text.len() as u64,
        AttributeValue::N(digits) => digits.len().div_ceil(2) as u64 + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len() as u64,
        AttributeValue::Bool(_) => 1,
        AttributeValue::L(values) => inside(&mut values.iter().map(value_bytes)),
        AttributeValue::M(values) => {
            inside(&mut values.iter().map(|(name, value)| name.len() as u64 + value_bytes(value)))
        }
        other => panic!("the model does not know the length of {other:?}"),
    }
}

/// The write units of an item with this many bytes: one for each KB.
pub fn write_units(bytes: u64) -> u64 {
    bytes.div_ceil(1_024).max(1)
}

/// The read units of a strongly consistent read: one for each 4 KB.
pub fn read_units(bytes: u64) -> u64 {
    bytes.div_ceil(4_096).max(1)
}

/// A stream's record of a change from one item to another, as Lambda hands it over.
pub fn stream_record(sequence: u64, former: Option<&Item>, now: Option<&Item>) -> String {
    let event = match (former, now) {
        (None, Some(_)) => "INSERT",
        (Some(_), Some(_)) => "MODIFY",
        (_, None) => "REMOVE",
    };
    let mut json = format!(
        r#"{{"eventID":"{sequence}","eventName":"{event}","eventSource":"aws:dynamodb","dynamodb":{{"SequenceNumber":"{sequence}""#
    );
    for (name, image) in [("OldImage", former), ("NewImage", now)] {
        if let Some(image) = image {
            write!(json, r#","{name}":"#).unwrap();
            write_item(&mut json, image);
        }
    }
    json.push_str("}}");
    json
}

fn write_item(json: &mut String, item: &Item) {
    let mut separator = "{";
    for (name, value) in item {
        json.extend([separator, "\"", name, "\":"]);
        write_value(json, value);
        separator = ",";
    }
    json.push('}');
}

/// Numbers, strings without characters to be escaped, lists and maps: what votes are made of.
fn write_value(json: &mut String, value: &AttributeValue) {
    match value {
        AttributeValue::N(digits) => json.extend([r#"{"N":""#, digits, r#""}"#]),
        AttributeValue::S(text) => json.extend([r#"{"S":""#, text, r#""}"#]),
        AttributeValue::L(values) => {
            json.push_str(r#"{"L":["#);
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    json.push(',');
                }
                write_value(json, value);
            }
            json.push_str("]}");
        }
        AttributeValue::M(values) => {
            json.push_str(r#"{"M":"#);
            write_item(json, values);
            json.push('}');
        }
        other => panic!("the model does not know votes with {other:?}"),
    }
}
