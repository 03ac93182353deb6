//! Reads and writes item attributes.

use std::{collections::HashMap, str::FromStr};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use landslide_domain::{
    poll::{Stored, UnreadableSetting},
    time::Timestamp,
};

use super::StoreError;

/// An item as DynamoDB stores it.
pub type Item = HashMap<String, AttributeValue>;

/// A string attribute.
pub fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
pub fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A time attribute: its milliseconds.
pub fn time(at: Timestamp) -> AttributeValue {
    number(at.as_millis())
}

/// A binary attribute.
pub fn binary(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// A poll's setting as an attribute.
pub fn attribute(setting: Stored) -> AttributeValue {
    match setting {
        Stored::Text(text) => string(text),
        Stored::Number(value) => number(value),
    }
}

/// An item's required attributes. Errors name the attribute.
pub struct Attributes<'a>(pub &'a Item);

/// The error for an attribute that can't be read.
pub fn unreadable(name: &str) -> StoreError {
    StoreError::Broken(format!("read item: attribute {name} is missing or not what it should be"))
}

impl From<UnreadableSetting> for StoreError {
    fn from(setting: UnreadableSetting) -> Self {
        unreadable(setting.0)
    }
}

impl<'a> Attributes<'a> {
    /// A string.
    pub fn string(&self, name: &str) -> Result<&'a str, StoreError> {
        self.0.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).ok_or_else(|| unreadable(name))
    }

    /// A string, or `None` if the attribute is absent.
    pub fn optional_string(&self, name: &str) -> Result<Option<&'a str>, StoreError> {
        self.0.get(name).map(|_| self.string(name)).transpose()
    }

    /// A number.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<T, StoreError> {
        self.optional_number(name)?.ok_or_else(|| unreadable(name))
    }

    /// A number, or `None` if the attribute is absent.
    pub fn optional_number<T: FromStr>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let number = value.as_n().ok().and_then(|number| number.parse().ok());
        number.map(Some).ok_or_else(|| unreadable(name))
    }

    /// A time, or `None` if the attribute is absent.
    pub fn optional_time(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let millis: Option<u64> = self.optional_number(name)?;
        millis.map(|millis| Timestamp::from_millis(millis).ok_or_else(|| unreadable(name))).transpose()
    }

    /// A time.
    pub fn time(&self, name: &str) -> Result<Timestamp, StoreError> {
        self.optional_time(name)?.ok_or_else(|| unreadable(name))
    }

    /// A fixed number of bytes.
    pub fn bytes<const N: usize>(&self, name: &str) -> Result<[u8; N], StoreError> {
        self.optional_bytes(name)?.ok_or_else(|| unreadable(name))
    }

    /// A fixed number of bytes, or `None` if the attribute is absent.
    pub fn optional_bytes<const N: usize>(&self, name: &str) -> Result<Option<[u8; N]>, StoreError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let bytes = value.as_b().ok().and_then(|bytes| bytes.as_ref().try_into().ok());
        bytes.map(Some).ok_or_else(|| unreadable(name))
    }

    /// A poll's setting, or `None` if the attribute is absent.
    pub fn setting(&self, name: &'static str) -> Result<Option<Stored>, StoreError> {
        match self.0.get(name) {
            Some(AttributeValue::S(text)) => Ok(Some(Stored::Text(text.clone()))),
            Some(_) => Ok(self.optional_number(name)?.map(Stored::Number)),
            None => Ok(None),
        }
    }

    /// A list, or `None` if the attribute is absent.
    pub fn optional_list(&self, name: &str) -> Result<Option<&'a [AttributeValue]>, StoreError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        value.as_l().map(|list| Some(list.as_slice())).map_err(|_| unreadable(name))
    }
}
