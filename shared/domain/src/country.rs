//! Countries, as a CDN says where a request came from.

/// A country by its code of two capital letters (ISO 3166-1, alpha-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country([u8; 2]);

impl Country {
    /// Parses a code. Returns `None` if it is not two capital letters; whether a country has it is not looked up.
    pub fn parse(code: &str) -> Option<Self> {
        let letters = <[u8; 2]>::try_from(code.as_bytes()).ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_two_capital_letters() {
        assert_eq!(Country::parse("NL").as_ref().map(Country::as_str), Some("NL"));
        for odd in ["", "N", "nl", "NLD", "N1", "Ñ", " N", "É"] {
            assert_eq!(Country::parse(odd), None, "{odd:?}");
        }
    }
}
