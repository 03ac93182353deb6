//! The issuers whose tokens are accepted; verifies a token by its issuer's keys.
//!
//! An issuer that is misconfigured does not affect the others. The log names it, and its tokens can't be judged.

mod config;

use std::{collections::HashMap, sync::Arc};

use landslide_domain::{caller::Caller, claims::Claims, time::Timestamp};

pub use self::config::{Client, EndpointsAt, Problem};
use self::config::{Entry, Keys, MoreClaims, Settings};
use crate::{
    device_keys::DeviceKeys,
    key_sets::{Fetch, FetchedKeys, HttpFetch, KeysUnavailable, Reach, StoredKeySets},
    membership::Membership,
    token::{AUDIENCE_CLAIM, DEVICE_ISSUER, KeySet, Refused, Token},
};

/// The most characters that are logged of a name in an unverified token.
const LOGGED_CHARS_MAX: usize = 200;

/// Accepted issuers.
pub struct Issuers {
    /// Where keys are, by each of the issuer's names.
    sources: HashMap<String, Arc<Source>>,
    /// What else tokens say, by the issuer's first name.
    more: HashMap<String, MoreClaims>,
}

/// Verifies tokens.
pub struct Verifier<F = HttpFetch> {
    issuers: Issuers,
    device_keys: KeySet,
    fetch: F,
}

/// Where an issuer's keys are.
enum Source {
    /// In the verifier: device tokens are our own.
    Devices,
    Inline(KeySet),
    Fetched(FetchedKeys),
    /// Nowhere, as the issuer is misconfigured.
    Unusable(Problem),
}

/// A refused token: the issuer it names, and why it was refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The issuer that the token names, if any.
    pub issuer: Option<String>,
    /// The key id that the token names, if any.
    pub key_id: Option<String>,
    /// Why it was refused.
    pub reason: Refused,
}

impl Refusal {
    /// Groups refusals for the log. Values that a stranger can invent endlessly make no group.
    pub fn kind(&self) -> String {
        let reason = &self.reason;
        match (&self.issuer, &self.key_id) {
            _ if *reason == Refused::UnknownIssuer => reason.to_string(),
            (Some(issuer), Some(key)) if *reason != Refused::UnknownKey => format!("{issuer} {key} {reason}"),
            (Some(issuer), _) => format!("{issuer} {reason}"),
            (None, _) => reason.to_string(),
        }
    }
}

impl Issuers {
    /// Reads issuers from JSON, and adds devices. Fetches nothing yet. Logs and skips what is misconfigured.
    pub fn read(text: &str, reach: Reach) -> Self {
        let (issuers, problems) = Self::read_with_problems(text, reach);
        problems.iter().for_each(log);
        issuers
    }

    fn read_with_problems(text: &str, reach: Reach) -> (Self, Vec<Problem>) {
        let sources = HashMap::from([(DEVICE_ISSUER.to_owned(), Arc::new(Source::Devices))]);
        let mut known = Self { sources, more: HashMap::new() };
        let problems = match config::read(text, reach) {
            Ok(entries) => entries.into_iter().filter_map(|entry| known.add(entry)).collect(),
            Err(problem) => vec![problem],
        };
        (known, problems)
    }

    /// The issuers at which the page signs accounts in, with the client that it is at each. Only ID tokens for that client
    /// are accepted, and no devices. Logs and skips what is misconfigured.
    pub fn of_clients(text: &str, reach: Reach) -> (Self, Vec<Client>) {
        let (mut known, mut clients) = (Self { sources: HashMap::new(), more: HashMap::new() }, vec![]);
        let entries = config::read(text, reach).unwrap_or_else(|problem| {
            log(&problem);
            vec![]
        });
        for mut entry in entries {
            let client = entry.settings.as_mut().ok().and_then(only_for_client);
            match known.add(entry) {
                Some(problem) => log(&problem),
                None => clients.extend(client),
            }
        }
        (known, clients)
    }

    /// Each issuer whose keys are fetched, once.
    pub fn fetched(&self) -> impl Iterator<Item = &FetchedKeys> {
        self.sources.iter().filter_map(|(name, source)| match &**source {
            Source::Fetched(keys) if keys.name() == name => Some(keys),
            _ => None,
        })
    }

    /// Starts with the stored keys, where they match an issuer's configuration.
    pub fn recall(&self, stored: &StoredKeySets) {
        self.fetched().for_each(|keys| keys.recall(stored));
    }

    /// For whom an account of this issuer acts, by the claims of its verified token.
    fn membership(&self, issuer: &str, claims: &[u8]) -> Membership {
        let membership = self.more.get(issuer).and_then(|more| more.membership.as_ref());
        membership.map_or(Membership::Account, |membership| membership.read(issuer, claims))
    }

    /// What this issuer releases of the claims of its verified token.
    fn released(&self, issuer: &str, claims: &[u8]) -> Claims {
        self.more.get(issuer).map(|more| more.released.read(claims)).unwrap_or_default()
    }

    /// Adds an entry. Returns what is wrong with it. Each issuer's name must be unique: a second entry would be another
    /// issuer with the same voters.
    fn add(&mut self, entry: Entry) -> Option<Problem> {
        let known = &mut self.sources;
        let taken = entry.names.iter().enumerate().find(|(index, name)| {
            known.contains_key(*name) || entry.names.iter().take(*index).any(|earlier| earlier == *name)
        });
        let settings = match taken {
            Some((index, name)) => Err(Problem {
                entry: format!("issuer {:?}", entry.names.first().unwrap_or(name)),
                field: if index == 0 { "issuer" } else { "aliases" }.to_owned(),
                wrong: format!("has {name:?}, which is there already"),
            }),
            None => entry.settings,
        };
        let (source, more, problem) = match settings.and_then(source) {
            Ok((source, more)) => (source, Some(more), None),
            Err(problem) => (Source::Unusable(problem.clone()), None, Some(problem)),
        };
        if let (Some(more), Some(name)) = (more, entry.names.first()) {
            self.more.insert(name.clone(), more);
        }
        let source = Arc::new(source);
        for name in entry.names {
            self.sources.entry(name).or_insert_with(|| source.clone());
        }
        problem
    }
}

/// What is wrong with issuers in JSON, as `Issuers::read` would log it.
pub fn problems(text: &str, reach: Reach) -> Vec<Problem> {
    Issuers::read_with_problems(text, reach).1
}

impl<F: Fetch> Verifier<F> {
    /// A verifier for these issuers' tokens and for device tokens.
    pub fn new(issuers: Issuers, device_keys: &DeviceKeys, fetch: F) -> Self {
        Self { issuers, device_keys: KeySet::of_devices(device_keys), fetch }
    }

    /// A verifier for these issuers' tokens alone.
    pub fn without_devices(issuers: Issuers, fetch: F) -> Self {
        Self { issuers, device_keys: KeySet::empty(), fetch }
    }

    /// Returns the caller that a token names, with the claims that its issuer releases, or why it is refused. Fails if
    /// the issuer's keys are unavailable. `now` must be sampled before this call.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Result<Caller, Refusal>, KeysUnavailable> {
        let verdict = self.verify_text(token, now).await?;
        Ok(verdict.map(|(caller, token)| {
            let claims = self.issuers.released(&caller.issuer, token.claims());
            Caller { claims, ..caller }
        }))
    }

    /// As `verify`, and says for whom the caller acts. Releases no claims, as only votes have use for them.
    pub async fn verify_member(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Result<(Caller, Membership), Refusal>, KeysUnavailable> {
        let verdict = self.verify_text(token, now).await?;
        Ok(verdict.map(|(caller, token)| {
            let membership = self.issuers.membership(&caller.issuer, token.claims());
            (caller, membership)
        }))
    }

    /// Returns the account of an ID token that this client asked for with this nonce (OpenID Connect Core, section 3.1.3.7),
    /// or why it is refused. Fails as `verify` does.
    pub async fn verify_id_token(
        &self,
        token: &str,
        client_id: &str,
        nonce: &str,
        now: Timestamp,
    ) -> Result<Result<Caller, Refusal>, KeysUnavailable> {
        let verdict = self.verify_text(token, now).await?;
        Ok(verdict.and_then(|(caller, token)| match token.check_asked_for(client_id, nonce) {
            Ok(()) => {
                let claims = self.issuers.released(&caller.issuer, token.claims());
                Ok(Caller { claims, ..caller })
            }
            Err(reason) => Err(refusal(&token, reason)),
        }))
    }

    async fn verify_text<'a>(
        &self,
        text: &'a str,
        now: Timestamp,
    ) -> Result<Result<(Caller, Token<'a>), Refusal>, KeysUnavailable> {
        let token = match Token::read(text) {
            Ok(token) => token,
            Err(reason) => return Ok(Err(Refusal { issuer: None, key_id: None, reason })),
        };
        Ok(match self.verify_by_issuer(&token, now).await? {
            Ok(caller) => Ok((caller, token)),
            Err(reason) => Err(refusal(&token, reason)),
        })
    }

    async fn verify_by_issuer(
        &self,
        token: &Token<'_>,
        now: Timestamp,
    ) -> Result<Result<Caller, Refused>, KeysUnavailable> {
        match self.issuers.sources.get(token.issuer()).map(|source| &**source) {
            None => Ok(Err(self.unknown_issuer(token.issuer()))),
            Some(Source::Devices) => Ok(self.device_keys.verify(token)),
            Some(Source::Inline(keys)) => Ok(keys.verify(token)),
            Some(_) if !token.has_account_algorithm() => Ok(Err(Refused::UnknownKey)),
            Some(Source::Fetched(keys)) => self.verify_by_fetched(keys, token, now).await,
            Some(Source::Unusable(problem)) => Err(KeysUnavailable::misconfigured(token.issuer(), problem)),
        }
    }

    async fn verify_by_fetched(
        &self,
        issuer: &FetchedKeys,
        token: &Token<'_>,
        now: Timestamp,
    ) -> Result<Result<Caller, Refused>, KeysUnavailable> {
        match issuer.keys(&self.fetch, now).await?.verify(token) {
            // The issuer may have published a new key.
            Err(Refused::UnknownKey) => Ok(issuer.latest_keys(&self.fetch, now).await?.verify(token)),
            verdict => Ok(verdict),
        }
    }

    /// The token is refused either way, but the log should name a likely typing error.
    fn unknown_issuer(&self, name: &str) -> Refused {
        let other = name.strip_suffix('/').map_or_else(|| format!("{name}/"), str::to_owned);
        if self.issuers.sources.contains_key(&other) { Refused::SlashAtEnd(other) } else { Refused::UnknownIssuer }
    }
}

fn log(problem: &Problem) {
    tracing::error!(%problem, "issuer left out, as its configuration is not valid: {problem}");
}

/// Has an issuer's tokens be for the page's client alone, and for nobody if there is no client.
fn only_for_client(settings: &mut Settings) -> Option<Client> {
    let client = settings.client.clone();
    settings.expected.audiences = client.iter().map(|client| client.id.clone()).collect();
    AUDIENCE_CLAIM.clone_into(&mut settings.expected.audience_claim);
    client
}

fn refusal(token: &Token<'_>, reason: Refused) -> Refusal {
    Refusal { issuer: Some(shortened(token.issuer())), key_id: token.key_id().map(shortened), reason }
}

fn source(settings: Settings) -> Result<(Source, MoreClaims), Problem> {
    let more = settings.more;
    let expected = Arc::new(settings.expected);
    let published = match settings.keys {
        Keys::At(at) => return Ok((Source::Fetched(FetchedKeys::new(expected, at)), more)),
        Keys::Inline(published) => published,
    };
    let keys = KeySet::of_accounts(expected.clone(), &published);
    for key in keys.left_out() {
        tracing::error!(issuer = expected.issuer, "issuer {:?}: \"jwks\" {key}; it is left out", expected.issuer);
    }
    if keys.is_empty() {
        return Err(Problem {
            entry: format!("issuer {:?}", expected.issuer),
            field: "jwks".to_owned(),
            wrong: "has no key that can be used".to_owned(),
        });
    }
    Ok((Source::Inline(keys), more))
}

fn shortened(name: &str) -> String {
    name.chars().take(LOGGED_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
