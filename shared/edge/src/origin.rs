//! Whether a request came through our CDN, and what the CDN says of it.

use lambda_runtime::Error as LambdaError;
use landslide_aws::{config, sdk, secret};
use landslide_domain::country::Country;
use subtle::{Choice, ConstantTimeEq};

use super::{
    event::{COUNTRY, ORIGIN_VERIFY},
    request::Request,
};

/// The keys by which the CDN proves itself. Each is as good as the other, so that one can be replaced while the other is
/// in use. Without a CDN there are none.
#[derive(Default)]
pub struct Origin {
    keys: Vec<Vec<u8>>,
}

impl Origin {
    /// The keys in the secret that the environment names, if it names one.
    pub async fn from_env() -> Result<Self, LambdaError> {
        let Some(id) = config::text_if_any("ORIGIN_VERIFY_SECRET") else { return Ok(Self::default()) };
        Ok(Self::of(secret::read_keys(&sdk::sdk_config()?, &id).await?))
    }

    /// These keys.
    pub fn of(keys: Vec<Vec<u8>>) -> Self {
        Self { keys }
    }

    /// Where a request came from, if our CDN says so.
    pub fn country(&self, request: &Request) -> Option<Country> {
        let proof = request.header(ORIGIN_VERIFY)?;
        let country = Country::parse(request.header(COUNTRY)?)?;
        self.is_ours(proof.as_bytes()).then_some(country)
    }

    /// Compares with all keys, in a time that tells nothing of them but their length.
    fn is_ours(&self, proof: &[u8]) -> bool {
        let equal = self.keys.iter().map(|key| key.as_slice().ct_eq(proof));
        equal.fold(Choice::from(0), |any, this| any | this).into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use serde_json::json;

    fn request(headers: &[(&str, &str)]) -> Request {
        let headers: serde_json::Map<_, _> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let event = json!({"headers": headers, "requestContext": {"requestId": "r", "httpMethod": "POST", "resourcePath": "/"}});
        Request::new(serde_json::from_value(event).unwrap(), SystemTime::now())
    }

    fn country(keys: &[&str], headers: &[(&str, &str)]) -> Option<String> {
        let origin = Origin::of(keys.iter().map(|key| key.as_bytes().to_vec()).collect());
        origin.country(&request(headers)).map(|country| country.as_str().to_owned())
    }

    #[test]
    fn a_country_is_believed_with_either_key() {
        for proof in ["first key", "second key"] {
            let headers = [("CloudFront-Viewer-Country", "NL"), ("Landslide-Origin-Verify", proof)];
            assert_eq!(country(&["first key", "second key"], &headers).as_deref(), Some("NL"), "{proof}");
        }
    }

    #[test]
    fn a_country_without_a_key_of_ours_or_none_at_all_is_unknown() {
        let sent = |proof| [("CloudFront-Viewer-Country", "NL"), ("Landslide-Origin-Verify", proof)];
        for proof in ["", "first", "first key ", "First key", "another key"] {
            assert_eq!(country(&["first key", "second key"], &sent(proof)), None, "{proof:?}");
        }
        assert_eq!(country(&[], &sent("first key")), None, "a deployment without a CDN");
        assert_eq!(country(&[], &sent("")), None, "a deployment without a CDN");
        assert_eq!(country(&["first key"], &sent("first key")[..1]), None, "no proof");
        assert_eq!(country(&["first key"], &sent("first key")[1..]), None, "no country");
        assert_eq!(country(&["first key"], &[("CloudFront-Viewer-Country", "nl"), sent("first key")[1]]), None);
    }
}
