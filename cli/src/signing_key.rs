//! A local issuer's key: an RSA key in a PEM file, its public half as a JWK, and the tokens it signs.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

/// Only its owner may read a private key.
const KEY_FILE_MODE: u32 = 0o600;

/// An RSA key that signs with RS256.
pub struct SigningKey {
    key: EncodingKey,
    jwk: Jwk,
    id: String,
}

impl SigningKey {
    /// Reads a PKCS#8 PEM file. Creates a 2048-bit key there (mode 0600) if the file is missing.
    pub fn read_or_create(file: &Path) -> Result<Self> {
        match Self::read(file) {
            Err(error) if is_not_found(&error) => create(file).and_then(|()| Self::read(file)),
            result => result,
        }
    }

    /// Reads a PKCS#8 PEM file.
    pub fn read(file: &Path) -> Result<Self> {
        let pem = fs::read(file).with_context(|| format!("read the key {}", file.display()))?;
        Self::from_pem(&pem).with_context(|| format!("{} is not an RSA private key in PEM", file.display()))
    }

    fn from_pem(pem: &[u8]) -> Result<Self> {
        let key = EncodingKey::from_rsa_pem(pem)?;
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256)?;
        let id = jwk.thumbprint(ThumbprintHash::SHA256)?;
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_id = Some(id.clone());
        Ok(Self { key, jwk, id })
    }

    /// The public half. Its `kid` is the key's thumbprint (RFC 7638).
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Signs a token (JWS compact serialization) with `kid` in its header.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String> {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.key).context("sign the token")
    }
}

fn is_not_found(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

fn create(file: &Path) -> Result<()> {
    let pair = KeyPair::generate(KeySize::Rsa2048).context("generate an RSA key")?;
    let der = AsDer::<Pkcs8V1Der>::as_der(&pair).context("encode the key as PKCS#8")?;
    let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref()));
    // `create_new`: if two processes race, one fails instead of replacing the other's key.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(KEY_FILE_MODE)
        .open(file)
        .and_then(|mut handle| handle.write_all(pem.as_bytes()))
        .with_context(|| format!("write the key {}", file.display()))
}
