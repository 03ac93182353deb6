//! The dimensions that a poll is broken down by: what they are called, which values they have, and who says a voter's.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ballot::UNKNOWN;

/// Where a voter's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The vote says it.
    Vote,
    /// The country that the vote came from, if a CDN of ours says so.
    Country,
    /// This claim of the account's token, if the issuer releases it.
    Claim(String),
}

/// How a claim's name begins in the API.
const CLAIM: &str = "claim:";

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Vote => serializer.serialize_str("vote"),
            Self::Country => serializer.serialize_str("country"),
            Self::Claim(name) => serializer.collect_str(&format_args!("{CLAIM}{name}")),
        }
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match (text.as_str(), text.strip_prefix(CLAIM)) {
            (_, Some(name)) => Ok(Self::Claim(name.to_owned())),
            ("vote", None) => Ok(Self::Vote),
            ("country", None) => Ok(Self::Country),
            _ => Err(de::Error::custom("must be `vote`, `country`, or `claim:` and a claim's name")),
        }
    }
}

/// The most characters in a dimension's name.
pub const NAME_CHARS_MAX: usize = 32;

/// One dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// Its name in requests and responses.
    pub name: String,
    /// Its values. A voter with none of them is counted as unknown.
    pub values: Vec<String>,
    /// Who says a voter's value.
    pub from: Source,
}

impl Dimension {
    /// Whether a text may be a dimension's name. No poll has one of another form.
    pub fn is_name(text: &str) -> bool {
        let is_letter = |c: char| c.is_ascii_lowercase();
        let is_of_name = |c: char| is_letter(c) || c.is_ascii_digit() || c == '_';
        text.len() <= NAME_CHARS_MAX && text.starts_with(is_letter) && text.chars().all(is_of_name)
    }

    /// Whether the vote says the voter's value.
    pub fn is_said(&self) -> bool {
        self.from == Source::Vote
    }

    /// The place of a value from 1 on, or `UNKNOWN`.
    pub fn place_of(&self, value: &str) -> u8 {
        let place = self.values.iter().position(|known| known == value);
        place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(UNKNOWN)
    }

    /// The value at a place. `None` if it is `UNKNOWN`.
    pub fn value_at(&self, place: u8) -> Option<&str> {
        self.values.get(usize::from(place).checked_sub(1)?).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_dimension_is_named_by_few_letters_that_sql_leaves_alone() {
        assert!(["region", "a", "age_2"].into_iter().all(Dimension::is_name));
        assert!(!["", "Region", "_a", "2a", "a'b", &"a".repeat(33)].into_iter().any(Dimension::is_name));
    }

    #[test]
    fn a_source_is_a_word_or_a_claims_name() {
        let region = Source::Claim("region".to_owned());
        for (source, text) in [(Source::Vote, "vote"), (Source::Country, "country"), (region, "claim:region")] {
            assert_eq!(serde_json::to_value(&source).unwrap(), json!(text));
            assert_eq!(serde_json::from_value::<Source>(json!(text)).unwrap(), source);
        }
        assert!(serde_json::from_value::<Source>(json!("cookie")).is_err());
    }

    #[test]
    fn values_have_places_from_one_on() {
        let values = ["north", "south"].map(str::to_owned).to_vec();
        let dimension = Dimension { name: "region".to_owned(), values, from: Source::Vote };
        assert_eq!(["south", "north", "North", ""].map(|value| dimension.place_of(value)), [2, 1, 0, 0]);
        assert_eq!([0, 1, 2, 3].map(|place| dimension.value_at(place)), [None, Some("north"), Some("south"), None]);
    }
}
