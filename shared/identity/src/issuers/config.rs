//! Parses the configured issuers, entry by entry. An error names its entry and repeats no value, which could be a
//! secret.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    key_sets::{KeysAt, Reach, check_uri},
    membership::MembershipClaims,
    providers::NAME_CHARS_MAX,
    released::ReleasedClaims,
    token::{AUDIENCE_CLAIM, Expected},
};

/// Claims that can't name an audience.
const OTHER_CLAIMS: [&str; 6] = ["iss", "sub", "exp", "nbf", "iat", "jti"];
/// The most characters in a client's id.
const CLIENT_ID_CHARS_MAX: usize = 255;

/// What is wrong with an issuer's entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entry}: {field:?} {wrong}")]
pub struct Problem {
    /// `issuer "https://…"`, or `entry 2` if it has no name.
    pub entry: String,
    /// The field's name.
    pub field: String,
    /// What is wrong with it.
    pub wrong: String,
}

/// One issuer.
#[derive(Debug)]
pub struct Entry {
    /// Its name and its aliases, as far as they are valid.
    pub names: Vec<String>,
    /// Its other settings, or why they are not valid.
    pub settings: Result<Settings, Problem>,
}

/// How an issuer's tokens are verified.
#[derive(Debug)]
pub struct Settings {
    /// What its tokens must say.
    pub expected: Expected,
    /// Where its keys are.
    pub keys: Keys,
    /// What else its tokens say.
    pub more: MoreClaims,
    /// By which client the page signs its accounts in. `None` if the page does not.
    pub client: Option<Client>,
}

/// The client that the page is at an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The issuer's name.
    pub issuer: String,
    /// Other names of the same issuer.
    pub aliases: Vec<String>,
    /// The client's id. ID tokens are for this audience.
    pub id: String,
    /// Where the issuer signs people in.
    pub endpoints: EndpointsAt,
}

/// Where an issuer signs people in, or where it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointsAt {
    /// As this discovery document says.
    Discovery(String),
    /// As the configuration says.
    Given {
        /// Where browsers are sent.
        authorization: String,
        /// Where a code is exchanged for tokens.
        token: String,
    },
}

/// What is read from an issuer's tokens besides who calls.
#[derive(Debug)]
pub struct MoreClaims {
    /// Which claims carry organisation and role, if any do.
    pub membership: Option<MembershipClaims>,
    /// Which claims polls may count by.
    pub released: ReleasedClaims,
}

/// Where an issuer's keys are.
#[derive(Debug)]
pub enum Keys {
    /// In the configuration itself.
    Inline(Vec<Value>),
    /// At an address.
    At(KeysAt),
}

/// Parses the entries of the JSON list.
pub fn read(issuers: &str, reach: Reach) -> Result<Vec<Entry>, Problem> {
    let wrong =
        |wrong: &str| Problem { entry: "all issuers".to_owned(), field: "Issuers".to_owned(), wrong: wrong.to_owned() };
    let list: Value = serde_json::from_str(issuers).map_err(|_| wrong("is not JSON"))?;
    let Value::Array(entries) = list else { return Err(wrong("is not a JSON list")) };
    Ok(entries.into_iter().enumerate().map(|(index, entry)| read_entry(index + 1, entry, reach)).collect())
}

fn read_entry(position: usize, entry: Value, reach: Reach) -> Entry {
    let Value::Object(members) = entry else {
        let problem = Problem {
            entry: format!("entry {position}"),
            field: "Issuers".to_owned(),
            wrong: "must list JSON objects".to_owned(),
        };
        return Entry { names: vec![], settings: Err(problem) };
    };
    let mut fields = Fields { entry: format!("entry {position}"), members };
    let name = match fields.name() {
        Ok(name) => name,
        Err(problem) => return Entry { names: vec![], settings: Err(problem) },
    };
    fields.entry = format!("issuer {name:?}");
    let aliases = fields.aliases();
    let names = [vec![name.clone()], aliases.clone().unwrap_or_default()].concat();
    let settings = aliases.and_then(|aliases| fields.settings(name, aliases, reach));
    Entry { names, settings }
}

/// An entry's fields that are not parsed yet.
struct Fields {
    entry: String,
    members: Map<String, Value>,
}

impl Fields {
    fn problem(&self, field: &str, wrong: impl Into<String>) -> Problem {
        Problem { entry: self.entry.clone(), field: field.to_owned(), wrong: wrong.into() }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.members.remove(field).filter(|value| !value.is_null())
    }

    fn text(&mut self, field: &str) -> Result<Option<String>, Problem> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(self.problem(field, "must be a text that is not empty")),
        }
    }

    fn name(&mut self) -> Result<String, Problem> {
        let name = self.text("issuer")?.ok_or_else(|| self.problem("issuer", "is missing"))?;
        if is_name(&name) { Ok(name) } else { Err(self.problem("issuer", NOT_A_NAME)) }
    }

    fn aliases(&mut self) -> Result<Vec<String>, Problem> {
        let Some(aliases) = self.take("aliases") else { return Ok(vec![]) };
        let names: Option<Vec<String>> = serde_json::from_value(aliases).ok();
        match names.filter(|names| names.iter().all(|name| is_name(name))) {
            Some(names) => Ok(names),
            None => Err(self.problem("aliases", format!("must list names, and one {NOT_A_NAME}"))),
        }
    }

    fn settings(&mut self, issuer: String, aliases: Vec<String>, reach: Reach) -> Result<Settings, Problem> {
        let audiences = self.audiences()?;
        let audience_claim = self.text("audience_claim")?.unwrap_or_else(|| AUDIENCE_CLAIM.to_owned());
        if OTHER_CLAIMS.contains(&audience_claim.as_str()) {
            return Err(self.problem("audience_claim", "names a claim that does not say for whom a token is"));
        }
        let more = MoreClaims { membership: self.membership()?, released: self.released()? };
        let keys = self.keys(reach)?;
        let client = self.client(&issuer, &aliases, &keys, reach)?;
        if let Some(unknown) = self.members.keys().next() {
            return Err(self.problem(unknown, "is not known"));
        }
        Ok(Settings { expected: Expected { issuer, aliases, audiences, audience_claim }, keys, more, client })
    }

    /// The client that the page is there. What belongs to one is of no use without its id.
    fn client(
        &mut self,
        issuer: &str,
        aliases: &[String],
        keys: &Keys,
        reach: Reach,
    ) -> Result<Option<Client>, Problem> {
        const ENDPOINTS: [&str; 2] = ["authorization_endpoint", "token_endpoint"];
        let id = self.client_id()?;
        let has_name = self.shown_name()?;
        let [authorization, token] = [self.address(ENDPOINTS[0], reach)?, self.address(ENDPOINTS[1], reach)?];
        let given = [&authorization, &token]
            .into_iter()
            .zip(ENDPOINTS)
            .find_map(|(value, field)| value.as_ref().map(|_| field));
        let Some(id) = id else {
            return match given.or(has_name.then_some("name")) {
                Some(field) => Err(self.problem(field, "is of no use without \"client_id\"")),
                None => Ok(None),
            };
        };
        let endpoints = match (keys, authorization, token) {
            (Keys::At(KeysAt::Discovery(uri)), None, None) => EndpointsAt::Discovery(uri.clone()),
            (Keys::At(KeysAt::Discovery(_)), ..) => {
                return Err(self.problem(given.unwrap_or(ENDPOINTS[0]), "is already in the document at \"discovery\""));
            }
            (_, Some(authorization), Some(token)) => EndpointsAt::Given { authorization, token },
            (_, None, _) => return Err(self.problem(ENDPOINTS[0], NO_ENDPOINT)),
            (_, _, None) => return Err(self.problem(ENDPOINTS[1], NO_ENDPOINT)),
        };
        Ok(Some(Client { issuer: issuer.to_owned(), aliases: aliases.to_vec(), id, endpoints }))
    }

    /// Visible characters, of which a client's id consists (RFC 6749, appendix A.1).
    fn client_id(&mut self) -> Result<Option<String>, Problem> {
        let id = self.text("client_id")?;
        let is_one = |id: &String| id.len() <= CLIENT_ID_CHARS_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
        match id {
            Some(id) if !is_one(&id) => {
                let wrong = format!("must be at most {CLIENT_ID_CHARS_MAX} visible ASCII characters");
                Err(self.problem("client_id", wrong))
            }
            id => Ok(id),
        }
    }

    /// Whether there is a name to show to people.
    fn shown_name(&mut self) -> Result<bool, Problem> {
        let name = self.text("name")?;
        let is_one = |name: &String| name.chars().count() <= NAME_CHARS_MAX && !name.chars().any(char::is_control);
        if name.as_ref().is_some_and(|name| !is_one(name) || name.trim().is_empty()) {
            let wrong = format!(
                "must have at most {NAME_CHARS_MAX} characters, one of them visible and none a control character"
            );
            return Err(self.problem("name", wrong));
        }
        Ok(name.is_some())
    }

    /// One or several, as a provider may have several clients with the same users.
    fn audiences(&mut self) -> Result<Vec<String>, Problem> {
        let audiences = match self.take("audience") {
            None => return Err(self.problem("audience", "is missing")),
            Some(Value::String(one)) => vec![one],
            Some(several) => serde_json::from_value(several).unwrap_or_default(),
        };
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err(self.problem("audience", "must be a text or a list of texts, none of them empty"));
        }
        Ok(audiences)
    }

    fn membership(&mut self) -> Result<Option<MembershipClaims>, Problem> {
        let (organisation, role) = (self.text("organisation_claim")?, self.text("role_claim")?);
        let roles = match self.take("roles") {
            None => BTreeMap::new(),
            Some(roles) => serde_json::from_value(roles)
                .map_err(|_| self.problem("roles", "must map words to \"owner\", \"editor\" or \"viewer\""))?,
        };
        match (organisation, role) {
            (Some(organisation), Some(role)) => Ok(Some(MembershipClaims { organisation, role, roles })),
            (None, None) if roles.is_empty() => Ok(None),
            (None, _) => Err(self.problem("organisation_claim", "is missing, and there is a role")),
            (Some(_), None) => Err(self.problem("role_claim", "is missing, and there is an organisation")),
        }
    }

    fn released(&mut self) -> Result<ReleasedClaims, Problem> {
        let names = self.take("released_claims").map(serde_json::from_value::<Vec<String>>).transpose();
        let names = names.map_err(|_| self.problem("released_claims", "must be a list of texts"))?.unwrap_or_default();
        ReleasedClaims::new(&names).map_err(|wrong| self.problem("released_claims", wrong.to_string()))
    }

    fn keys(&mut self, reach: Reach) -> Result<Keys, Problem> {
        let jwks = self.take("jwks");
        let (jwks_uri, discovery) = (self.address("jwks_uri", reach)?, self.address("discovery", reach)?);
        match (jwks, jwks_uri, discovery) {
            (Some(jwks), None, None) => self.inline(jwks),
            (None, Some(uri), None) => Ok(Keys::At(KeysAt::Uri(uri))),
            (None, None, Some(uri)) => Ok(Keys::At(KeysAt::Discovery(uri))),
            _ => Err(self.problem("jwks", "or \"jwks_uri\" or \"discovery\" must be there, and only one of them")),
        }
    }

    fn address(&mut self, field: &str, reach: Reach) -> Result<Option<String>, Problem> {
        let Some(uri) = self.text(field)? else { return Ok(None) };
        check_uri(&uri, reach).map_err(|wrong| self.problem(field, wrong.to_string()))?;
        Ok(Some(uri))
    }

    fn inline(&self, mut jwks: Value) -> Result<Keys, Problem> {
        match jwks.get_mut("keys").map(Value::take) {
            Some(Value::Array(keys)) => Ok(Keys::Inline(keys)),
            _ => Err(self.problem("jwks", "must be a key set: {\"keys\": […]}")),
        }
    }
}

const NO_ENDPOINT: &str = "is missing: there is a \"client_id\", and no \"discovery\" that says where to sign in";
const NOT_A_NAME: &str = "must be a name without spaces";

/// Without spaces, as one separates issuer and subject in a poll's owner.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::is_whitespace)
}
