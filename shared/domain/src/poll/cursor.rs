//! Cursors of a tenant's list: where the last page ended, and whose list it was.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    ids::PollId,
    poll::{OwnerOrder, Settings},
    tenant::{Tenant, TenantKey},
    time::Timestamp,
};

/// The cursor for the page after `last`. It holds a hash of the tenant's key, never the key.
pub fn cursor(tenant: &TenantKey, last: &OwnerOrder) -> String {
    let text = format!("{}.{}.{}", last.created_at.as_millis(), last.poll_id, tenant_hash(tenant));
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

impl Settings {
    /// The cursor for the page of a tenant's list that begins after this poll.
    pub fn cursor_in(&self, tenant: &Tenant) -> String {
        let place = OwnerOrder { created_at: self.created_at, poll_id: self.poll_id.clone() };
        cursor(&tenant.key(), &place)
    }
}

/// Parses a cursor of this tenant's list. Returns `None` for any other text.
pub fn read_cursor(tenant: &TenantKey, cursor: &str) -> Option<OwnerOrder> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut parts = text.split('.');
    let (created_at, poll_id, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let created_at = Timestamp::from_millis(created_at.parse().ok()?)?;
    let is_ours = parts.next().is_none() && hash == tenant_hash(tenant);
    is_ours.then_some(OwnerOrder { created_at, poll_id: PollId::parse(poll_id)? })
}

/// The first 8 bytes of the key's SHA-256.
pub(crate) fn tenant_hash(tenant: &TenantKey) -> String {
    Sha256::digest(tenant.as_str()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(text: &str) -> TenantKey {
        TenantKey::stored(text)
    }

    proptest! {
        #[test]
        fn a_cursor_is_its_tenants_only(millis in 0u64..200_000_000_000_000, id in "[A-Za-z0-9_-]{1,40}") {
            let last = OwnerOrder { created_at: Timestamp::from_millis(millis).unwrap(), poll_id: PollId::parse(&id).unwrap() };
            let cursor = cursor(&key("alice"), &last);
            prop_assert_eq!(read_cursor(&key("alice"), &cursor), Some(last));
            prop_assert_eq!(read_cursor(&key("bob"), &cursor), None);
            prop_assert!(!cursor.contains("alice"));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,60}") {
            prop_assert_eq!(read_cursor(&key("alice"), &text), None);
            prop_assert_eq!(read_cursor(&key("alice"), &BASE64_URL_SAFE_NO_PAD.encode(text)), None);
        }
    }
}
