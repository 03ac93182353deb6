//! A function's settings, from its environment.

use std::str::FromStr;

/// A variable that is missing or not valid. The function then does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not set, or empty.
    #[error("environment variable {0} is not set")]
    Missing(&'static str),
    /// The variable's value is not valid.
    #[error("environment variable {name} is {value:?}: {reason}")]
    Invalid {
        /// The variable's name.
        name: &'static str,
        /// Its value.
        value: String,
        /// Why it is not valid.
        reason: String,
    },
}

/// A variable's text.
pub fn text(name: &'static str) -> Result<String, ConfigError> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(ConfigError::Missing(name))
}

/// A variable's text. Returns `None` if it is not set, or empty.
pub fn text_if_any(name: &'static str) -> Option<String> {
    text(name).ok()
}

/// A variable's value, parsed.
pub fn value<T: FromStr<Err: std::fmt::Display>>(name: &'static str) -> Result<T, ConfigError> {
    let value = text(name)?;
    value.parse().map_err(|error: T::Err| ConfigError::Invalid { name, value, reason: error.to_string() })
}
