//! Fake issuers that publish, withhold or corrupt their keys as a test says.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde_json::json;

use super::{Fetch, FetchError, Reach};
use crate::token::signer::Signer;

/// What an address returns.
#[derive(Clone)]
pub enum Answer {
    Body(Vec<u8>),
    Down,
    Status(u16),
    /// It never responds.
    Silent,
}

/// Addresses, what each returns, and how often each was asked.
#[derive(Default)]
pub struct FakeFetch(Mutex<HashMap<String, (Answer, usize)>>);

impl FakeFetch {
    pub fn set(&self, uri: &str, answer: Answer) {
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fetches = addresses.get(uri).map_or(0, |(_, fetches)| *fetches);
        addresses.insert(uri.to_owned(), (answer, fetches));
    }

    pub fn publish(&self, uri: &str, signers: &[&Signer]) {
        self.set(uri, Answer::Body(key_set(signers)));
    }

    pub fn fetches(&self, uri: &str) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uri).map_or(0, |(_, fetches)| *fetches)
    }
}

impl Fetch for FakeFetch {
    fn reach(&self) -> Reach {
        Reach::Public
    }

    async fn fetch(&self, uri: &str) -> Result<Vec<u8>, FetchError> {
        let answer = {
            let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (answer, fetches) = addresses.get_mut(uri).ok_or(FetchError::Status(404))?;
            *fetches += 1;
            answer.clone()
        };
        // Let other tasks run, as a network would.
        tokio::task::yield_now().await;
        match answer {
            Answer::Body(body) => Ok(body),
            Answer::Down => Err(FetchError::NoAnswer("connection refused".to_owned())),
            Answer::Status(status) => Err(FetchError::Status(status)),
            Answer::Silent => std::future::pending().await,
        }
    }
}

/// A key set's body. It also holds a key with an unknown type.
pub fn key_set(signers: &[&Signer]) -> Vec<u8> {
    let mut keys = vec![json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": 7})];
    keys.extend(signers.iter().map(|signer| signer.jwk.clone()));
    json!({"keys": keys}).to_string().into_bytes()
}
