//! The secret that stores issuers' key sets.

use aws_types::SdkConfig;
use landslide_aws::secret::{self, SecretError};

use super::StoredKeySets;

/// Why key sets can't be read or stored.
#[derive(Debug, thiserror::Error)]
pub enum KeySetsError {
    /// Secrets Manager failed.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret's text has another form.
    #[error("secret {id} holds no key sets: {cause}")]
    Form {
        /// The secret's name or ARN.
        id: String,
        /// What is wrong with its text.
        cause: serde_json::Error,
    },
}

/// The secret, by name or ARN.
pub struct KeySetsSecret {
    aws: SdkConfig,
    id: String,
}

impl KeySetsSecret {
    /// A secret by its name or ARN.
    pub fn new(aws: &SdkConfig, id: String) -> Self {
        Self { aws: aws.clone(), id }
    }

    /// Reads the stored key sets. Empty if none were stored yet.
    pub async fn read(&self) -> Result<StoredKeySets, KeySetsError> {
        let text = secret::read_text_if_any(&self.aws, &self.id).await?;
        if text.is_empty() {
            return Ok(StoredKeySets::default());
        }
        StoredKeySets::parse(&text).map_err(|cause| self.form(cause))
    }

    /// Replaces the stored key sets.
    pub async fn write(&self, key_sets: &StoredKeySets) -> Result<(), KeySetsError> {
        let text = key_sets.to_json().map_err(|cause| self.form(cause))?;
        Ok(secret::write_text(&self.aws, &self.id, text).await?)
    }

    fn form(&self, cause: serde_json::Error) -> KeySetsError {
        KeySetsError::Form { id: self.id.clone(), cause }
    }
}
