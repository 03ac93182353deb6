//! The caller of a request, as the authorizer vouches for it.

use serde::{Deserialize, Serialize};

use super::{tenant::Tenant, time::Timestamp};

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

/// The identity behind a request: issuer and subject of a verified token.
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
}

impl Caller {
    /// The tenant that the account is by itself.
    pub fn tenant(&self) -> Tenant {
        Tenant::account(&self.issuer, &self.subject)
    }

    /// A claim of the token that its issuer releases to polls.
    pub fn claim(&self, _: &str) -> Option<&str> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_token_has_its_word() {
        for (kind, word) in [(TokenKind::Account, "account"), (TokenKind::Device, "device")] {
            assert_eq!((kind.as_str(), TokenKind::parse(word)), (word, Some(kind)));
        }
        assert_eq!(TokenKind::parse("ticket"), None);
    }
}
