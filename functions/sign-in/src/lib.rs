//! `GET /p/{poll_id}/sign-in`: leads a browser to an account's OpenID Provider. `GET /sign-in`: reads the provider's answer,
//! and has the browser remember who has signed in (OpenID Connect Core, section 3.1, with PKCE, RFC 7636).
//!
//! What belongs to a sign-in is in a cookie of the browser; nothing is stored here.

mod failure;
mod provider;

use std::sync::Arc;

use lambda_http::{Error as LambdaError, Response};
use landslide_aws::{clock, config, sdk, secret};
use landslide_domain::{caller::Caller, ids::PollId, time::Timestamp};
use landslide_edge::Request;
use landslide_identity::{
    issuers::{Client, Issuers, Verifier},
    key_sets::{HttpFetch, KeySetsSecret, Reach},
    providers::Providers,
    session::{ACCOUNT_MS, PageSecret, SIGN_IN_MS, SignIn},
};
use landslide_page::{Answer, Language, PublicUrl, Trouble, has_signed_out, sign_in_cookie};

pub use self::provider::{ClientSecrets, NoClientSecrets};
use self::{
    failure::{Failure, Log},
    provider::{Proof, Provider},
};

/// For how long a browser remembers a sign-in that has begun, in seconds. Who takes too long is led back to the poll.
const SIGN_IN_KEPT_SECONDS: u64 = 24 * 60 * 60;

/// What signs people in.
pub struct App {
    /// By their places, as the page's links name them.
    places: Providers,
    providers: Vec<Provider>,
    verifier: Verifier<Arc<HttpFetch>>,
    fetch: Arc<HttpFetch>,
    secret: PageSecret,
    public_url: PublicUrl,
    log: Log,
}

/// The issuers at which people sign in, as they are configured.
pub struct Configured {
    places: Providers,
    issuers: Issuers,
    clients: Vec<Client>,
    reach: Reach,
}

impl Configured {
    /// Reads the issuers' JSON list. Logs and skips what is misconfigured.
    pub fn read(issuers: &str, reach: Reach) -> Self {
        let places = Providers::read(issuers);
        let (issuers, clients) = Issuers::of_clients(issuers, reach);
        Self { places, issuers, clients, reach }
    }
}

impl App {
    /// What the environment configures. Starts with the stored issuers' keys.
    pub async fn from_env() -> Result<Self, LambdaError> {
        let aws = sdk::sdk_config()?;
        let (page_secret, client_secrets) = (config::text("PAGE_SECRET")?, config::text("CLIENT_SECRETS")?);
        let key_sets = KeySetsSecret::new(&aws, config::text("KEY_SETS_SECRET")?);
        let reach = if config::value("LOOPBACK_ISSUERS")? { Reach::PublicAndLoopback } else { Reach::Public };
        let configured = Configured::read(&config::text("ISSUERS")?, reach);
        let public_url = PublicUrl::configured(&config::text("PUBLIC_URL")?, &config::text("PAGES_API_ID")?)
            .map_err(|error| format!("PUBLIC_URL: {error}"))?;
        let (page_secret, client_secrets, ()) = tokio::join!(
            secret::read(&aws, &page_secret),
            secret::read_text_if_any(&aws, &client_secrets),
            landslide_authorizer::recall(&configured.issuers, key_sets.read()),
        );
        let client_secrets = ClientSecrets::read(&client_secrets?)?;
        Ok(Self::new(configured, &client_secrets, PageSecret::new(page_secret?), public_url))
    }

    /// For these issuers.
    pub fn new(
        configured: Configured,
        client_secrets: &ClientSecrets,
        secret: PageSecret,
        public_url: PublicUrl,
    ) -> Self {
        let Configured { places, issuers, clients, reach } = configured;
        let fetch = Arc::new(HttpFetch::new(reach));
        let providers = clients.into_iter().map(|client| Provider::new(client, client_secrets)).collect();
        let verifier = Verifier::without_devices(issuers, fetch.clone());
        Self { places, providers, verifier, fetch, secret, public_url, log: Log::default() }
    }

    /// Answers a request, as the gateway takes it.
    pub async fn respond(&self, request: lambda_http::Request) -> Result<Response<String>, LambdaError> {
        let Answer { status, headers, body } = self.answer(&landslide_lambda_http::read(request)).await;
        landslide_lambda_http::response(status, headers, body)
    }

    /// Answers a request within the time that Lambda leaves it. It never fails: what goes wrong is a page too.
    pub async fn answer(&self, request: &Request) -> Answer {
        let now = clock::now();
        // Only the way there names the poll. On the way back, the cookie does.
        let begins = request.poll_id().ok();
        let begun = sign_in_cookie(cookies(request)).and_then(|value| self.secret.open_sign_in(value));
        let language = language(request, begun.as_ref().filter(|_| begins.is_none()));
        let page = match (&begins, &begun) {
            (Some(poll_id), _) => Some(format!("../{poll_id}")),
            (None, begun) => begun.as_ref().map(|begun| format!("p/{}", begun.poll_id)),
        };
        let served = async {
            match &begins {
                Some(poll_id) => self.begin(request, poll_id, language, now).await,
                None if is_callback(request) => self.end(request, begun.as_ref(), now).await,
                None => Err(Failure::of(Trouble::NotFound, "no poll has this id")),
            }
        };
        let outcome = tokio::time::timeout(request.time_left(), served).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Failure::of(Trouble::ProviderUnavailable, "it took too long")));
        outcome.unwrap_or_else(|failure| {
            self.log.write(request.id(), &failure, now);
            Answer::trouble(failure.trouble, language, page.as_deref())
        })
    }

    /// Leads to the provider, and has the browser remember with what.
    async fn begin(
        &self,
        request: &Request,
        poll_id: &PollId,
        language: Language,
        now: Timestamp,
    ) -> Result<Answer, Failure> {
        let place = request.query("issuer").map_or(Some(0), |place| place.parse().ok());
        let place = place.and_then(|place| self.places.at(place));
        let stale = || Failure::of(Trouble::SignInExpired, "the link names no issuer with a client_id");
        let issuer = &place.ok_or_else(stale)?.issuer;
        let provider = self.provider(issuer)?;
        let endpoints = provider.endpoints(&self.fetch, now).await?;
        let again = has_signed_out(cookies(request));
        let (address, proof) = provider.way_there(&endpoints, &self.public_url.sign_in(), language.tag(), again)?;
        let Proof { state, nonce, verifier } = proof;
        let sign_in = SignIn {
            poll_id: poll_id.to_string(),
            issuer: issuer.clone(),
            state,
            nonce,
            verifier,
            language: language.tag().to_owned(),
            expires_at: now.plus_millis(SIGN_IN_MS),
        };
        let value = self.secret.seal_sign_in(&sign_in).map_err(|error| Failure::failed(error.to_string()))?;
        Ok(Answer::see_other(address).with_sign_in(&value, SIGN_IN_KEPT_SECONDS))
    }

    /// Takes the provider's answer, and leads back to the page of the poll.
    async fn end(&self, request: &Request, begun: Option<&SignIn>, now: Timestamp) -> Result<Answer, Failure> {
        let expired = |cause: &str| Failure::of(Trouble::SignInExpired, cause);
        let begun = begun.filter(|begun| begun.expires_at > now);
        let begun =
            begun.ok_or_else(|| expired("no cookie says that a sign-in has begun less than ten minutes ago"))?;
        if request.query("state") != Some(&begun.state) {
            return Err(expired("the state is not the one in the browser's cookie"));
        }
        let provider = self.provider(&begun.issuer)?;
        let endpoints = provider.endpoints(&self.fetch, now).await?;
        provider.must_have_answered(request.query("iss"), &endpoints)?;
        if let Some(error) = request.query("error") {
            return Err(Failure::by_provider(error));
        }
        let code = request.query("code").ok_or_else(|| Failure::failed("the provider sent neither code nor error"))?;
        let redirect = self.public_url.sign_in();
        let id_token = provider.exchange(&self.fetch, &endpoints, &redirect, code, &begun.verifier).await?;
        let account = self.account(provider, &id_token, begun, now).await?;
        let account = Caller { expires_at: now.plus_millis(ACCOUNT_MS), ..account };
        let value = self.secret.seal_account(&account).map_err(|error| Failure::failed(error.to_string()))?;
        let page = format!("p/{}?lang={}", begun.poll_id, begun.language);
        Ok(Answer::see_other(page).with_account(&value, ACCOUNT_MS / 1_000))
    }

    /// The account of an ID token.
    async fn account(
        &self,
        provider: &Provider,
        id_token: &str,
        begun: &SignIn,
        now: Timestamp,
    ) -> Result<Caller, Failure> {
        let verdict = self.verifier.verify_id_token(id_token, provider.client_id(), &begun.nonce, now).await;
        let verdict = verdict.map_err(|error| Failure::of(Trouble::ProviderUnavailable, error.to_string()))?;
        let account = verdict.map_err(|refusal| {
            Failure::failed(format!("the ID token of issuer {:?} is refused: {}", begun.issuer, refusal.reason))
        })?;
        if account.issuer == begun.issuer {
            Ok(account)
        } else {
            Err(Failure::failed("the ID token is of another issuer than the one that was asked"))
        }
    }

    fn provider(&self, issuer: &str) -> Result<&Provider, Failure> {
        let provider = self.providers.iter().find(|provider| provider.issuer() == issuer);
        provider.ok_or_else(|| Failure::failed(format!("issuer {issuer:?} has no client that can be used")))
    }
}

fn cookies(request: &Request) -> &str {
    request.header("cookie").unwrap_or_default()
}

/// Whether a request is on the way back. On the way there, the path has one segment more.
fn is_callback(request: &Request) -> bool {
    request.route() == "/sign-in"
}

/// What the address asks for, else the language in which the sign-in has begun, else what the browser asks for.
fn language(request: &Request, begun: Option<&SignIn>) -> Language {
    let asked = request.query("lang").or(begun.map(|begun| begun.language.as_str()));
    Language::choose(asked, request.header("accept-language"))
}

#[cfg(test)]
mod tests;
