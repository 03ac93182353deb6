//! The keys for device tokens, as the stack's secret holds them: the first signs, all verify.

use std::{collections::HashSet, fmt, iter};

use aws_types::SdkConfig;
use landslide_aws::secret::{self, SecretError};
use landslide_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The `kid` that a new stack's key has: its secret is plain text, not JSON.
pub const ORIGINAL_KID: &str = "original";
/// The fewest bytes in a key: the hash length of HS256 (RFC 7518, section 3.2).
const KEY_BYTES_MIN: usize = 32;
/// The most keys at a time. Each takes a few hundred bytes; a secret holds 64 KiB.
pub const KEYS_MAX: usize = 8;
/// The most characters in a `kid`. Every token carries it.
const KID_CHARS_MAX: usize = 32;

/// Why device keys can't be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableKeys {
    /// Their secret can't be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret holds no valid device keys.
    #[error("secret {id}: {cause}")]
    Text {
        /// The secret's name or ARN.
        id: String,
        /// What is wrong with its text.
        cause: DeviceKeysError,
    },
}

/// Reads the device keys, by their secret's name or ARN.
pub async fn read_device_keys(aws: &SdkConfig, id: &str) -> Result<DeviceKeys, UnreadableKeys> {
    let text = secret::read_text(aws, id).await?;
    DeviceKeys::parse(&text).map_err(|cause| UnreadableKeys::Text { id: id.to_owned(), cause })
}

/// Valid device keys. No two have the same `kid` or the same text.
#[derive(Debug, PartialEq, Eq)]
pub struct DeviceKeys {
    signing: DeviceKey,
    others: Vec<DeviceKey>,
}

/// The secret's JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<Keys> {
    keys: Keys,
}

/// One of the keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceKey {
    /// The `kid` in its tokens' headers.
    pub kid: String,
    /// The key itself.
    pub secret: String,
    /// When its last token expires. `None` while it signs, or if it has never signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_until: Option<Timestamp>,
}

/// Why a text holds no valid device keys. Says where, and repeats nothing from the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceKeysError {
    /// The text is not JSON, or has another form.
    #[error(
        "device keys are not of the form {{\"keys\":[{{\"kid\":\"…\",\"secret\":\"…\"}}]}} (line {line}, column {column})"
    )]
    Form {
        /// The line in the text, from 1.
        line: usize,
        /// The column in that line, from 1.
        column: usize,
    },
    /// There is no key, or there are too many.
    #[error("there are {0} device keys, not 1 to {KEYS_MAX}")]
    Count(usize),
    /// This key's `kid` is not valid.
    #[error("the kid of device key {0} is not 1 to {KID_CHARS_MAX} letters, digits, dots, hyphens and underscores")]
    Kid(usize),
    /// This key could be guessed.
    #[error("device key {0} has fewer than {KEY_BYTES_MIN} bytes")]
    Short(usize),
    /// This key's `kid` or text repeats an earlier one. Removing one of the two would leave the other.
    #[error("device key {0} has the kid or the secret of an earlier one")]
    Twice(usize),
}

impl DeviceKeys {
    /// Parses a secret's text: JSON, or the plain key of a new stack.
    pub fn parse(text: &str) -> Result<Self, DeviceKeysError> {
        if !is_json(text) {
            let original = DeviceKey { kid: ORIGINAL_KID.to_owned(), secret: text.to_owned(), tokens_until: None };
            return Self::new(original, Vec::new());
        }
        // The error's own text would quote names and values.
        let form = |error: serde_json::Error| DeviceKeysError::Form { line: error.line(), column: error.column() };
        let mut keys = serde_json::from_str::<Document<Vec<DeviceKey>>>(text).map_err(form)?.keys.into_iter();
        let signing = keys.next().ok_or(DeviceKeysError::Count(0))?;
        Self::new(signing, keys.collect())
    }

    /// The signing key, and others that only verify.
    pub fn new(signing: DeviceKey, others: Vec<DeviceKey>) -> Result<Self, DeviceKeysError> {
        let keys = Self { signing, others };
        let count = keys.all().count();
        if count > KEYS_MAX {
            return Err(DeviceKeysError::Count(count));
        }
        let (mut kids, mut secrets) = (HashSet::new(), HashSet::new());
        for (number, key) in (1..).zip(keys.all()) {
            key.check(number)?;
            if !kids.insert(&key.kid) || !secrets.insert(&key.secret) {
                return Err(DeviceKeysError::Twice(number));
            }
        }
        Ok(keys)
    }

    /// The key that signs.
    pub fn signing(&self) -> &DeviceKey {
        &self.signing
    }

    /// The keys that only verify.
    pub fn others(&self) -> &[DeviceKey] {
        &self.others
    }

    /// All keys, the signing one first.
    pub fn all(&self) -> impl Iterator<Item = &DeviceKey> {
        iter::once(&self.signing).chain(&self.others)
    }

    /// The JSON that `parse` reads.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Document { keys: self.all().collect::<Vec<_>>() })
    }
}

impl DeviceKey {
    fn check(&self, number: usize) -> Result<(), DeviceKeysError> {
        if !is_kid(&self.kid) {
            return Err(DeviceKeysError::Kid(number));
        }
        if self.secret.len() < KEY_BYTES_MIN {
            return Err(DeviceKeysError::Short(number));
        }
        Ok(())
    }
}

/// Whether a text is meant to be JSON. A generated key has letters and digits only.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
}

fn is_kid(kid: &str) -> bool {
    (1..=KID_CHARS_MAX).contains(&kid.len()) && kid.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}

/// Leaves the key out.
impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
