//! The OpenID Providers at which people sign in on the page, by the names that people see. Who only shows these names
//! needs no more of the issuers' configuration than this.

use serde::Deserialize;
use serde_json::Value;

/// The most characters in a name.
pub const NAME_CHARS_MAX: usize = 60;

/// A provider at which people can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The issuer's name.
    pub issuer: String,
    /// The name that people see: the configured one, or the issuer's host.
    pub name: String,
}

/// The providers in the order of the configuration. A link on the page names one by its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Providers(Vec<Provider>);

impl Providers {
    /// Reads the issuers that have a client for the page, each once. Skips all others; what is wrong with them is logged
    /// where tokens are verified.
    pub fn read(issuers: &str) -> Self {
        #[derive(Deserialize)]
        struct Entry {
            issuer: String,
            #[serde(rename = "client_id")]
            _client_id: String,
            name: Option<String>,
        }
        let entries: Vec<Value> = serde_json::from_str(issuers).unwrap_or_default();
        let mut providers: Vec<Provider> = vec![];
        for Entry { issuer, name, .. } in entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()) {
            if providers.iter().all(|earlier| earlier.issuer != issuer) {
                let name = name.unwrap_or_else(|| host(&issuer).to_owned());
                providers.push(Provider { issuer, name });
            }
        }
        Self(providers)
    }

    /// All of them.
    pub fn all(&self) -> &[Provider] {
        &self.0
    }

    /// The one at a place, as a link names it.
    pub fn at(&self, place: usize) -> Option<&Provider> {
        self.0.get(place)
    }

    /// The one with this issuer's name.
    pub fn of_issuer(&self, issuer: &str) -> Option<&Provider> {
        self.0.iter().find(|provider| provider.issuer == issuer)
    }
}

fn host(issuer: &str) -> &str {
    let after_scheme = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    after_scheme.split('/').next().unwrap_or(after_scheme)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn those_with_a_client_are_named_in_their_order() {
        let issuers = json!([
            {"issuer": "https://api.example.org", "audience": "a", "jwks_uri": "https://api.example.org/jwks"},
            {"issuer": "https://id.example.org/realms/x", "client_id": "c"},
            7,
            {"issuer": "https://id.example.net", "client_id": "c", "name": "Example ID"},
            {"issuer": "https://id.example.net", "client_id": "d", "name": "Twice"},
            {"issuer": "accounts.example.com", "client_id": "c"},
        ]);
        let providers = Providers::read(&issuers.to_string());
        let names: Vec<&str> = providers.all().iter().map(|provider| provider.name.as_str()).collect();
        assert_eq!(names, ["id.example.org", "Example ID", "accounts.example.com"]);
        assert_eq!(providers.at(1), providers.of_issuer("https://id.example.net"));
        assert_eq!((providers.at(3), providers.of_issuer("https://api.example.org")), (None, None));
    }

    #[test]
    fn what_is_no_list_has_no_providers() {
        for text in ["", "[]", "{}", "null", "[null]", "[{\"client_id\": \"c\"}]"] {
            assert_eq!(Providers::read(text), Providers::default(), "{text}");
        }
    }
}
