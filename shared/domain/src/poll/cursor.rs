//! Cursors of an owner's list: where the last page ended, and whose list it was.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{ids::PollId, poll::OwnerOrder, time::Timestamp};

/// The cursor for the page after `last`. It holds a hash of the owner, never the owner.
pub fn cursor(owner: &str, last: &OwnerOrder) -> String {
    let text = format!("{}.{}.{}", last.created_at.as_millis(), last.poll_id, owner_hash(owner));
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// Parses a cursor of this owner's list. Returns `None` for any other text.
pub fn read_cursor(owner: &str, cursor: &str) -> Option<OwnerOrder> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut parts = text.split('.');
    let (created_at, poll_id, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let created_at = Timestamp::from_millis(created_at.parse().ok()?)?;
    let is_ours = parts.next().is_none() && hash == owner_hash(owner);
    is_ours.then_some(OwnerOrder { created_at, poll_id: PollId::parse(poll_id)? })
}

/// The first 8 bytes of the owner's SHA-256.
fn owner_hash(owner: &str) -> String {
    Sha256::digest(owner).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_is_its_owners_only(millis in 0u64..200_000_000_000_000, id in "[A-Za-z0-9_-]{1,40}") {
            let last = OwnerOrder { created_at: Timestamp::from_millis(millis).unwrap(), poll_id: PollId::parse(&id).unwrap() };
            let cursor = cursor("alice", &last);
            prop_assert_eq!(read_cursor("alice", &cursor), Some(last));
            prop_assert_eq!(read_cursor("bob", &cursor), None);
            prop_assert!(!cursor.contains("alice"));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,60}") {
            prop_assert_eq!(read_cursor("alice", &text), None);
            prop_assert_eq!(read_cursor("alice", &BASE64_URL_SAFE_NO_PAD.encode(text)), None);
        }
    }
}
