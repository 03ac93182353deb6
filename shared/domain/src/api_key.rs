//! API keys: how a server manages a tenant's polls.

use serde::Serialize;

use crate::{
    audit::{Difference, Entry, Object},
    member::{Action, Author, Member},
    opaque_token::{DELETION_MS, TokenId},
    role::Role,
    time::Timestamp,
};

#[cfg(any(test, feature = "text"))]
mod request;

#[cfg(any(test, feature = "text"))]
pub use request::{CreateKey, NewKey};

/// The most keys of a tenant. Keys that are created at the same moment may pass it by a few.
pub const KEYS_MAX: usize = 100;

/// A key, as its tenant's owners see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// Its id.
    pub key_id: TokenId,
    /// What its tenant calls it.
    pub name: String,
    /// What it is in its tenant. Never an owner.
    pub role: Role,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: Author,
    /// Until when it may be used. If `None`, until it is deleted.
    pub expires_at: Option<Timestamp>,
    /// The last day on which it was used, in UTC, such as `2026-11-24`.
    pub last_used_on: Option<String>,
}

/// A new key, with what is shown of it once.
#[derive(Serialize)]
pub struct CreatedKey {
    /// The key as lists show it.
    #[serde(flatten)]
    pub listed: ApiKey,
    /// The key itself.
    pub key: String,
}

/// What became of a key that was deleted.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct DeletedKey {
    /// The key's id.
    pub key_id: TokenId,
    /// From when on it is refused.
    pub effective_at: Timestamp,
}

impl DeletedKey {
    /// A key that is deleted by now.
    pub fn new(key_id: TokenId, now: Timestamp) -> Self {
        Self { key_id, effective_at: now.plus_millis(DELETION_MS) }
    }
}

impl ApiKey {
    /// What the audit log keeps of its creation.
    pub fn created(&self, member: &Member) -> Entry {
        let to = |value: serde_json::Value| Difference { from: serde_json::Value::Null, to: value };
        let mut changes = vec![("name", to(self.name.as_str().into())), ("role", to(self.role.as_str().into()))];
        changes.extend(self.expires_at.map(|at| ("expires_at", to(at.to_string().into()))));
        Entry {
            changes: changes.into_iter().map(|(field, change)| (field.to_owned(), change)).collect(),
            ..entry(member, Action::KeyCreated, self.key_id, self.created_at)
        }
    }
}

/// What the audit log keeps of a key's deletion.
pub fn deleted(key: TokenId, member: &Member, now: Timestamp) -> Entry {
    entry(member, Action::KeyDeleted, key, now)
}

fn entry(member: &Member, action: Action, key: TokenId, at: Timestamp) -> Entry {
    Entry::of_request(member.stamp(action, at), Object::Key { key_id: key.to_string() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{at, owner};

    #[test]
    fn the_log_keeps_a_new_keys_name_role_and_end() {
        let key = ApiKey {
            key_id: TokenId::from_bytes([1; 10]),
            name: "studio".to_owned(),
            role: Role::Editor,
            created_at: at(1),
            created_by: owner().author,
            expires_at: Some(at(9)),
            last_used_on: None,
        };
        let changes = |key: &ApiKey| serde_json::to_value(key.created(&owner())).unwrap()["changes"].clone();
        let to = |value: serde_json::Value| json!({"from": null, "to": value});
        let expected =
            json!({"name": to(json!("studio")), "role": to(json!("editor")), "expires_at": to(json!(at(9)))});
        assert_eq!(changes(&key), expected);
        let endless = ApiKey { expires_at: None, ..key };
        assert_eq!(changes(&endless), json!({"name": to(json!("studio")), "role": to(json!("editor"))}));
    }
}
