//! Random bytes from the operating system.

use crate::http::Error;

/// That many random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(format!("draw random bytes: {error}")))?;
    Ok(bytes)
}
