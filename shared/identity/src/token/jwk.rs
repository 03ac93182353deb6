//! One published key (RFC 7517), in the spellings that providers really use. Different names for the same number, curve
//! or algorithm are equal. A key is not used if it is unsafe, or not meant to verify signatures.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::Key;

/// Accepted RSA key sizes, in bits: RFC 7518, section 3.3, and what the crypto library verifies.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
/// The longest public exponent that the crypto library accepts, in bits.
const RSA_EXPONENT_BITS_MAX: usize = 33;
/// The length of a P-256 coordinate, in bytes.
const P256_BYTES: usize = 32;
/// The length of an Ed25519 public key, in bytes (RFC 8037).
const ED25519_BYTES: usize = 32;
/// The members that say how a key verifies signatures, and which.
const MEMBERS_OF_USE: [&str; 10] = ["kty", "kid", "use", "key_ops", "alg", "crv", "n", "e", "x", "y"];
/// The members that only a private or shared key has (RFC 7518, section 6; RFC 8037).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// Accepts text with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a key is not used. Never repeats its values.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not a JSON object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// It is a private or shared key.
    #[error("is a private or shared key ({0:?}): replace it at the issuer, for it is no secret any more")]
    Secret(&'static str),
    /// A required text member is missing, or not text.
    #[error("has no text as its {0:?}")]
    NotText(&'static str),
    /// It is for another use, as `use` or `key_ops` says.
    #[error("is not for verifying signatures ({0:?})")]
    OtherUse(&'static str),
    /// Its type or curve is not known.
    #[error("is of a type or curve other than RSA, P-256 and Ed25519")]
    OtherType,
    /// It is for another algorithm than its type is used for here.
    #[error("is for an algorithm other than RS256, ES256 and EdDSA")]
    OtherAlgorithm,
    /// A number is malformed, or impossible for this kind of key.
    #[error("has an {0:?} that can't be one")]
    Number(&'static str),
    /// It is an RSA key that is too short to be safe, or too long to be verified.
    #[error("has {0} bits, and an RSA key must have {min} to {max}", min = RSA_BITS.start(), max = RSA_BITS.end())]
    Bits(usize),
}

/// The algorithm that an account's token or key names. RFC 9864 renamed EdDSA to `Ed25519`.
pub fn algorithm_of(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// Parses a key, if tokens may be verified with it.
pub fn read(published: &Value) -> Result<Key, Unusable> {
    let members = Members(published.as_object().ok_or(Unusable::NotAnObject)?);
    members.refuse_secrets()?;
    let id = members.text("kid")?.map(str::to_owned);
    members.refuse_other_uses()?;
    let (algorithm, key) = members.key()?;
    match members.text("alg")? {
        Some(name) if algorithm_of(name) != Some(algorithm) => Err(Unusable::OtherAlgorithm),
        _ => Ok(Key { id, algorithm, key }),
    }
}

/// The key without members that verifying does not need, such as certificates. `None` if it is not usable.
pub fn reduced(published: &Value) -> Option<Value> {
    read(published).ok()?;
    let members = published.as_object()?.iter().filter(|(name, _)| MEMBERS_OF_USE.contains(&name.as_str()));
    Some(members.map(|(name, value)| (name.clone(), value.clone())).collect())
}

struct Members<'a>(&'a Map<String, Value>);

impl Members<'_> {
    /// A member's value, unless it is missing or null.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>, Unusable> {
        self.get(name).map(|value| value.as_str().ok_or(Unusable::NotText(name))).transpose()
    }

    fn needed(&self, name: &'static str) -> Result<&str, Unusable> {
        self.text(name)?.ok_or(Unusable::NotText(name))
    }

    fn refuse_secrets(&self) -> Result<(), Unusable> {
        match SECRET_MEMBERS.into_iter().find(|name| self.get(name).is_some()) {
            Some(name) => Err(Unusable::Secret(name)),
            None => Ok(()),
        }
    }

    /// Either member may say what the key is for (RFC 7517, sections 4.2 and 4.3).
    fn refuse_other_uses(&self) -> Result<(), Unusable> {
        if self.text("use")?.is_some_and(|usage| usage != "sig") {
            return Err(Unusable::OtherUse("use"));
        }
        let verifies =
            |operations: &Value| operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
        if self.get("key_ops").is_some_and(|operations| !verifies(operations)) {
            return Err(Unusable::OtherUse("key_ops"));
        }
        Ok(())
    }

    fn key(&self) -> Result<(Algorithm, DecodingKey), Unusable> {
        match self.needed("kty")? {
            "RSA" => Ok((Algorithm::RS256, self.rsa()?)),
            // JOSE, SEC 2 and X9.62 have different names for this curve.
            "EC" if matches!(self.needed("crv")?, "P-256" | "secp256r1" | "prime256v1") => {
                Ok((Algorithm::ES256, self.p256()?))
            }
            "OKP" if self.needed("crv")? == "Ed25519" => Ok((Algorithm::EdDSA, self.ed25519()?)),
            _ => Err(Unusable::OtherType),
        }
    }

    fn rsa(&self) -> Result<DecodingKey, Unusable> {
        let (modulus, exponent) = (self.integer("n")?, self.integer("e")?);
        if !RSA_BITS.contains(&bits(&modulus)) {
            return Err(Unusable::Bits(bits(&modulus)));
        }
        if !is_odd(&modulus) {
            return Err(Unusable::Number("n"));
        }
        // With an exponent of 1, anyone could sign.
        if !is_odd(&exponent) || exponent == [1] || bits(&exponent) > RSA_EXPONENT_BITS_MAX {
            return Err(Unusable::Number("e"));
        }
        Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
    }

    fn p256(&self) -> Result<DecodingKey, Unusable> {
        let mut uncompressed_point = vec![4];
        for name in ["x", "y"] {
            let coordinate = self.integer(name)?;
            let zeros = P256_BYTES.checked_sub(coordinate.len()).ok_or(Unusable::Number(name))?;
            uncompressed_point.extend(std::iter::repeat_n(0, zeros));
            uncompressed_point.extend(coordinate);
        }
        Ok(DecodingKey::from_ec_der(&uncompressed_point))
    }

    fn ed25519(&self) -> Result<DecodingKey, Unusable> {
        let key = self.bytes("x")?;
        if key.len() == ED25519_BYTES { Ok(DecodingKey::from_ed_der(&key)) } else { Err(Unusable::Number("x")) }
    }

    /// Decodes base64 in either alphabet.
    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, Unusable> {
        let text = self.needed(name)?.replace('+', "-").replace('/', "_");
        BASE64.decode(text).map_err(|_| Unusable::Number(name))
    }

    /// Without leading zeros, which only some providers write.
    fn integer(&self, name: &'static str) -> Result<Vec<u8>, Unusable> {
        let mut bytes = self.bytes(name)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.drain(..zeros);
        Ok(bytes)
    }
}

/// The bit length of an integer without leading zeros.
fn bits(integer: &[u8]) -> usize {
    integer.first().map_or(0, |first| integer.len() * 8 - first.leading_zeros() as usize)
}

fn is_odd(integer: &[u8]) -> bool {
    integer.last().is_some_and(|last| last % 2 == 1)
}

#[cfg(test)]
mod tests;
