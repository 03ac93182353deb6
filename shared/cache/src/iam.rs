//! The token by which a role logs in: a request that it signs and nobody sends, in the place of a password.
//!
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html>

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use landslide_aws::config::{self, ConfigError};

/// For how long a token is good. It is used at once.
const EXPIRES_IN: Duration = Duration::from_mins(15);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The environment has no credentials, or no region.
    #[error("{0}")]
    Environment(#[from] ConfigError),
    /// The request could not be signed.
    #[error("sign the login: {0}")]
    Signing(String),
}

/// A token for this user of this cache, from the credentials in Lambda's environment.
pub fn token(user: &str, cache: &str) -> Result<String, TokenError> {
    let credentials = Credentials::new(
        config::text("AWS_ACCESS_KEY_ID")?,
        config::text("AWS_SECRET_ACCESS_KEY")?,
        config::text_if_any("AWS_SESSION_TOKEN"),
        None,
        "lambda environment",
    );
    signed(user, cache, &config::text("AWS_REGION")?, credentials, SystemTime::now())
}

fn signed(
    user: &str,
    cache: &str,
    region: &str,
    credentials: Credentials,
    now: SystemTime,
) -> Result<String, TokenError> {
    let failed = |error: &dyn std::fmt::Display| TokenError::Signing(error.to_string());
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES_IN);
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("elasticache")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let unsigned = format!("http://{cache}/?Action=connect&User={user}");
    let headers = std::iter::once(("host", cache));
    let request = SignableRequest::new("GET", &unsigned, headers, SignableBody::Bytes(&[]));
    let (instructions, _) =
        sign(request.map_err(|error| failed(&error))?, &params).map_err(|error| failed(&error))?.into_parts();
    let mut token = unsigned.trim_start_matches("http://").to_owned();
    for (name, value) in instructions.params() {
        token.push_str(&format!("&{name}={}", escaped(value)));
    }
    Ok(token)
}

/// Percent-encoded as AWS signs it.
fn escaped(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value
        .bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_token_is_a_signed_request_without_its_scheme() {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("a/b+c".to_owned()), None, "test");
        let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let token = signed("results", "landslide-results", "eu-central-1", credentials, now).unwrap();
        assert!(token.starts_with("landslide-results/?Action=connect&User=results&X-Amz-Algorithm=AWS4-HMAC-SHA256&"));
        for part in [
            "&X-Amz-Credential=AKIDEXAMPLE%2F20260921%2Feu-central-1%2Felasticache%2Faws4_request&",
            "&X-Amz-Expires=900&",
            "&X-Amz-SignedHeaders=host&",
            "&X-Amz-Security-Token=a%2Fb%2Bc&",
        ] {
            assert!(format!("{token}&").contains(part), "{part} in {token}");
        }
        let signature = token.split("X-Amz-Signature=").nth(1).and_then(|rest| rest.split('&').next());
        assert_eq!(signature.map(str::len), Some(64), "{token}");
    }
}
