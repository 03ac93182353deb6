//! An OpenID Provider as an authorizer sees it: signs tokens, and serves its keys over HTTP.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use landslide_aws::clock;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

/// One of its signing keys.
pub struct Signer {
    id: String,
    key: EncodingKey,
}

impl Signer {
    pub fn new(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { id: id.to_owned(), key: EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()) }
    }

    pub fn sign(&self, issuer: &str, subject: &str) -> String {
        self.sign_with(issuer, subject, &json!({}))
    }

    /// A token with these claims besides.
    pub fn sign_with(&self, issuer: &str, subject: &str, more: &Value) -> String {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::ES256) };
        let expires = clock::now().as_millis() / 1_000 + 600;
        let mut claims = json!({"iss": issuer, "aud": "landslide", "sub": subject, "exp": expires});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        encode(&header, &claims, &self.key).unwrap()
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap()).unwrap();
        jwk["kid"] = json!(self.id);
        jwk
    }
}

/// The provider's server.
pub struct Provider {
    address: SocketAddr,
    keys: Arc<Mutex<String>>,
    requests: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Provider {
    pub async fn start(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (keys, requests) = (Arc::new(Mutex::new(key_set(signers))), Arc::new(AtomicUsize::new(0)));
        let (served, counted) = (keys.clone(), requests.clone());
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 4_096];
                let length = stream.read(&mut request).await.unwrap();
                assert!(request[..length].starts_with(b"GET /jwks HTTP/1.1\r\n"));
                let body = served.lock().unwrap().clone();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        Self { address, keys, requests, server }
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn jwks_uri(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    pub fn publish(&self, signers: &[&Signer]) {
        *self.keys.lock().unwrap() = key_set(signers);
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Stops the server. Returns once it no longer listens.
    pub async fn stop(self) {
        self.server.abort();
        assert!(self.server.await.unwrap_err().is_cancelled());
    }
}

fn key_set(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}
