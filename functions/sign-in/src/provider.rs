//! An OpenID Provider, as its client sees it: where it signs people in, and what it answers.

use std::{collections::BTreeMap, pin::Pin, time::Duration};

use landslide_aws::cache::Cached;
use landslide_domain::time::{MINUTE_MS, Timestamp};
use landslide_identity::{
    issuers::{Client, EndpointsAt},
    key_sets::{FETCH_TIMEOUT, Fetch, FetchError, HttpFetch, check_uri},
};
use landslide_page::Trouble;
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse, TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::failure::{Failure, shortened};

/// How long the exchange of a code may take.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a discovery document is used without asking for it again, in milliseconds.
const FRESH_MS: u64 = 10 * MINUTE_MS;
/// How long a process does not ask again that has got none, in milliseconds: no flood of visitors becomes one of requests.
const PAUSE_MS: u64 = 5_000;

/// The secrets of clients, by the names of their issuers.
#[derive(Default)]
pub struct ClientSecrets(BTreeMap<String, String>);

/// The secret's text is none of client secrets. Says nothing of what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret CLIENT_SECRETS is not a JSON object of texts")]
pub struct NoClientSecrets;

impl ClientSecrets {
    /// Reads a JSON object, or nothing.
    pub fn read(text: &str) -> Result<Self, NoClientSecrets> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(text).map(Self).map_err(|_| NoClientSecrets)
    }
}

/// What ties the provider's answer to this browser, this sign-in and this client.
pub struct Proof {
    pub state: String,
    pub nonce: String,
    pub verifier: String,
}

/// A provider.
pub struct Provider {
    client: Client,
    secret: Option<ClientSecret>,
    /// What its discovery document said last, or why there was none.
    discovered: Mutex<Option<Cached<Result<Endpoints, String>>>>,
}

/// Where a provider signs people in, and how it answers.
#[derive(Clone)]
pub struct Endpoints {
    authorization: AuthUrl,
    token: TokenUrl,
    /// Whether each of its answers names it (RFC 9207).
    names_itself: bool,
    auth_type: AuthType,
}

/// The part of a discovery document that matters here (OpenID Connect Discovery, section 3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// What a token response has beside OAuth's fields. No other token is used or kept.
#[derive(Debug, Serialize, Deserialize)]
struct IdToken {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdToken {}

/// An OAuth client that asks for ID tokens.
type OAuth = oauth2::Client<
    BasicErrorResponse,
    StandardTokenResponse<IdToken, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl Provider {
    /// A provider that was not asked anything yet.
    pub fn new(client: Client, secrets: &ClientSecrets) -> Self {
        let secret = secrets.0.get(&client.issuer).cloned().map(ClientSecret::new);
        Self { client, secret, discovered: Mutex::default() }
    }

    /// The issuer's name.
    pub fn issuer(&self) -> &str {
        &self.client.issuer
    }

    /// The client's id.
    pub fn client_id(&self) -> &str {
        &self.client.id
    }

    /// Where it signs people in. Asks it if that is not known; one request at a time.
    pub async fn endpoints(&self, fetch: &HttpFetch, now: Timestamp) -> Result<Endpoints, Failure> {
        let uri = match &self.client.endpoints {
            EndpointsAt::Discovery(uri) => uri,
            EndpointsAt::Given { authorization, token } => return self.given(authorization, token),
        };
        let mut discovered = self.discovered.lock().await;
        let age_ms = |known: &Result<Endpoints, String>| if known.is_ok() { FRESH_MS } else { PAUSE_MS };
        let known = discovered.take_if(|known| known.is_younger_than(age_ms(&known.value), now));
        let known = match known {
            Some(known) => known,
            None => Cached { value: self.discover(fetch, uri).await, read_at: now },
        };
        let endpoints = known.value.clone();
        *discovered = Some(known);
        endpoints.map_err(|cause| self.unavailable(&format!("its discovery document: {cause}")))
    }

    fn given(&self, authorization: &str, token: &str) -> Result<Endpoints, Failure> {
        let address = |_| Failure::failed(format!("issuer {:?}: an endpoint is no address", self.issuer()));
        Ok(Endpoints {
            authorization: AuthUrl::new(authorization.to_owned()).map_err(address)?,
            token: TokenUrl::new(token.to_owned()).map_err(address)?,
            names_itself: false,
            auth_type: AuthType::BasicAuth,
        })
    }

    async fn discover(&self, fetch: &HttpFetch, uri: &str) -> Result<Endpoints, String> {
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, fetch.fetch(uri)).await;
        let document = fetched.map_err(|_| format!("not there after {} s", FETCH_TIMEOUT.as_secs()))?;
        let document = document.map_err(|error| error.to_string())?;
        let document: Discovery =
            serde_json::from_slice(&document).map_err(|_| "it names no endpoints for signing in".to_owned())?;
        if document.issuer != self.client.issuer {
            return Err("it is that of another issuer".to_owned());
        }
        for endpoint in [&document.authorization_endpoint, &document.token_endpoint] {
            check_uri(endpoint, fetch.reach()).map_err(|error| format!("an endpoint in it {error}"))?;
        }
        let address = |_| "an endpoint in it is not an address".to_owned();
        Ok(Endpoints {
            auth_type: auth_type(document.token_endpoint_auth_methods_supported.as_deref()),
            authorization: AuthUrl::new(document.authorization_endpoint).map_err(address)?,
            token: TokenUrl::new(document.token_endpoint).map_err(address)?,
            names_itself: document.authorization_response_iss_parameter_supported,
        })
    }

    /// The address at which the person signs in, and what the answer will be known by. Who signs in `again` is asked who they
    /// are, though the provider may remember them.
    pub fn way_there(
        &self,
        endpoints: &Endpoints,
        redirect: &str,
        language: &str,
        again: bool,
    ) -> Result<(String, Proof), Failure> {
        let oauth = self.oauth(endpoints, redirect)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = CsrfToken::new_random().into_secret();
        let request = oauth
            .authorize_url(CsrfToken::new_random)
            .add_scope(Scope::new("openid".to_owned()))
            .set_pkce_challenge(challenge)
            .add_extra_param("nonce", nonce.clone())
            .add_extra_param("ui_locales", language.to_owned());
        let request = if again { request.add_extra_param("prompt", "login") } else { request };
        let (address, state) = request.url();
        let proof = Proof { state: state.into_secret(), nonce, verifier: verifier.into_secret() };
        Ok((address.to_string(), proof))
    }

    /// Fails unless this provider has sent the browser back, as far as the answer must say so (RFC 9207, section 2.4).
    pub fn must_have_answered(&self, iss: Option<&str>, endpoints: &Endpoints) -> Result<(), Failure> {
        let names = [&self.client.issuer].into_iter().chain(&self.client.aliases);
        match iss {
            Some(iss) if !names.into_iter().any(|name| name == iss) => {
                Err(Failure::failed("the answer's iss is another issuer than the one that was asked"))
            }
            None if endpoints.names_itself => {
                Err(Failure::failed("the answer has no iss, and its issuer promises one"))
            }
            _ => Ok(()),
        }
    }

    /// Exchanges a code for an ID token.
    pub async fn exchange(
        &self,
        fetch: &HttpFetch,
        endpoints: &Endpoints,
        redirect: &str,
        code: &str,
        verifier: &str,
    ) -> Result<String, Failure> {
        let oauth = self.oauth(endpoints, redirect)?;
        let guarded = Guarded(fetch);
        let request = oauth
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()));
        let exchanged = tokio::time::timeout(EXCHANGE_TIME_MAX, request.request_async(&guarded)).await;
        let slow = |_| self.unavailable(&format!("no tokens after {} s", EXCHANGE_TIME_MAX.as_secs()));
        match exchanged.map_err(slow)? {
            Ok(tokens) => tokens.extra_fields().id_token.clone().ok_or_else(|| self.odd("it has no ID token")),
            Err(RequestTokenError::Request(error)) => Err(self.unavailable(&error.to_string())),
            // Descriptions and bodies may have what is secret.
            Err(RequestTokenError::ServerResponse(answer)) => {
                Err(self.odd(&format!("the error {:?}", shortened(answer.error().as_ref()))))
            }
            Err(_) => Err(self.odd("it is no token response")),
        }
    }

    fn oauth(&self, endpoints: &Endpoints, redirect: &str) -> Result<OAuth, Failure> {
        let redirect = RedirectUrl::new(redirect.to_owned());
        let redirect = redirect.map_err(|_| Failure::failed("the pages' address is none"))?;
        let oauth = oauth2::Client::new(ClientId::new(self.client.id.clone()));
        let oauth = match &self.secret {
            Some(secret) => oauth.set_client_secret(secret.clone()),
            None => oauth,
        };
        Ok(oauth
            .set_auth_uri(endpoints.authorization.clone())
            .set_token_uri(endpoints.token.clone())
            .set_redirect_uri(redirect)
            .set_auth_type(endpoints.auth_type.clone()))
    }

    fn unavailable(&self, cause: &str) -> Failure {
        Failure::of(Trouble::ProviderUnavailable, format!("issuer {:?}: {cause}", self.issuer()))
    }

    fn odd(&self, what: &str) -> Failure {
        Failure::failed(format!("issuer {:?} answers the exchange of a code with: {what}", self.issuer()))
    }
}

/// The client of OAuth's requests: the one that keys are fetched with.
struct Guarded<'a>(&'a HttpFetch);

impl<'c> AsyncHttpClient<'c> for Guarded<'_> {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async {
            let response = self.0.send(request).await?;
            // No answer of the protocol has one of these.
            match response.status().as_u16() {
                status @ (429 | 500..) => Err(FetchError::Status(status)),
                _ => Ok(response),
            }
        })
    }
}

/// How a client says its secret: as a user's password (`client_secret_basic`), which is understood where nothing is said, or
/// in the form where that alone is taken.
fn auth_type(methods: Option<&[String]>) -> AuthType {
    let takes = |method: &str| methods.is_some_and(|methods| methods.iter().any(|known| known == method));
    if takes("client_secret_post") && !takes("client_secret_basic") {
        AuthType::RequestBody
    } else {
        AuthType::BasicAuth
    }
}
