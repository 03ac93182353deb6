//! Which claims of an issuer's tokens polls may count by.
//!
//! Only the issuer's configuration says which. They are read from a token that is verified already.

use landslide_domain::claims::{BadClaimName, ClaimName, Claims};
use serde_json::{Map, Value};

/// The most claims that an issuer releases.
const RELEASED_MAX: usize = 10;
/// The longest value that is released, in bytes. The gateway remembers it with the token, and each vote carries it.
const VALUE_BYTES_MAX: usize = 200;

/// The names of an issuer's released claims.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReleasedClaims(Vec<ClaimName>);

/// Why an issuer can't release these claims. The message continues a sentence that begins with the field's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReleasable {
    /// There are too many, or one is there twice.
    #[error("must name at most {RELEASED_MAX} claims, each once")]
    ManyOrTwice,
    /// One of them can't be released.
    #[error(transparent)]
    Name(#[from] BadClaimName),
}

impl ReleasedClaims {
    /// Checks the names.
    pub fn new(names: &[String]) -> Result<Self, NotReleasable> {
        let is_twice = |(index, name): (usize, &String)| names.iter().take(index).any(|earlier| earlier == name);
        if names.len() > RELEASED_MAX || names.iter().enumerate().any(is_twice) {
            return Err(NotReleasable::ManyOrTwice);
        }
        Ok(Self(names.iter().map(|name| ClaimName::parse(name)).collect::<Result<_, _>>()?))
    }

    /// Reads the claims of an issuer's token. One that is no text, or too long, is as if it were not there.
    pub fn read(&self, claims: &[u8]) -> Claims {
        if self.0.is_empty() {
            return Claims::default();
        }
        let mut claims: Map<String, Value> = serde_json::from_slice(claims).unwrap_or_default();
        let released = self.0.iter().filter_map(|name| match claims.remove(name.as_str()) {
            Some(Value::String(value)) if value.len() <= VALUE_BYTES_MAX => Some((name.as_str().to_owned(), value)),
            _ => None,
        });
        released.collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn released(names: &[&str]) -> Result<ReleasedClaims, String> {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        ReleasedClaims::new(&names).map_err(|wrong| wrong.to_string())
    }

    /// What leaves a token, as the context carries it.
    fn read(names: &[&str], token: &Value) -> Option<String> {
        released(names).unwrap().read(token.to_string().as_bytes()).to_text()
    }

    #[test]
    fn only_what_is_released_leaves_a_token() {
        let token =
            json!({"sub": "alice", "email": "a@example.org", "region": "north", "age_group": "18-29", "city": "Bern"});
        assert_eq!(read(&["age_group", "region"], &token).unwrap(), r#"{"age_group":"18-29","region":"north"}"#);
        assert_eq!(read(&["region", "canton"], &token).unwrap(), r#"{"region":"north"}"#);
        assert_eq!(read(&["Region"], &token), None, "names are compared to the letter");
        assert_eq!(read(&[], &token), None);
    }

    #[test]
    fn a_claim_that_is_no_text_of_at_most_200_bytes_is_left_out() {
        for value in
            [json!(7), json!(null), json!(true), json!(["north"]), json!({"a": "north"}), json!("é".repeat(101))]
        {
            assert_eq!(
                read(&["region", "city"], &json!({"region": value, "city": "Bern"})).unwrap(),
                r#"{"city":"Bern"}"#
            );
        }
        let longest = "é".repeat(100);
        assert!(read(&["region"], &json!({"region": longest})).is_some_and(|text| text.contains(&longest)));
    }

    #[test]
    fn a_value_is_released_as_it_is_in_the_token() {
        let decomposed = "Gene\u{300}ve ";
        let claims = released(&["region"]).unwrap().read(json!({"region": decomposed}).to_string().as_bytes());
        assert_eq!(claims.get("region"), Some(decomposed));
    }

    #[test]
    fn an_issuer_releases_at_most_ten_claims_each_once() {
        let names: Vec<String> = (0..11).map(|number| format!("claim{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(released(&names[..10]).is_ok());
        let refused = Err("must name at most 10 claims, each once".to_owned());
        assert_eq!(released(&names), refused);
        assert_eq!(released(&["region", "city", "region"]), refused);
    }
}
