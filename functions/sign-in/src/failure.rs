//! Why a sign-in did not end well: what the person is told, and what the log says. Neither has a code, a token or a secret.

use landslide_aws::log_limit::LogLimit;
use landslide_domain::time::Timestamp;
use landslide_edge::Failures;
use landslide_page::Trouble;

/// The most characters that are logged of what a provider calls an error.
const ERROR_CHARS_MAX: usize = 60;

/// Why a sign-in did not end well.
#[derive(Debug)]
pub struct Failure {
    /// What the person is told.
    pub trouble: Trouble,
    /// What the log says.
    cause: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn of(trouble: Trouble, cause: impl Into<String>) -> Self {
        Self { trouble, cause: cause.into() }
    }

    /// What a person can't mend by trying again, and the operator or the provider may.
    pub fn failed(cause: impl Into<String>) -> Self {
        Self::of(Trouble::SignInFailed, cause)
    }

    /// The provider sent the browser back with this error (RFC 6749, section 4.1.2.1; OpenID Connect Core, section 3.1.2.6).
    pub fn by_provider(error: &str) -> Self {
        let trouble = match error {
            "access_denied" | "login_required" | "interaction_required" | "consent_required" => Trouble::SignInDeclined,
            "temporarily_unavailable" | "server_error" => Trouble::ProviderUnavailable,
            _ => Trouble::SignInFailed,
        };
        Self::of(trouble, format!("the provider answers with the error {:?}", shortened(error)))
    }
}

/// A provider's name of an error, for the log.
pub fn shortened(error: &str) -> String {
    error.chars().take(ERROR_CHARS_MAX).collect()
}

/// The log: one line a minute of each kind.
#[derive(Default)]
pub struct Log {
    failures: Failures,
    people: LogLimit<&'static str>,
}

impl Log {
    /// Logs a failure: at `ERROR` what the operator or the provider has to mend, at `INFO` what people do.
    pub fn write(&self, request_id: &str, failure: &Failure, now: Timestamp) {
        let cause = &failure.cause;
        let kind = match failure.trouble {
            Trouble::SignInFailed => return self.failures.log(request_id, "sign_in_failed", cause),
            Trouble::ProviderUnavailable => return self.failures.log(request_id, "provider_unavailable", cause),
            Trouble::SignInDeclined => "declined",
            Trouble::SignInExpired => "expired",
            _ => "not_found",
        };
        if let Some(left_out) = self.people.admit(&kind, now) {
            tracing::info!(
                request_id,
                kind,
                cause,
                left_out,
                "sign-in of request {request_id} ended ({kind}): {cause}"
            );
        }
    }
}
