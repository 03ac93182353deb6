//! Tenants: who owns polls. An account by default, or an organisation that the account's token names.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::field_error::FieldError;

/// The most characters in a tenant's value.
pub const VALUE_CHARS_MAX: usize = 255;
/// Stands between the parts of an organisation's key. No issuer and no subject may contain it.
const SEPARATOR: char = '\t';
/// What an organisation's key has between issuer and value.
const ORGANISATION: &str = "organisation";

/// What kind of tenant it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantKind {
    /// One account of an issuer.
    Account,
    /// An organisation that an issuer's tokens name.
    Organisation,
}

impl TenantKind {
    /// Its word in the API and in the authorizer's context.
    pub fn as_str(self) -> &'static str {
        match self {
            TenantKind::Account => "account",
            TenantKind::Organisation => ORGANISATION,
        }
    }

    /// Parses that word. Returns `None` for any other.
    pub fn parse(word: &str) -> Option<Self> {
        [TenantKind::Account, TenantKind::Organisation].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A tenant. Two tenants are one only if issuer, kind and value are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Whose tokens name it.
    pub issuer: String,
    /// What kind it is.
    pub kind: TenantKind,
    /// The account's subject, or the organisation's id.
    pub value: String,
}

/// A tenant as tables and cursors name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantKey(String);

impl Tenant {
    /// The tenant that an account is by itself.
    pub fn account(issuer: &str, subject: &str) -> Self {
        Self { issuer: issuer.to_owned(), kind: TenantKind::Account, value: subject.to_owned() }
    }

    /// The tenant, if issuer and value have a form that tokens may have: an issuer without spaces, a value of 1 to 255
    /// characters without control characters.
    pub fn new(issuer: &str, kind: TenantKind, value: &str) -> Option<Self> {
        let is_issuer = !issuer.is_empty() && !issuer.contains(char::is_whitespace);
        let is_value = (1..=VALUE_CHARS_MAX).contains(&value.chars().count()) && !value.contains(char::is_control);
        (is_issuer && is_value).then(|| Self { issuer: issuer.to_owned(), kind, value: value.to_owned() })
    }

    /// The tenant as a body sends it. Fails if no token could name it.
    pub fn checked(self) -> Result<Self, Vec<FieldError>> {
        Self::new(&self.issuer, self.kind, &self.value).ok_or_else(|| {
            let issuer = FieldError::new("/issuer", "must be an issuer's address, without spaces");
            let value = format!("must have 1 to {VALUE_CHARS_MAX} characters, and no control characters");
            if Self::new(&self.issuer, self.kind, "any").is_none() {
                vec![issuer]
            } else {
                vec![FieldError::new("/value", value)]
            }
        })
    }

    /// Its key. An account's has a space after the issuer; an organisation's has tabs, which no account's contains.
    pub fn key(&self) -> TenantKey {
        let Self { issuer, kind, value } = self;
        TenantKey(match kind {
            TenantKind::Account => format!("{issuer} {value}"),
            TenantKind::Organisation => format!("{issuer}{SEPARATOR}{ORGANISATION}{SEPARATOR}{value}"),
        })
    }
}

impl TenantKey {
    /// A key that was stored.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tenant that has this key. Returns `None` if no tenant has.
    pub fn tenant(&self) -> Option<Tenant> {
        let (issuer, kind, value) = match self.0.split_once(SEPARATOR) {
            Some((issuer, rest)) => {
                (issuer, TenantKind::Organisation, rest.strip_prefix(ORGANISATION)?.strip_prefix(SEPARATOR)?)
            }
            None => self.0.split_once(' ').map(|(issuer, value)| (issuer, TenantKind::Account, value))?,
        };
        Some(Tenant { issuer: issuer.to_owned(), kind, value: value.to_owned() })
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} of {}", self.kind.as_str(), self.value, self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ISSUER: &str = "https://id.example.org";

    fn organisation(value: &str) -> Tenant {
        Tenant::new(ISSUER, TenantKind::Organisation, value).unwrap()
    }

    #[test]
    fn a_tenant_is_told_by_kind_value_and_issuer() {
        assert_eq!(organisation("acme").to_string(), "organisation \"acme\" of https://id.example.org");
    }

    #[test]
    fn a_kind_is_read_by_its_word_and_by_no_other() {
        for (kind, word) in [(TenantKind::Account, "account"), (TenantKind::Organisation, "organisation")] {
            assert_eq!((kind.as_str(), TenantKind::parse(word)), (word, Some(kind)));
        }
        assert_eq!(TenantKind::parse("Account"), None);
    }

    #[test]
    fn an_accounts_key_is_what_polls_had_as_owner_before_there_were_tenants() {
        assert_eq!(Tenant::account(ISSUER, "alice").key().as_str(), "https://id.example.org alice");
    }

    #[test]
    fn an_organisation_is_never_an_account_of_the_same_value() {
        assert_ne!(organisation("acme").key(), Tenant::account(ISSUER, "acme").key());
        assert_ne!(organisation("acme").key(), Tenant::account(ISSUER, "organisation acme").key());
    }

    #[test]
    fn a_tenant_has_the_form_of_a_token() {
        assert_eq!(Tenant::new(ISSUER, TenantKind::Organisation, &"x".repeat(255)).map(|it| it.value.len()), Some(255));
        for value in ["", "a\tb", "a\nb", &"x".repeat(256)] {
            assert_eq!(Tenant::new(ISSUER, TenantKind::Organisation, value), None, "{value:?}");
        }
        for issuer in ["", "a b", "a\tb"] {
            assert_eq!(Tenant::new(issuer, TenantKind::Account, "alice"), None, "{issuer:?}");
        }
    }

    #[test]
    fn a_tenant_that_is_sent_is_checked_and_what_is_wrong_is_named() {
        let sent = |issuer: &str, value: &str| {
            let sent = Tenant { value: value.to_owned(), ..Tenant::account(issuer, "") };
            sent.checked().map_err(|errors| errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>())
        };
        assert_eq!(sent(ISSUER, "alice"), Ok(Tenant::account(ISSUER, "alice")));
        assert_eq!(sent("a b", "alice"), Err(vec!["/issuer".to_owned()]));
        for value in ["", "a\tb", &"x".repeat(256)] {
            assert_eq!(sent(ISSUER, value), Err(vec!["/value".to_owned()]), "{value:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_key_names_no_tenant() {
        for text in ["", "alice", "https://id.example.org\tteam\tacme"] {
            assert_eq!(TenantKey::stored(text).tenant(), None, "{text:?}");
        }
    }

    fn tenants() -> impl Strategy<Value = Tenant> {
        let kinds = prop_oneof![Just(TenantKind::Account), Just(TenantKind::Organisation)];
        ("[a-z:/.]{1,12}", kinds, "[a-z ]{1,12}|organisation [a-z]{1,3}")
            .prop_map(|(issuer, kind, value)| Tenant::new(&issuer, kind, &value).unwrap())
    }

    proptest! {
        #[test]
        fn a_key_names_its_tenant_and_no_other(tenant in tenants(), other in tenants()) {
            prop_assert_eq!(tenant.key().tenant(), Some(tenant.clone()));
            prop_assert_eq!(tenant.key() == other.key(), tenant == other);
        }
    }
}
