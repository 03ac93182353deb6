//! Random bytes from the operating system.

use landslide_domain::error::Error;

/// The operating system returned no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("draw random bytes: {0}")]
pub struct NoRandomness(getrandom::Error);

impl From<NoRandomness> for Error {
    fn from(error: NoRandomness) -> Self {
        Self::Internal(error.to_string())
    }
}

/// Draws `N` random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}
