use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::crypto;
use serde_json::json;

use super::*;
use crate::token::signer::Signer;

const MESSAGE: &[u8] = b"header.claims";

fn with(signer: &Signer, name: &str, value: Value) -> Value {
    let mut key = signer.jwk.clone();
    key[name] = value;
    key
}

/// Whether a published key verifies this signer's tokens, or why it is not used.
fn verifies(published: &Value, signer: &Signer) -> Result<bool, Unusable> {
    let signature = crypto::sign(MESSAGE, &signer.key, signer.algorithm).unwrap();
    let key = read(published)?;
    Ok(crypto::verify(&signature, MESSAGE, &key.key, key.algorithm).unwrap())
}

fn why(published: &Value) -> Unusable {
    read(published).err().unwrap()
}

fn rsa() -> Signer {
    Signer::new(Algorithm::RS256, "k")
}

/// A P-256 key whose `x` begins with a zero byte, as one in 256 does.
fn p256_with_a_zero_in_front() -> Signer {
    loop {
        let signer = Signer::new(Algorithm::ES256, "k");
        if bytes_of(&signer, "x")[0] == 0 {
            return signer;
        }
    }
}

fn bytes_of(signer: &Signer, name: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(signer.jwk[name].as_str().unwrap()).unwrap()
}

fn base64(bytes: &[u8]) -> Value {
    json!(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

#[test]
fn the_same_integer_is_the_same_key_with_and_without_zeros_in_front() {
    let signer = rsa();
    for name in ["n", "e"] {
        let with_zero = base64(&[&[0], &*bytes_of(&signer, name)].concat());
        assert_eq!(verifies(&with(&signer, name, with_zero), &signer), Ok(true), "{name}");
    }
    let signer = p256_with_a_zero_in_front();
    for written in [&bytes_of(&signer, "x")[1..], &[&[0, 0], &*bytes_of(&signer, "x")].concat()] {
        assert_eq!(verifies(&with(&signer, "x", base64(written)), &signer), Ok(true), "{}", written.len());
    }
    assert_eq!(why(&with(&signer, "x", base64(&[1; 33]))), Unusable::Number("x"));
}

#[test]
fn the_same_integer_is_the_same_key_in_either_alphabet_with_and_without_padding() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let signer = Signer::new(algorithm, "k");
        let name = if algorithm == Algorithm::RS256 { "n" } else { "x" };
        let bytes = bytes_of(&signer, name);
        for written in [BASE64_STANDARD.encode(&bytes), BASE64_URL_SAFE.encode(&bytes)] {
            assert_eq!(verifies(&with(&signer, name, json!(written)), &signer), Ok(true), "{written}");
        }
        assert_eq!(why(&with(&signer, name, json!("not base64"))), Unusable::Number(name));
    }
}

#[test]
fn a_curve_or_algorithm_under_another_name_is_the_same() {
    let signer = Signer::new(Algorithm::ES256, "k");
    for name in ["P-256", "secp256r1", "prime256v1"] {
        assert_eq!(verifies(&with(&signer, "crv", json!(name)), &signer), Ok(true), "{name}");
    }
    for name in ["P-384", "secp256k1", "Ed25519"] {
        assert_eq!(why(&with(&signer, "crv", json!(name))), Unusable::OtherType, "{name}");
    }
    let signer = Signer::new(Algorithm::EdDSA, "k");
    for name in ["EdDSA", "Ed25519"] {
        assert_eq!(verifies(&with(&signer, "alg", json!(name)), &signer), Ok(true), "{name}");
    }
}

#[test]
fn a_key_is_for_the_algorithm_that_it_names_and_no_other() {
    let signer = rsa();
    for name in ["RS512", "PS256", "RSA-OAEP", "ES256", "HS256", "none", ""] {
        assert_eq!(why(&with(&signer, "alg", json!(name))), Unusable::OtherAlgorithm, "{name}");
    }
    assert_eq!(verifies(&with(&signer, "alg", json!(null)), &signer), Ok(true));
    assert_eq!(why(&with(&signer, "kty", json!("AKP"))), Unusable::OtherType);
    assert_eq!(why(&with(&signer, "kty", json!(null))), Unusable::NotText("kty"));
}

#[test]
fn a_key_that_is_not_for_verifying_verifies_nothing() {
    let signer = rsa();
    for usage in ["enc", "tls", ""] {
        assert_eq!(why(&with(&signer, "use", json!(usage))), Unusable::OtherUse("use"), "{usage}");
    }
    for operations in [json!(["encrypt"]), json!(["sign"]), json!([]), json!("verify"), json!([7])] {
        assert_eq!(why(&with(&signer, "key_ops", operations)), Unusable::OtherUse("key_ops"));
    }
    assert_eq!(verifies(&with(&signer, "key_ops", json!(["verify", "encrypt"])), &signer), Ok(true));
    assert_eq!(verifies(&with(&signer, "use", json!("sig")), &signer), Ok(true));
}

#[test]
fn a_private_or_shared_key_is_not_used_and_not_repeated() {
    let signer = rsa();
    for name in SECRET_MEMBERS {
        let why = why(&with(&signer, name, json!("c2VjcmV0")));
        assert_eq!(why, Unusable::Secret(name));
        assert!(!why.to_string().contains("c2VjcmV0"), "{why}");
    }
}

#[test]
fn an_rsa_key_that_is_not_safe_is_not_used() {
    let signer = rsa();
    let odd = |bits: usize| {
        let mut bytes = vec![0xff; bits / 8];
        bytes[0] = 0x80;
        base64(&bytes)
    };
    for bits in [512, 1_024, 2_040, 8_200] {
        assert_eq!(why(&with(&signer, "n", odd(bits))), Unusable::Bits(bits));
    }
    for bits in [2_048, 8_192] {
        assert!(read(&with(&signer, "n", odd(bits))).is_ok(), "{bits}");
    }
    let mut even = bytes_of(&signer, "n");
    even[255] &= 0xfe;
    assert_eq!(why(&with(&signer, "n", base64(&even))), Unusable::Number("n"));
    for exponent in [&[][..], &[0], &[1], &[2], &[0, 1], &[1, 0, 0, 0, 0, 1, 1]] {
        assert_eq!(why(&with(&signer, "e", base64(exponent))), Unusable::Number("e"), "{exponent:?}");
    }
    assert!(read(&with(&signer, "e", base64(&[3]))).is_ok());
}

#[test]
fn what_is_no_key_is_called_that() {
    for value in [json!(null), json!(7), json!("key"), json!([])] {
        assert_eq!(why(&value), Unusable::NotAnObject, "{value}");
    }
    assert_eq!(why(&with(&rsa(), "kid", json!(7))), Unusable::NotText("kid"));
    assert_eq!(why(&json!({"kty": "RSA", "e": "AQAB"})), Unusable::NotText("n"));
    assert_eq!(why(&json!({"kty": "OKP", "crv": "Ed25519", "x": "AQAB"})), Unusable::Number("x"));
}

#[test]
fn a_reduced_key_verifies_the_same_and_has_no_certificate() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let signer = Signer::new(algorithm, "k");
        let mut published = with(&signer, "x5c", json!(["MII…"]));
        published["key_ops"] = json!(["verify"]);
        published["ext"] = json!(true);
        let reduced = reduced(&published).unwrap();
        assert_eq!(verifies(&reduced, &signer), Ok(true));
        assert_eq!((&reduced["kid"], &reduced["key_ops"]), (&json!("k"), &json!(["verify"])));
        assert!(reduced.get("x5c").is_none() && reduced.get("ext").is_none(), "{reduced}");
    }
    for unusable in [with(&rsa(), "use", json!("enc")), with(&rsa(), "d", json!("AQAB")), json!("k")] {
        assert_eq!(reduced(&unusable), None, "{unusable}");
    }
}
