//! The issuers whose tokens are taken, and the verification of a token by the keys of its issuer.
//!
//! An issuer that can't be used as it is configured takes no other down: the log names it, and of its tokens nobody
//! knows whether they are good.

mod config;

use std::{collections::HashMap, sync::Arc};

use landslide_domain::{caller::Caller, time::Timestamp};

pub use self::config::Problem;
use self::config::{Entry, Keys, Settings};
use crate::{
    device_keys::DeviceKeys,
    key_sets::{Fetch, FetchedKeys, HttpFetch, KeysUnavailable, Reach, StoredKeySets},
    token::{DEVICE_ISSUER, KeySet, Refused, Token},
};

/// The longest name of a stranger that is logged, in characters.
const LOGGED_CHARS_MAX: usize = 200;

/// Those whose tokens are taken, by each of their names.
pub struct Issuers(HashMap<String, Arc<Source>>);

/// Verifies tokens.
pub struct Verifier<F = HttpFetch> {
    issuers: Issuers,
    device_keys: KeySet,
    fetch: F,
}

/// Where an issuer's keys are.
enum Source {
    /// The verifier has them: devices' tokens are our own.
    Devices,
    Inline(KeySet),
    Fetched(FetchedKeys),
    /// Nowhere, as it is configured.
    Unusable(Problem),
}

/// A token that is refused: whose it says to be, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its issuer, if it says one.
    pub issuer: Option<String>,
    /// Its key's id, if it says one.
    pub key_id: Option<String>,
    /// Why.
    pub reason: Refused,
}

impl Refusal {
    /// Refusals that are one for the log. What a stranger can invent without end makes no kind of its own.
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
    /// The issuers in a JSON text, and devices. Nothing is fetched yet. What can't be used is logged and left out.
    pub fn read(text: &str, reach: Reach) -> Self {
        let (issuers, problems) = Self::read_with_problems(text, reach);
        for problem in problems {
            tracing::error!(%problem, "left out, as it can't be used as configured: {problem}");
        }
        issuers
    }

    fn read_with_problems(text: &str, reach: Reach) -> (Self, Vec<Problem>) {
        let mut known = HashMap::from([(DEVICE_ISSUER.to_owned(), Arc::new(Source::Devices))]);
        let problems = match config::read(text, reach) {
            Ok(entries) => entries.into_iter().filter_map(|entry| add(&mut known, entry)).collect(),
            Err(problem) => vec![problem],
        };
        (Self(known), problems)
    }

    /// Each issuer whose keys are fetched, once.
    pub fn fetched(&self) -> impl Iterator<Item = &FetchedKeys> {
        self.0.iter().filter_map(|(name, source)| match &**source {
            Source::Fetched(keys) if keys.name() == name => Some(keys),
            _ => None,
        })
    }

    /// Begins with the keys that are stored, where these are of an issuer as it is configured.
    pub fn recall(&self, stored: &StoredKeySets) {
        self.fetched().for_each(|keys| keys.recall(stored));
    }
}

/// What is wrong with the issuers in a JSON text, as `Issuers::read` would log it.
pub fn problems(text: &str, reach: Reach) -> Vec<Problem> {
    Issuers::read_with_problems(text, reach).1
}

impl<F: Fetch> Verifier<F> {
    /// A verifier of these issuers' tokens, and of devices' tokens by their keys.
    pub fn new(issuers: Issuers, device_keys: &DeviceKeys, fetch: F) -> Self {
        Self { issuers, device_keys: KeySet::of_devices(device_keys), fetch }
    }

    /// The caller that a token names, or why it is refused, as the issuer's keys decide; an error if they can't be
    /// had. `now` is a time before this call.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Result<Caller, Refusal>, KeysUnavailable> {
        let token = match Token::read(token) {
            Ok(token) => token,
            Err(reason) => return Ok(Err(Refusal { issuer: None, key_id: None, reason })),
        };
        let verdict = self.verify_by_issuer(&token, now).await?;
        Ok(verdict.map_err(|reason| Refusal {
            issuer: Some(shortened(token.issuer())),
            key_id: token.key_id().map(shortened),
            reason,
        }))
    }

    async fn verify_by_issuer(
        &self,
        token: &Token<'_>,
        now: Timestamp,
    ) -> Result<Result<Caller, Refused>, KeysUnavailable> {
        match self.issuers.0.get(token.issuer()).map(|source| &**source) {
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
            // The issuer may have a new key.
            Err(Refused::UnknownKey) => Ok(issuer.latest_keys(&self.fetch, now).await?.verify(token)),
            verdict => Ok(verdict),
        }
    }

    /// Refused either way; but the log should say what is easily overlooked.
    fn unknown_issuer(&self, name: &str) -> Refused {
        let other = name.strip_suffix('/').map_or_else(|| format!("{name}/"), str::to_owned);
        if self.issuers.0.contains_key(&other) { Refused::SlashAtEnd(other) } else { Refused::UnknownIssuer }
    }
}

/// Adds an entry, and returns what is wrong with it. A name of an issuer stands there once: a second entry would be
/// another issuer of the same voters.
fn add(known: &mut HashMap<String, Arc<Source>>, entry: Entry) -> Option<Problem> {
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
    let (source, problem) = match settings.and_then(source) {
        Ok(source) => (source, None),
        Err(problem) => (Source::Unusable(problem.clone()), Some(problem)),
    };
    let source = Arc::new(source);
    for name in entry.names {
        known.entry(name).or_insert_with(|| source.clone());
    }
    problem
}

fn source(settings: Settings) -> Result<Source, Problem> {
    let expected = Arc::new(settings.expected);
    let published = match settings.keys {
        Keys::At(at) => return Ok(Source::Fetched(FetchedKeys::new(expected, at))),
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
    Ok(Source::Inline(keys))
}

fn shortened(name: &str) -> String {
    name.chars().take(LOGGED_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
