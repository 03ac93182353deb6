//! The tokens that this service makes of random bytes: API keys, and the tokens of view links (docs/adr/0024).
//!
//! `lsk_<id>_<secret>_<mac>`, the three in lower-case hex. The code over the text before it shows whether this service
//! made the token, without asking a table. What is stored of a token is the hash of its secret.

use std::fmt;

use hmac::{
    Hmac, KeyInit, Mac,
    digest::{CtOutput, Output},
};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{ids::from_hex, time::Timestamp};

/// How long after a token is deleted the gateway may still take it: for as long as it caches what the owners' authorizer
/// has said (infra/api/openapi.yaml).
pub const DELETION_MS: u64 = 60_000;

/// Bytes of an id.
const ID_BYTES: usize = 10;
/// Bytes of a secret.
const SECRET_BYTES: usize = 16;
/// Bytes of a code: HMAC-SHA256, cut.
const MAC_BYTES: usize = 16;
/// Stands between the parts.
const SEPARATOR: char = '_';

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// An API key.
    Key,
    /// A view link.
    View,
}

impl Purpose {
    /// The purpose that a text claims by its prefix. Returns `None` if it is no such token at all.
    pub fn claimed_by(text: &str) -> Option<Self> {
        [Purpose::Key, Purpose::View].into_iter().find(|purpose| text.starts_with(purpose.prefix()))
    }

    fn prefix(self) -> &'static str {
        match self {
            Purpose::Key => "lsk_",
            Purpose::View => "lsv_",
        }
    }
}

/// A token's id, which is no secret: 20 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; ID_BYTES]);

impl TokenId {
    /// The id of these bytes.
    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// Parses 20 hex digits in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for TokenId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A token of this service.
pub struct OpaqueToken {
    /// What it is for.
    pub purpose: Purpose,
    /// Its id.
    pub id: TokenId,
    secret: [u8; SECRET_BYTES],
}

/// What is stored of a token: the SHA-256 of its secret, which is random and needs no slower hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl OpaqueToken {
    /// A token of random bytes.
    pub fn new(purpose: Purpose, id: [u8; ID_BYTES], secret: [u8; SECRET_BYTES]) -> Self {
        Self { purpose, id: TokenId(id), secret }
    }

    /// Parses a text. Returns `None` unless it is a token that was made with this key. How long the comparison of codes
    /// takes tells nothing about them.
    pub fn parse(text: &str, key: &[u8]) -> Option<Self> {
        let purpose = Purpose::claimed_by(text)?;
        let (signed, code) = text.rsplit_once(SEPARATOR)?;
        let (id, secret) = signed.strip_prefix(purpose.prefix())?.split_once(SEPARATOR)?;
        let token = Self { purpose, id: TokenId::parse(id)?, secret: from_hex(secret)? };
        let code: [u8; MAC_BYTES] = from_hex(code)?;
        mac(key, signed)?.verify_truncated_left(&code).ok().map(|()| token)
    }

    /// The token as its holder sends it. Returns `None` if there is no such key, which HMAC never says.
    pub fn text(&self, key: &[u8]) -> Option<String> {
        let signed = format!("{}{}{SEPARATOR}{}", self.purpose.prefix(), self.id, hex(&self.secret));
        let code = mac(key, &signed)?.finalize().into_bytes();
        Some(format!("{signed}{SEPARATOR}{}", hex(code.get(..MAC_BYTES)?)))
    }

    /// Why it is not taken, given what is stored of it, for the log. `None` if it is.
    pub fn refusal(&self, stored: &SecretHash, expires_at: Timestamp, now: Timestamp) -> Option<&'static str> {
        match (self.has_hash(stored), expires_at > now) {
            (true, true) => None,
            (false, _) => Some("its secret is another"),
            (true, false) => Some("it has expired"),
        }
    }

    /// What is to be stored of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.secret).into())
    }

    /// Whether this is what is stored of it. How long that takes tells nothing about either.
    pub fn has_hash(&self, stored: &SecretHash) -> bool {
        let [ours, theirs] =
            [self.hash(), *stored].map(|hash| CtOutput::<Sha256>::from(Output::<Sha256>::from(hash.0)));
        ours == theirs
    }
}

/// Leaves the secret out.
impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpaqueToken").field("purpose", &self.purpose).field("id", &self.id).finish_non_exhaustive()
    }
}

/// HMAC takes keys of any length, so this is never `None`.
fn mac(key: &[u8], signed: &str) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(key).ok().map(|mac: Hmac<Sha256>| mac.chain_update(signed))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &[u8] = b"the secret of this service's keys";

    fn token(purpose: Purpose) -> OpaqueToken {
        OpaqueToken::new(purpose, [1; 10], [2; 16])
    }

    fn is_ours(text: &str) -> bool {
        OpaqueToken::parse(text, KEY).is_some()
    }

    #[test]
    fn a_token_has_prefix_id_secret_and_code() {
        let text = token(Purpose::Key).text(KEY).unwrap();
        let parts: Vec<&str> = text.split('_').collect();
        assert_eq!(parts[..3], ["lsk", &"01".repeat(10), &"02".repeat(16)]);
        assert_eq!((parts.len(), parts[3].len()), (4, 32));
        assert!(token(Purpose::View).text(KEY).unwrap().starts_with("lsv_"));
    }

    #[test]
    fn a_token_is_read_as_it_was_made() {
        for purpose in [Purpose::Key, Purpose::View] {
            let read = OpaqueToken::parse(&token(purpose).text(KEY).unwrap(), KEY).unwrap();
            assert_eq!((read.purpose, read.id.to_string()), (purpose, "01".repeat(10)));
            assert!(read.has_hash(&token(purpose).hash()));
        }
    }

    #[test]
    fn a_token_of_another_stack_is_none() {
        let text = token(Purpose::Key).text(b"the secret of another service").unwrap();
        assert!(!is_ours(&text));
        assert!(OpaqueToken::parse(&text, b"the secret of another service").is_some());
    }

    #[test]
    fn a_key_is_no_view_links_token_by_another_prefix() {
        let text = token(Purpose::Key).text(KEY).unwrap();
        assert!(is_ours(&text));
        for prefix in ["lsv_", "lsx_", "LSK_", "", "lsk", "lsk__"] {
            assert!(!is_ours(&text.replacen("lsk_", prefix, 1)), "{prefix}");
        }
    }

    #[test]
    fn what_is_cut_longer_or_written_otherwise_is_no_token() {
        let text = token(Purpose::Key).text(KEY).unwrap();
        for end in 0..text.len() {
            assert!(!is_ours(&text[..end]), "{end}");
        }
        for odd in
            [format!("{text}0"), format!("{text}00"), format!("{text}_"), format!(" {text}"), text.to_uppercase()]
        {
            assert!(!is_ours(&odd), "{odd}");
        }
        for long in ["lsk_".to_owned() + &"0".repeat(10_240), text.replacen("01", &"01".repeat(5_120), 1)] {
            assert!(!is_ours(&long));
        }
        assert!(!is_ours("lsk_é_é_é"));
    }

    #[test]
    fn another_secret_has_another_hash() {
        assert!(!token(Purpose::Key).has_hash(&OpaqueToken::new(Purpose::Key, [1; 10], [3; 16]).hash()));
    }

    #[test]
    fn a_token_in_a_log_shows_no_secret() {
        let shown = format!("{:?}", token(Purpose::Key));
        assert!(shown.contains(&"01".repeat(10)) && !shown.contains("2"), "{shown}");
    }

    #[test]
    fn an_id_is_twenty_hex_digits_in_lower_case() {
        assert_eq!(TokenId::parse(&"0a".repeat(10)), Some(TokenId([10; 10])));
        for odd in ["", "0a", &"0A".repeat(10), &"0a".repeat(11), &"0g".repeat(10), "mine"] {
            assert_eq!(TokenId::parse(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn a_token_with_one_flipped_bit_is_none(place in 0..90_usize, bit in 0..7_u32) {
            let mut bytes = token(Purpose::Key).text(KEY).unwrap().into_bytes();
            prop_assert_eq!(bytes.len(), 90);
            bytes[place] ^= 1 << bit;
            prop_assert!(!is_ours(std::str::from_utf8(&bytes).unwrap()));
        }
    }
}
