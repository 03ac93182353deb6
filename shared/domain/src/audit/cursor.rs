//! Cursors of an audit log: the row where the last page ended, and whose log it was.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{poll::cursor::tenant_hash, tenant::TenantKey};

/// The cursor for the page after this row. It holds a hash of the tenant's key, never the key.
pub fn cursor(tenant: &TenantKey, sequence: u64) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("row.{sequence}.{}", tenant_hash(tenant)))
}

/// Parses a cursor of this tenant's log. Returns `None` for any other text.
pub fn read_cursor(tenant: &TenantKey, cursor: &str) -> Option<u64> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (sequence, hash) = text.strip_prefix("row.")?.split_once('.')?;
    if hash == tenant_hash(tenant) { sequence.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::PollId, poll::OwnerOrder, testing::at};
    use proptest::prelude::*;

    fn key(text: &str) -> TenantKey {
        TenantKey::stored(text)
    }

    #[test]
    fn a_cursor_of_the_list_of_polls_is_none_of_the_log() {
        let last = OwnerOrder { created_at: at(0), poll_id: PollId::parse("p1").unwrap() };
        assert_eq!(read_cursor(&key("alice"), &crate::poll::cursor::cursor(&key("alice"), &last)), None);
    }

    proptest! {
        #[test]
        fn a_cursor_is_its_tenants_only(sequence in any::<u64>()) {
            let cursor = cursor(&key("alice"), sequence);
            prop_assert_eq!(read_cursor(&key("alice"), &cursor), Some(sequence));
            prop_assert_eq!(read_cursor(&key("bob"), &cursor), None);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,60}") {
            prop_assert_eq!(read_cursor(&key("alice"), &text), None);
            prop_assert_eq!(read_cursor(&key("alice"), &BASE64_URL_SAFE_NO_PAD.encode(text)), None);
        }
    }
}
