//! One published key (RFC 7517), as providers really write it. What is the same number, curve or algorithm under another
//! name or spelling is the same; a key that is not meant to verify signatures, or is not safe to, is not used.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::Key;

/// The sizes of RSA keys that are taken, in bits: RFC 7518, section 3.3, and what the crypto library verifies.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
/// The longest public exponent that the crypto library takes, in bits.
const RSA_EXPONENT_BITS_MAX: usize = 33;
/// The length of a coordinate of P-256, in bytes.
const P256_BYTES: usize = 32;
/// The length of a public key of Ed25519, in bytes (RFC 8037).
const ED25519_BYTES: usize = 32;
/// What says how a key verifies signatures, and which.
const MEMBERS_OF_USE: [&str; 10] = ["kty", "kid", "use", "key_ops", "alg", "crv", "n", "e", "x", "y"];
/// What only a private or a shared key has (RFC 7518, section 6; RFC 8037).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// With and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a key is not used. It never repeats what the key says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No JSON object.
    #[error("is no JSON object")]
    NotAnObject,
    /// A private or shared key.
    #[error("is a private or shared key ({0:?}): replace it at the issuer, for it is no secret any more")]
    Secret(&'static str),
    /// A member that must be a text is something else, or is missing.
    #[error("has no text as its {0:?}")]
    NotText(&'static str),
    /// For something else, as `use` or `key_ops` says.
    #[error("is not for verifying signatures ({0:?})")]
    OtherUse(&'static str),
    /// Of a type or curve that is not known.
    #[error("is of a type or curve other than RSA, P-256 and Ed25519")]
    OtherType,
    /// For another algorithm than the one that keys of its type are used for.
    #[error("is for an algorithm other than RS256, ES256 and EdDSA")]
    OtherAlgorithm,
    /// A number that is none, or can't be one of such a key.
    #[error("has an {0:?} that can't be one")]
    Number(&'static str),
    /// An RSA key that is too short to be safe, or longer than can be verified.
    #[error("has {0} bits, and an RSA key must have {min} to {max}", min = RSA_BITS.start(), max = RSA_BITS.end())]
    Bits(usize),
}

/// The algorithm that an account's token or key names; `Ed25519` is the name of EdDSA since RFC 9864.
pub fn algorithm_of(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// The key, if tokens may be verified by it.
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

/// The key without what verifying does not need, such as certificates; `None` if it can't be used.
pub fn reduced(published: &Value) -> Option<Value> {
    read(published).ok()?;
    let members = published.as_object()?.iter().filter(|(name, _)| MEMBERS_OF_USE.contains(&name.as_str()));
    Some(members.map(|(name, value)| (name.clone(), value.clone())).collect())
}

struct Members<'a>(&'a Map<String, Value>);

impl Members<'_> {
    /// A member, unless it is missing or null.
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

    /// Either of the two may say what the key is for (RFC 7517, sections 4.2 and 4.3).
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
            // As JOSE, SEC 2 and X9.62 call the one curve.
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
        // 1 would let anyone sign.
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

    /// Base64 of either alphabet.
    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, Unusable> {
        let text = self.needed(name)?.replace('+', "-").replace('/', "_");
        BASE64.decode(text).map_err(|_| Unusable::Number(name))
    }

    /// Without the zeros in front that some write and some leave out.
    fn integer(&self, name: &'static str) -> Result<Vec<u8>, Unusable> {
        let mut bytes = self.bytes(name)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.drain(..zeros);
        Ok(bytes)
    }
}

/// Of an integer without zeros in front.
fn bits(integer: &[u8]) -> usize {
    integer.first().map_or(0, |first| integer.len() * 8 - first.leading_zeros() as usize)
}

fn is_odd(integer: &[u8]) -> bool {
    integer.last().is_some_and(|last| last % 2 == 1)
}

#[cfg(test)]
mod tests;
