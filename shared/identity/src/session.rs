//! What the page's cookies say of a sign-in, under a code by the service's secret (HMAC-SHA256): that one has begun, and who
//! has signed in. Pure: chance and time are arguments.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use landslide_domain::{
    caller::{Caller, TokenKind},
    claims::Claims,
    time::{MINUTE_MS, Timestamp},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use sha2::Sha256;

/// How long a sign-in may take, in milliseconds.
pub const SIGN_IN_MS: u64 = 10 * MINUTE_MS;
/// For how long an account stays signed in, in milliseconds.
pub const ACCOUNT_MS: u64 = 12 * 60 * MINUTE_MS;
/// The longest value, in bytes. Browsers keep cookies whose name and value have 4,096 (RFC 6265bis, section 5.6).
pub const VALUE_BYTES_MAX: usize = 3_800;

/// The bytes of an account's mark.
const MARK_BYTES: usize = 12;
/// Between what is said and its code.
const SEPARATOR: char = '.';

/// What a value is for. Each purpose has a key of its own, so that no value serves another one.
#[derive(Clone, Copy)]
enum Purpose {
    SignIn,
    Account,
    Mark,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::SignIn => "landslide page: sign-in",
            Self::Account => "landslide page: account",
            Self::Mark => "landslide page: mark",
        }
    }
}

/// The secret that makes and checks the values of cookies.
pub struct PageSecret(Vec<u8>);

/// A sign-in that has begun.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The poll whose page leads here, and to which the browser returns.
    pub poll_id: String,
    /// The issuer's name.
    pub issuer: String,
    /// Ties the provider's answer to this browser (RFC 6749, section 10.12).
    pub state: String,
    /// Ties the ID token to this sign-in.
    pub nonce: String,
    /// Proves to the provider that who exchanges the code has begun the sign-in (RFC 7636).
    pub verifier: String,
    /// The tag of the page's language.
    pub language: String,
    /// When it has taken too long.
    pub expires_at: Timestamp,
}

/// An account that has signed in.
#[derive(Serialize, Deserialize)]
struct Account {
    issuer: String,
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claims: Option<Box<RawValue>>,
    expires_at: Timestamp,
}

/// An account's issuer, subject and claims do not fit into a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("issuer, subject and released claims take more than {VALUE_BYTES_MAX} bytes in a cookie")]
pub struct TooLong;

impl PageSecret {
    /// With the secret's bytes.
    pub fn new(secret: Vec<u8>) -> Self {
        Self(secret)
    }

    /// A cookie's value that says that a sign-in has begun.
    pub fn seal_sign_in(&self, sign_in: &SignIn) -> Result<String, TooLong> {
        self.seal(Purpose::SignIn, sign_in)
    }

    /// The sign-in that a cookie's value says, even if it has taken too long. `None` if it is not ours.
    pub fn open_sign_in(&self, value: &str) -> Option<SignIn> {
        self.open(Purpose::SignIn, value)
    }

    /// A cookie's value that says who has signed in, until the caller's `expires_at`.
    pub fn seal_account(&self, account: &Caller) -> Result<String, TooLong> {
        let account = Account {
            issuer: account.issuer.clone(),
            subject: account.subject.clone(),
            claims: account.claims.to_text().and_then(|text| RawValue::from_string(text).ok()),
            expires_at: account.expires_at,
        };
        self.seal(Purpose::Account, &account)
    }

    /// The account that a cookie's value says. `None` if it is not ours, or was signed in too long ago.
    pub fn open_account(&self, value: &str, now: Timestamp) -> Option<Caller> {
        let Account { issuer, subject, claims, expires_at } = self.open(Purpose::Account, value)?;
        let claims = claims.map_or_else(|| Some(Claims::default()), |claims| Claims::parse(claims.get()))?;
        (expires_at > now).then_some(Caller { issuer, subject, kind: TokenKind::Account, expires_at, claims })
    }

    /// What tells an account from others in the forms of a page, and no stranger whose it is.
    pub fn mark(&self, account: &Caller) -> Option<String> {
        let code =
            self.code(Purpose::Mark, &format!("{}\n{}", account.issuer, account.subject))?.finalize().into_bytes();
        code.get(..MARK_BYTES).map(|code| BASE64_URL_SAFE_NO_PAD.encode(code))
    }

    fn seal(&self, purpose: Purpose, content: &impl Serialize) -> Result<String, TooLong> {
        // Texts and times always have a JSON, and every one has a code.
        let content = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(content).map_err(|_| TooLong)?);
        let code = self.code(purpose, &content).ok_or(TooLong)?.finalize().into_bytes();
        let code = BASE64_URL_SAFE_NO_PAD.encode(code);
        let value = format!("{content}{SEPARATOR}{code}");
        if value.len() > VALUE_BYTES_MAX { Err(TooLong) } else { Ok(value) }
    }

    fn open<T: DeserializeOwned>(&self, purpose: Purpose, value: &str) -> Option<T> {
        let (content, code) = Some(value).filter(|value| value.len() <= VALUE_BYTES_MAX)?.split_once(SEPARATOR)?;
        let code = BASE64_URL_SAFE_NO_PAD.decode(code).ok()?;
        self.code(purpose, content)?.verify_slice(&code).ok()?;
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(content).ok()?).ok()
    }

    fn code(&self, purpose: Purpose, content: &str) -> Option<Hmac<Sha256>> {
        let key = mac(&self.0, purpose.name())?.finalize().into_bytes();
        mac(&key, content)
    }
}

/// HMAC takes keys of any length, so this is never `None`.
fn mac(key: &[u8], text: &str) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(key).ok().map(|mac: Hmac<Sha256>| mac.chain_update(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> PageSecret {
        PageSecret::new(vec![b'k'; 64])
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.plus_millis(seconds * 1_000)
    }

    fn sign_in() -> SignIn {
        let text = |text: &str| text.to_owned();
        SignIn {
            poll_id: text("p1"),
            issuer: text("https://id.example.org"),
            state: text("s"),
            nonce: text("n"),
            verifier: text("v"),
            language: text("pt-BR"),
            expires_at: at(600),
        }
    }

    fn alice(claims: &[(&str, &str)]) -> Caller {
        let claims = claims.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let (issuer, subject) = ("https://id.example.org".to_owned(), "alice|Ä \"1\"".to_owned());
        Caller { issuer, subject, kind: TokenKind::Account, expires_at: at(600), claims }
    }

    #[test]
    fn what_was_said_is_read_until_its_time_is_over() {
        let sealed = secret().seal_sign_in(&sign_in()).unwrap();
        assert!(secret().open_sign_in(&sealed) == Some(sign_in()));
        for caller in [alice(&[]), alice(&[("region", "Nord \"é\" \\"), ("age_group", "18–29")])] {
            let sealed = secret().seal_account(&caller).unwrap();
            assert_eq!(secret().open_account(&sealed, at(599)), Some(caller));
            assert_eq!(secret().open_account(&sealed, at(600)), None);
        }
    }

    #[test]
    fn a_value_of_another_purpose_is_none() {
        let begun = secret().seal_sign_in(&sign_in()).unwrap();
        let account = secret().seal_account(&alice(&[])).unwrap();
        assert!(secret().open_account(&begun, at(0)).is_none() && secret().open_sign_in(&account).is_none());
        // The same content, so that nothing but the key tells them apart.
        let same =
            secret().seal(Purpose::SignIn, &serde_json::json!({"issuer": "i", "subject": "s", "expires_at": at(9)}));
        assert_eq!(secret().open_account(&same.unwrap(), at(0)), None);
    }

    #[test]
    fn a_value_with_any_other_character_or_by_another_secret_is_none() {
        let sealed = secret().seal_account(&alice(&[("region", "north")])).unwrap();
        for index in 0..sealed.len() {
            let mut other = sealed.clone().into_bytes();
            other[index] = if other[index] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            // The last character of a code has bits that do not count, and base64 here refuses other ones.
            assert_eq!(secret().open_account(&other, at(0)), None, "{index}");
        }
        assert_eq!(PageSecret::new(vec![b'l'; 64]).open_account(&sealed, at(0)), None);
        let (content, code) = sealed.split_once('.').unwrap();
        for odd in ["", ".", content, &format!("{content}."), &format!(".{code}"), &format!("{sealed}.{code}"), "é.é"]
        {
            assert_eq!(secret().open_account(odd, at(0)), None, "{odd}");
        }
    }

    #[test]
    fn what_no_browser_would_keep_is_neither_made_nor_read() {
        let claims = |bytes: usize| {
            let value = "x".repeat(bytes);
            secret().seal_account(&alice(&[("region", &value)]))
        };
        assert!(claims(2_600).unwrap().len() <= VALUE_BYTES_MAX);
        assert_eq!(claims(3_000), Err(TooLong));
        let content = BASE64_URL_SAFE_NO_PAD.encode(vec![b' '; VALUE_BYTES_MAX]);
        let code = secret().code(Purpose::Account, &content).unwrap().finalize().into_bytes();
        let code = BASE64_URL_SAFE_NO_PAD.encode(code);
        assert_eq!(secret().open_account(&format!("{content}.{code}"), at(0)), None);
    }

    #[test]
    fn an_account_with_ten_usual_claims_fits() {
        let names: Vec<String> = (0..10).map(|number| format!("https://example.org/claim{number}")).collect();
        let value = "x".repeat(200);
        let claims: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
        assert!(secret().seal_account(&alice(&claims)).is_ok());
    }
}
