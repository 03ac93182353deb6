//! Ids of polls and voters: short, opaque, and computable only with a secret.

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use super::{caller::Caller, tenant::TenantKey};

/// The most characters of a poll's id.
const POLL_ID_CHARS_MAX: usize = 40;

/// A poll's id: 1 to 40 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PollId(String);

impl PollId {
    /// Parses a poll id. Returns `None` if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=POLL_ID_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        valid.then(|| Self(text.to_owned()))
    }

    /// The id made from 16 bytes: 22 characters.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The id for a poll that a tenant makes with an idempotency key. Computing it takes the service's secret, so nobody
    /// can guess another tenant's ids.
    pub fn of_idempotency_key(secret: &[u8], tenant: &TenantKey, key: &str) -> Self {
        Self::from_bytes(keyed_hash(secret, tenant.as_str(), key))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PollId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A voter within one poll: the first 16 bytes of HMAC-SHA256(poll's salt, issuer ‖ 0 ‖ subject). It can't be linked
/// across polls, or turned back into an identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoterKey([u8; 16]);

impl VoterKey {
    /// The caller as a voter in the poll with this salt.
    pub fn of(caller: &Caller, salt: &[u8; 32]) -> Self {
        Self(keyed_hash(salt, &caller.issuer, &caller.subject))
    }

    /// A voter from its bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Parses 32 hex digits in lower case.
    pub fn parse(hex: &str) -> Option<Self> {
        from_hex(hex).map(Self)
    }

    /// The voter's bytes.
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }
}

/// Exactly `N` bytes in lower-case hex. A text of another length is refused before any digit is read.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, []) = text.as_bytes().as_chunks() else { return None };
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = hex_digit(*high)? * 16 + hex_digit(*low)?;
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl std::fmt::Display for VoterKey {
    /// 32 hex digits, as in the Votes table.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl std::fmt::Debug for VoterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The first 16 bytes of HMAC-SHA256(key, first ‖ 0 ‖ second).
fn keyed_hash(key: &[u8], first: &str, second: &str) -> [u8; 16] {
    // HMAC takes keys of any length, so this never fails.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 16] };
    mac.update(first.as_bytes());
    mac.update(&[0]);
    mac.update(second.as_bytes());
    let tag = mac.finalize().into_bytes();
    let mut head = [0; 16];
    head.iter_mut().zip(tag.iter()).for_each(|(to, from)| *to = *from);
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_idempotency_key_has_one_id_an_owner() {
        let tenant = TenantKey::stored;
        let id = PollId::of_idempotency_key(b"secret", &tenant("owner"), "key");
        assert_eq!(id, PollId::of_idempotency_key(b"secret", &tenant("owner"), "key"));
        assert_ne!(id, PollId::of_idempotency_key(b"secret", &tenant("other"), "key"));
        assert_ne!(id, PollId::of_idempotency_key(b"other", &tenant("owner"), "key"));
        assert_eq!(id.as_str().len(), 22);
    }

    #[test]
    fn a_voter_survives_its_text() {
        let voter = VoterKey::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(VoterKey::parse(&voter.to_string()), Some(voter));
        assert_eq!(voter.to_string(), "000102030405060708090a0b0c0d0eff");
        for odd in ["", "00", "000102030405060708090A0B0C0D0EFF", "+00102030405060708090a0b0c0d0eff"] {
            assert_eq!(VoterKey::parse(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn an_id_is_safe_in_a_path_and_a_key(text in "[A-Za-z0-9_#/. -]{0,45}") {
            let safe = !text.is_empty() && text.len() <= 40 && !text.contains(['#', '/', '.', ' ']);
            prop_assert_eq!(PollId::parse(&text).is_some(), safe);
        }
    }
}
