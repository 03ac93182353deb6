//! Claims of an account's token by which polls may count: those that its issuer's configuration releases.

use std::collections::BTreeMap;

/// The most characters in a claim's name.
pub const NAME_CHARS_MAX: usize = 64;

/// Claims that say who somebody is (OpenID Connect Core, section 5.1), or that belong to one token (RFC 7519, section
/// 4.1; OpenID Connect Core, section 2). No poll counts by them.
const NEVER_RELEASED: [&str; 28] = [
    "sub",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "email_verified",
    "phone_number",
    "phone_number_verified",
    "birthdate",
    "address",
    "iss",
    "aud",
    "azp",
    "exp",
    "nbf",
    "iat",
    "auth_time",
    "jti",
    "nonce",
    "sid",
    "at_hash",
    "c_hash",
];

/// The name of a claim by which polls may count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimName(String);

/// Why polls can't count by a claim of that name. The message continues a sentence that begins with the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadClaimName {
    /// It is no name, or a JSON pointer, by which one could mean a part of a claim that is never released.
    #[error("must name a claim by 1 to {NAME_CHARS_MAX} visible ASCII characters, the first of them no slash")]
    Malformed,
    /// It identifies the person or the token.
    #[error("names the claim {0}, which identifies the person or the token")]
    NeverReleased(&'static str),
}

impl ClaimName {
    /// Parses the name of a claim that may be released.
    pub fn parse(name: &str) -> Result<Self, BadClaimName> {
        let is_visible = name.bytes().all(|byte| byte.is_ascii_graphic());
        if !(1..=NAME_CHARS_MAX).contains(&name.len()) || !is_visible || name.starts_with('/') {
            return Err(BadClaimName::Malformed);
        }
        match NEVER_RELEASED.iter().find(|never| **never == name) {
            Some(never) => Err(BadClaimName::NeverReleased(never)),
            None => Ok(Self(name.to_owned())),
        }
    }

    /// The name, as it is in tokens.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The released claims of one token, with their values as the token has them. Empty takes no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(BTreeMap<String, String>);

impl Claims {
    /// A claim's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// They as the text that the authorizer's context carries. `None` if there are none.
    pub fn to_text(&self) -> Option<String> {
        if self.0.is_empty() { None } else { serde_json::to_string(&self.0).ok() }
    }

    /// Parses that text. Returns `None` if it is another.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }
}

impl FromIterator<(String, String)> for Claims {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(claims: I) -> Self {
        Self(claims.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(claims: &[(&str, &str)]) -> Claims {
        claims.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn a_claim_that_identifies_is_never_released() {
        for never in ["sub", "email", "phone_number", "name", "preferred_username", "birthdate", "jti", "nonce", "iat"]
        {
            assert_eq!(ClaimName::parse(never), Err(BadClaimName::NeverReleased(never)));
        }
        for other in ["region", "age_group", "Email", "https://example.org/region", "custom:region"] {
            assert_eq!(ClaimName::parse(other).as_ref().map(ClaimName::as_str), Ok(other));
        }
    }

    #[test]
    fn the_documentation_names_each_claim_that_is_never_released() {
        let documented = include_str!("../../../docs/identity.md").lines();
        let row = documented.filter(|line| line.starts_with("| never released |")).collect::<String>();
        let names: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert_eq!(names, NEVER_RELEASED);
    }

    #[test]
    fn a_claims_name_has_1_to_64_visible_characters_and_is_no_pointer() {
        assert!(ClaimName::parse(&"x".repeat(64)).is_ok());
        for odd in ["", "a b", "a\u{7}", "é", "/address/region", &"x".repeat(65)] {
            assert_eq!(ClaimName::parse(odd), Err(BadClaimName::Malformed), "{odd:?}");
        }
    }

    #[test]
    fn claims_are_the_same_after_their_way_through_the_context() {
        let sent = claims(&[("region", "Nord \"é\" \\ \u{1f33b}"), ("age_group", "18–29")]);
        let received = Claims::parse(&sent.to_text().unwrap()).unwrap();
        assert_eq!(received, sent);
        assert_eq!((received.get("age_group"), received.get("city")), (Some("18–29"), None));
    }

    #[test]
    fn no_claims_have_no_text_and_another_text_is_no_claims() {
        assert_eq!(Claims::default().to_text(), None);
        for odd in ["", "north", "[]", "null", "{\"region\":7}", "{\"region\":null}", "{\"region\":\"north\""] {
            assert_eq!(Claims::parse(odd), None, "{odd}");
        }
    }
}
