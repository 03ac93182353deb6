//! The caller of a request, as the authorizer vouches for it.

use serde::{Deserialize, Serialize};

use super::{claims::Claims, tenant::Tenant, time::Timestamp};

/// What kind of token the caller brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// An account of an OpenID Provider.
    Account,
    /// A device that Landslide registered.
    Device,
}

impl TokenKind {
    /// The word that the authorizer's context carries.
    pub fn as_str(self) -> &'static str {
        match self {
            TokenKind::Account => "account",
            TokenKind::Device => "device",
        }
    }

    /// Parses that word. Returns `None` for any other.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "account" => Some(TokenKind::Account),
            "device" => Some(TokenKind::Device),
            _ => None,
        }
    }
}

/// The identity behind a request: issuer and subject of a verified token. Nothing else says who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's `iss`.
    pub issuer: String,
    /// The token's `sub`, unique within the issuer.
    pub subject: String,
    /// Which kind of token it was.
    pub kind: TokenKind,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// What else of the token the issuer releases to polls. Voters' methods get it, others do not.
    pub claims: Claims,
}

impl Caller {
    /// The tenant that the account is by itself.
    pub fn tenant(&self) -> Tenant {
        Tenant::account(&self.issuer, &self.subject)
    }

    /// The value of a released claim, as the token has it: not in NFC.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::VoterKey, member::Member, testing::account};

    #[test]
    fn each_kind_of_token_has_its_word() {
        for (kind, word) in [(TokenKind::Account, "account"), (TokenKind::Device, "device")] {
            assert_eq!((kind.as_str(), TokenKind::parse(word)), (word, Some(kind)));
        }
        assert_eq!(TokenKind::parse("ticket"), None);
    }

    #[test]
    fn claims_do_not_change_who_votes_or_who_owns() {
        let claims = [("region".to_owned(), "north".to_owned())].into_iter().collect();
        let (alice, moved) = (account("alice"), Caller { claims, ..account("alice") });
        assert_eq!((alice.claim("region"), moved.claim("region")), (None, Some("north")));
        assert!(VoterKey::of(&alice, &[7; 32]) == VoterKey::of(&moved, &[7; 32]));
        assert_eq!(alice.tenant(), moved.tenant());
        assert_eq!(Member::of_account(&alice, "r1"), Member::of_account(&moved, "r1"));
    }
}
