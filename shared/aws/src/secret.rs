//! The service's secrets in Secrets Manager.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::{
    Client,
    error::SdkError,
    operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput},
};
use aws_types::SdkConfig;

use crate::sdk::describe;

/// The fewest bytes that a key must have.
const SECRET_BYTES_MIN: usize = 32;

/// Why a secret can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not return it.
    #[error("read secret {id}: {cause}")]
    Unavailable {
        /// The secret's name or ARN.
        id: String,
        /// What Secrets Manager said.
        cause: String,
    },
    /// The secret is too short.
    #[error("secret {0} has fewer than {SECRET_BYTES_MIN} bytes")]
    TooShort(String),
    /// The secret has no keys by name, or one that is too short.
    #[error("secret {0} is not a JSON object of one or more keys, each of {SECRET_BYTES_MIN} bytes or more")]
    NotKeys(String),
    /// Secrets Manager did not store a new text.
    #[error("write secret {id}: {cause}")]
    NotWritten {
        /// The secret's name or ARN.
        id: String,
        /// What Secrets Manager said.
        cause: String,
    },
}

/// Reads a secret that is one key, by name or ARN: the bytes of its text.
pub async fn read(aws: &SdkConfig, id: &str) -> Result<Vec<u8>, SecretError> {
    let text = read_text(aws, id).await?;
    if text.len() < SECRET_BYTES_MIN { Err(SecretError::TooShort(id.to_owned())) } else { Ok(text.into_bytes()) }
}

/// Reads a secret that is one or more keys, by name or ARN: a JSON object of them, whatever their names.
pub async fn read_keys(aws: &SdkConfig, id: &str) -> Result<Vec<Vec<u8>>, SecretError> {
    keys(&read_text(aws, id).await?).ok_or_else(|| SecretError::NotKeys(id.to_owned()))
}

fn keys(text: &str) -> Option<Vec<Vec<u8>>> {
    let named: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
    let is_usable = !named.is_empty() && named.values().all(|key| key.len() >= SECRET_BYTES_MIN);
    is_usable.then(|| named.into_values().map(String::into_bytes).collect())
}

/// Reads a secret's text, by name or ARN.
pub async fn read_text(aws: &SdkConfig, id: &str) -> Result<String, SecretError> {
    let answer = get(aws, id).await.map_err(|error| unavailable(id, describe(&error)))?;
    answer.secret_string.ok_or_else(|| unavailable(id, "it holds no text".to_owned()))
}

/// Reads a secret's text, by name or ARN. Empty if nothing was stored yet.
pub async fn read_text_if_any(aws: &SdkConfig, id: &str) -> Result<String, SecretError> {
    match get(aws, id).await {
        Ok(answer) => Ok(answer.secret_string.unwrap_or_default()),
        // Secrets Manager says this about a secret without a version, too.
        Err(error) if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) => {
            Ok(String::new())
        }
        Err(error) => Err(unavailable(id, describe(&error))),
    }
}

/// Replaces a secret's text with a new version. Secrets Manager keeps all versions for a day, so it allows one every
/// ten minutes in the long run (its quotas).
pub async fn write_text(aws: &SdkConfig, id: &str, text: String) -> Result<(), SecretError> {
    let answer = Client::new(aws).put_secret_value().secret_id(id).secret_string(text).send().await;
    answer.map(drop).map_err(|error| SecretError::NotWritten { id: id.to_owned(), cause: describe(&error) })
}

async fn get(aws: &SdkConfig, id: &str) -> Result<GetSecretValueOutput, SdkError<GetSecretValueError>> {
    Client::new(aws).get_secret_value().secret_id(id).send().await
}

fn unavailable(id: &str, cause: String) -> SecretError {
    SecretError::Unavailable { id: id.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_one_or_more_texts_that_are_long_enough() {
        let (first, second) = ("1".repeat(SECRET_BYTES_MIN), "2".repeat(SECRET_BYTES_MIN));
        let both = format!("{{\"first\": \"{first}\", \"second\": \"{second}\"}}");
        assert_eq!(keys(&both), Some(vec![first.clone().into_bytes(), second.into_bytes()]));
        for odd in [
            "",
            "{}",
            &first,
            "[]",
            "{\"first\": \"short\"}",
            &both.replacen("\"first", "\"zeroth\": \"\", \"first", 1),
        ] {
            assert_eq!(keys(odd), None, "{odd}");
        }
    }
}
