//! The service's own secrets, from Secrets Manager.

use aws_sdk_secretsmanager::{
    Client,
    error::SdkError,
    operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput},
};
use aws_types::SdkConfig;

use crate::sdk::describe;

/// The fewest bytes that make a secret worth its name.
const SECRET_BYTES_MIN: usize = 32;

/// Why a secret is not there.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not give it.
    #[error("read secret {id}: {cause}")]
    Unavailable {
        /// Its name or ARN.
        id: String,
        /// What was said.
        cause: String,
    },
    /// It is too short to be one.
    #[error("secret {0} has fewer than {SECRET_BYTES_MIN} bytes")]
    TooShort(String),
    /// Secrets Manager did not take a new text.
    #[error("write secret {id}: {cause}")]
    NotWritten {
        /// Its name or ARN.
        id: String,
        /// What was said.
        cause: String,
    },
}

/// A secret that is one key: the bytes of its text, by its name or ARN.
pub async fn read(aws: &SdkConfig, id: &str) -> Result<Vec<u8>, SecretError> {
    let text = read_text(aws, id).await?;
    if text.len() < SECRET_BYTES_MIN { Err(SecretError::TooShort(id.to_owned())) } else { Ok(text.into_bytes()) }
}

/// A secret's text, by its name or ARN.
pub async fn read_text(aws: &SdkConfig, id: &str) -> Result<String, SecretError> {
    let answer = get(aws, id).await.map_err(|error| unavailable(id, describe(&error)))?;
    answer.secret_string.ok_or_else(|| unavailable(id, "it holds no text".to_owned()))
}

/// A secret's text, by its name or ARN; empty as long as nothing was put there.
pub async fn read_text_if_any(aws: &SdkConfig, id: &str) -> Result<String, SecretError> {
    match get(aws, id).await {
        Ok(answer) => Ok(answer.secret_string.unwrap_or_default()),
        // Said of a secret without a version, too.
        Err(error) if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) => {
            Ok(String::new())
        }
        Err(error) => Err(unavailable(id, describe(&error))),
    }
}

/// Gives a secret another text. That makes a version of it, and Secrets Manager keeps all versions of a day: so no more
/// than one in ten minutes for long (its quotas).
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
