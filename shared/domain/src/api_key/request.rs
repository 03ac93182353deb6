//! The body that asks for a key, checked.

use landslide_text::normalise;
use serde::Deserialize;

use super::ApiKey;
use crate::{field_error::FieldError, member::Member, opaque_token::TokenId, role::Role, time::Timestamp};

/// The most characters in a key's name.
const NAME_CHARS_MAX: usize = 100;

/// The body of `POST /v1/keys` as sent: the types are right, nothing else is checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    name: String,
    role: KeyRole,
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

/// The roles that a key may have. Who owns a tenant is an account.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeyRole {
    Editor,
    Viewer,
}

/// A key that is asked for, valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    name: String,
    role: Role,
    expires_at: Option<Timestamp>,
    now: Timestamp,
}

impl CreateKey {
    /// Checks every field, and reports everything that is wrong at once.
    pub fn validate(self, now: Timestamp) -> Result<NewKey, Vec<FieldError>> {
        let mut errors = Vec::new();
        let name = normalise(&self.name, NAME_CHARS_MAX);
        let name = name.map_err(|error| errors.push(FieldError::new("/name", error))).unwrap_or_default();
        if self.expires_at.is_some_and(|expires_at| expires_at <= now) {
            errors.push(FieldError::new("/expires_at", "must be in the future"));
        }
        let role = match self.role {
            KeyRole::Editor => Role::Editor,
            KeyRole::Viewer => Role::Viewer,
        };
        if errors.is_empty() { Ok(NewKey { name, role, expires_at: self.expires_at, now }) } else { Err(errors) }
    }
}

impl NewKey {
    /// The key with this id, made by a member.
    pub fn create(self, key_id: TokenId, member: &Member) -> ApiKey {
        let Self { name, role, expires_at, now } = self;
        ApiKey {
            key_id,
            name,
            role,
            created_at: now,
            created_by: member.author.clone(),
            expires_at,
            last_used_on: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{at, owner};

    fn asked(body: Value) -> Result<NewKey, String> {
        let asked: CreateKey = serde_json::from_value(body).map_err(|error| error.to_string())?;
        asked.validate(at(0)).map_err(|errors| {
            errors.iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect::<Vec<_>>().join("; ")
        })
    }

    #[test]
    fn a_key_has_a_name_as_texts_are_stored_a_role_and_perhaps_an_end() {
        let id = TokenId::from_bytes([1; 10]);
        let key = asked(json!({"name": " the e\u{301}cran ", "role": "viewer"})).unwrap().create(id, &owner());
        assert_eq!((key.name.as_str(), key.role, key.expires_at), ("the \u{e9}cran", Role::Viewer, None));
        assert_eq!((key.created_at, key.created_by), (at(0), owner().author));
        let ends = asked(json!({"name": "n", "role": "editor", "expires_at": at(1)})).unwrap().create(id, &owner());
        assert_eq!((ends.role, ends.expires_at), (Role::Editor, Some(at(1))));
    }

    #[test]
    fn no_key_is_an_owner_and_roles_are_written_as_they_are() {
        for role in [
            json!("owner"),
            json!("Editor"),
            json!("EDITOR"),
            json!(" viewer"),
            json!(""),
            json!(null),
            json!(["editor"]),
        ] {
            let refused = asked(json!({"name": "n", "role": role})).unwrap_err();
            assert!(!refused.is_empty(), "{role}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let refused = asked(json!({"name": "", "role": "editor", "expires_at": at(0)})).unwrap_err();
        assert!(refused.starts_with("/name "), "{refused}");
        assert!(refused.ends_with("; /expires_at must be in the future"), "{refused}");
        assert!(asked(json!({"name": "n".repeat(100), "role": "editor"})).is_ok());
        assert!(asked(json!({"name": "n".repeat(101), "role": "editor"})).unwrap_err().starts_with("/name "));
        assert!(asked(json!({"name": "n", "role": "editor", "scope": "all"})).is_err());
    }
}
