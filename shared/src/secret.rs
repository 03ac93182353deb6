//! The service's own secrets, from Secrets Manager.

use aws_types::SdkConfig;

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
}

/// The bytes of a secret's text, by its name or ARN.
pub async fn read(aws: &SdkConfig, id: &str) -> Result<Vec<u8>, SecretError> {
    let unavailable = |cause: String| SecretError::Unavailable { id: id.to_owned(), cause };
    let client = aws_sdk_secretsmanager::Client::new(aws);
    let answer = client.get_secret_value().secret_id(id).send().await;
    let answer = answer.map_err(|error| unavailable(crate::store::describe(&error)))?;
    let secret = answer.secret_string().ok_or_else(|| unavailable("it holds no text".to_owned()))?;
    if secret.len() < SECRET_BYTES_MIN {
        return Err(SecretError::TooShort(id.to_owned()));
    }
    Ok(secret.as_bytes().to_vec())
}
