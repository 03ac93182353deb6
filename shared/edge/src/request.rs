//! Reads a gateway request into types that can't be wrong.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use landslide_domain::{
    caller::{Caller, TokenKind},
    claims::Claims,
    error::Error as Failure,
    ids::PollId,
    limits::{Quota, Standing},
    member::{Author, Member},
    opaque_token::TokenId,
    role::Role,
    tenant::{Tenant, TenantKind},
    time::Timestamp,
    viewer::Viewer,
    vote::Revisions,
};
use serde::de::DeserializeOwned;

use super::{
    Error, Unsupported, body,
    event::{Authorizer, Event, PathParameters},
};

/// The longest body for a poll, in bytes: the largest poll in its longest spelling, and 32 KB for the rest. A stored
/// character takes at most four code points when decomposed, each 6 bytes as a JSON escape.
pub const POLL_BODY_BYTES_MAX: usize = 512 * 1024;
/// The longest of all other bodies, in bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// Items per page, unless the query says otherwise.
const LIMIT_DEFAULT: usize = 20;
/// The most items per page.
const LIMIT_MAX: usize = 100;
/// The most characters in an idempotency key.
const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// The message for a caller without a token.
pub(crate) const TOKEN_NEEDED: &str = "A valid bearer token is needed.";
/// The message for a caller whose token is of another kind.
const MEMBER_NEEDED: &str = "This needs an account token or an API key.";
/// The message for a token that was valid once.
const EXPIRED: &str = "The token has expired.";

/// Time kept back to serialise and send the response before Lambda ends the process.
const ANSWER_TIME: Duration = Duration::from_millis(200);

/// One request.
pub struct Request {
    event: Event,
    deadline: SystemTime,
    /// Set where requests are counted.
    standing: Option<Standing>,
}

impl Request {
    /// A request from its event. `deadline` is when Lambda ends the process.
    pub fn new(event: Event, deadline: SystemTime) -> Self {
        Self { event, deadline, standing: None }
    }

    /// The same request, counted.
    pub fn counted(self, standing: Standing) -> Self {
        Self { standing: Some(standing), ..self }
    }

    /// How the member's tenant stands by its limits. Fails in a function whose requests are not counted.
    pub fn standing(&self) -> Result<&Standing, Error> {
        self.standing.as_ref().ok_or_else(|| Error::internal("the request was not counted"))
    }

    /// What is left of the tenant's requests. `None` if they are not counted.
    pub(crate) fn quota(&self) -> Option<Quota> {
        self.standing.as_ref().map(Standing::requests)
    }

    /// The gateway's request id.
    pub fn id(&self) -> &str {
        &self.event.request_context.request_id
    }

    /// How long the endpoint may take, so that the response is sent before Lambda ends the process.
    pub fn time_left(&self) -> Duration {
        self.deadline.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(ANSWER_TIME)
    }

    /// The path's poll. An id that is not valid is reported as not found.
    pub fn poll_id(&self) -> Result<PollId, Error> {
        let poll_id = self.path_parameters().and_then(|parameters| parameters.poll_id.as_deref());
        poll_id.and_then(PollId::parse).ok_or(Error::UseCase(Failure::NoSuchPoll))
    }

    /// The path's API key. An id that is not valid is reported as not found.
    pub fn key_id(&self) -> Result<TokenId, Error> {
        let key_id = self.path_parameters().and_then(|parameters| parameters.key_id.as_deref());
        key_id.and_then(TokenId::parse).ok_or(Error::UseCase(Failure::NoSuchKey))
    }

    /// The path's view link. An id that is not valid is reported as not found.
    pub fn view_id(&self) -> Result<TokenId, Error> {
        let view_id = self.path_parameters().and_then(|parameters| parameters.view_id.as_deref());
        view_id.and_then(TokenId::parse).ok_or(Error::UseCase(Failure::NoSuchView))
    }

    /// The path's kept query.
    pub fn query_id(&self) -> Option<&str> {
        self.path_parameters()?.query_id.as_deref()
    }

    fn path_parameters(&self) -> Option<&PathParameters> {
        self.event.path_parameters.as_ref()
    }

    /// A header's value, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.event.headers.as_ref().and_then(|headers| headers.get(name))
    }

    /// Whether the caller already has this entity tag (`If-None-Match`, weak comparison, RFC 9110).
    pub fn has_current(&self, tag: &str) -> bool {
        let tags = self.header("if-none-match").unwrap_or_default().split(',').map(str::trim);
        let mut tags = tags.map(|known| known.strip_prefix("W/").unwrap_or(known));
        tags.any(|known| known == "*" || known.strip_prefix('"').and_then(|known| known.strip_suffix('"')) == Some(tag))
    }

    /// The revisions in `If-Match`: strong tags with numbers, or `*`. `None` if the header is absent.
    pub fn if_match(&self) -> Result<Option<Revisions>, Error> {
        let Some(value) = self.header("if-match") else { return Ok(None) };
        let refused = || Error::invalid("The header If-Match takes * or strong entity tags, such as \"1\".");
        match value.trim() {
            "*" => Ok(Some(Revisions::Any)),
            tags => strong_tags(tags).map(|tags| Some(Revisions::Of(tags))).ok_or_else(refused),
        }
    }

    /// A query parameter. If it is repeated, its last value.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.event.query_string_parameters.as_ref().and_then(|all| all.get(name)).map(String::as_str)
    }

    /// A time in the query, if there is one of this name.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, Error> {
        let Some(text) = self.query(name) else { return Ok(None) };
        let invalid =
            || Error::invalid(format!("The query's {name} must be a time by RFC 3339, such as 2027-01-31T20:15:00Z."));
        Timestamp::parse_bounded(text).map(Some).ok_or_else(invalid)
    }

    /// How many items a page has at most: the query's limit, or 20.
    pub fn limit(&self) -> Result<usize, Error> {
        let Some(limit) = self.query("limit") else { return Ok(LIMIT_DEFAULT) };
        let digits = Some(limit).filter(|limit| limit.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| (1..=LIMIT_MAX).contains(number));
        number.ok_or_else(|| Error::invalid(format!("The query's limit must be from 1 to {LIMIT_MAX}.")))
    }

    /// The route, such as `/v1/polls/{poll_id}`.
    pub fn route(&self) -> &str {
        &self.event.request_context.resource_path
    }

    /// The last segment of the path, such as `mine`.
    pub fn last_segment(&self) -> &str {
        self.event.request_context.resource_path.rsplit('/').next().unwrap_or_default()
    }

    /// Who asks, on a route of what the caller alone may see; `None` on a route for anyone.
    pub fn viewer_of_mine(&self, now: Timestamp) -> Result<Option<Viewer>, Error> {
        if self.is_of_mine() { self.viewer(now).map(Some) } else { Ok(None) }
    }

    /// Whether the route is one of what the caller alone may see.
    pub fn is_of_mine(&self) -> bool {
        self.event.request_context.resource_path.split('/').any(|segment| segment == "mine")
    }

    /// The method, such as `GET`.
    pub fn method(&self) -> &str {
        &self.event.request_context.http_method
    }

    /// The caller, as the authorizer vouches for it.
    pub fn caller(&self, now: Timestamp) -> Result<Caller, Error> {
        let caller = || {
            let authorizer = self.authorizer()?;
            Some(Caller {
                issuer: authorizer.issuer.clone()?,
                subject: authorizer.subject.clone()?,
                kind: TokenKind::parse(authorizer.kind.as_deref()?)?,
                expires_at: self.expires_at()?,
                claims: released_claims(authorizer)?,
            })
        };
        let caller = caller().ok_or(Error::Unauthorized(TOKEN_NEEDED))?;
        // The authorizer's answer may be cached for longer than the token is valid.
        if caller.expires_at <= now { Err(Error::InvalidToken(EXPIRED)) } else { Ok(caller) }
    }

    /// The member who calls, by an account token or an API key.
    pub fn member(&self, now: Timestamp) -> Result<Member, Error> {
        match self.viewer(now)? {
            Viewer::Voter(_, Some(member)) | Viewer::Key(member) => Ok(member),
            Viewer::Voter(Caller { kind: TokenKind::Account, .. }, None) => Err(Error::UseCase(Failure::NoRole)),
            Viewer::Voter(_, None) | Viewer::Link(_) => Err(Error::Forbidden(MEMBER_NEEDED)),
        }
    }

    /// Who asks for results, as the owners' authorizer vouches for it.
    pub fn viewer(&self, now: Timestamp) -> Result<Viewer, Error> {
        match self.authorizer().and_then(|authorizer| authorizer.kind.as_deref()) {
            Some("key") => {
                self.key().filter(|_| self.is_in_time(now)).map(Viewer::Key).ok_or(Error::InvalidToken(EXPIRED))
            }
            Some("view") => {
                self.link().filter(|_| self.is_in_time(now)).map(Viewer::Link).ok_or(Error::InvalidToken(EXPIRED))
            }
            _ => {
                let caller = self.caller(now)?;
                let member = self.member_by_account(&caller);
                Ok(Viewer::Voter(caller, member))
            }
        }
    }

    fn authorizer(&self) -> Option<&Authorizer> {
        self.event.request_context.authorizer.as_ref()
    }

    fn is_in_time(&self, now: Timestamp) -> bool {
        self.expires_at().is_some_and(|expires_at| expires_at > now)
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Timestamp::from_millis(self.authorizer()?.expires_at.as_deref()?.parse().ok()?)
    }

    /// An account without a tenant of another kind manages its own polls. A tenant that can't be read is none.
    fn member_by_account(&self, caller: &Caller) -> Option<Member> {
        if caller.kind != TokenKind::Account {
            return None;
        }
        let of_account = Member::of_account(caller, self.id());
        match self.authorizer()?.tenant_kind {
            None => Some(of_account),
            Some(_) => Some(Member { tenant: self.tenant()?, role: self.role(), ..of_account }),
        }
    }

    fn key(&self) -> Option<Member> {
        let author = Author::Key { id: self.authorizer()?.subject.clone()? };
        Some(Member { tenant: self.tenant()?, role: self.role(), author, request_id: self.id().to_owned() })
    }

    fn link(&self) -> Option<PollId> {
        PollId::parse(self.authorizer()?.poll_id.as_deref()?)
    }

    fn tenant(&self) -> Option<Tenant> {
        let Authorizer { issuer, tenant_kind, tenant, .. } = self.authorizer()?;
        Tenant::new(issuer.as_deref()?, TenantKind::parse(tenant_kind.as_deref()?)?, tenant.as_deref()?)
    }

    fn role(&self) -> Option<Role> {
        Role::parse(self.authorizer()?.role.as_deref()?)
    }

    /// The idempotency key, if there is one: 1 to 255 visible ASCII characters.
    pub fn idempotency_key(&self) -> Result<Option<&str>, Error> {
        let Some(key) = self.header("idempotency-key") else { return Ok(None) };
        let refused = || Error::invalid("The header Idempotency-Key takes 1 to 255 characters of visible ASCII.");
        if is_idempotency_key(key) { Ok(Some(key)) } else { Err(refused()) }
    }

    /// The body as it was sent, whatever it is. `None` if it should be base64 and is not.
    pub fn body(&self) -> Option<Cow<'_, [u8]>> {
        self.event.body()
    }

    /// Parses the JSON body, which has at most `bytes_max` bytes.
    pub fn json<T: DeserializeOwned>(&self, bytes_max: usize) -> Result<T, Error> {
        let text = self.text(bytes_max)?;
        self.must_be_json()?;
        body::parse(body::without_byte_order_mark(&text))
    }

    /// Fails unless the body is empty, or an empty JSON object.
    pub fn no_body(&self) -> Result<(), Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}
        self.json_if_any::<Nothing>(BODY_BYTES_MAX)?;
        Ok(())
    }

    /// Parses the JSON body, which has at most `bytes_max` bytes. Returns `None` if it is empty.
    pub fn json_if_any<T: DeserializeOwned>(&self, bytes_max: usize) -> Result<Option<T>, Error> {
        let text = self.text(bytes_max)?;
        let text = body::without_byte_order_mark(&text);
        if text.is_empty() {
            return Ok(None);
        }
        self.must_be_json()?;
        body::parse(text).map(Some)
    }

    fn text(&self, bytes_max: usize) -> Result<Cow<'_, str>, Error> {
        self.must_be_as_it_is()?;
        let refused = || Error::invalid("The body is not UTF-8, or has a replacement character (U+FFFD).");
        let bytes = self.body().ok_or_else(refused)?;
        if bytes.len() > bytes_max {
            return Err(Error::BodyTooLarge(bytes_max));
        }
        let text = match bytes {
            Cow::Borrowed(bytes) => str::from_utf8(bytes).map(Cow::from).ok(),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::from).ok(),
        };
        // Gateways put U+FFFD in place of bytes that are not UTF-8.
        text.filter(|text| !text.contains(char::REPLACEMENT_CHARACTER)).ok_or_else(refused)
    }

    fn must_be_json(&self) -> Result<(), Error> {
        let media_type = self.header("content-type").and_then(|value| value.split(';').next()).map(str::trim);
        match media_type {
            Some(media_type) if media_type.eq_ignore_ascii_case("application/json") => Ok(()),
            _ => Err(self.unsupported(Unsupported::MediaType)),
        }
    }

    /// Fails if the body is compressed.
    fn must_be_as_it_is(&self) -> Result<(), Error> {
        match self.header("content-encoding").map(str::trim) {
            None => Ok(()),
            Some(encoding) if encoding.eq_ignore_ascii_case("identity") => Ok(()),
            Some(_) => Err(self.unsupported(Unsupported::Encoding)),
        }
    }

    fn unsupported(&self, what: Unsupported) -> Error {
        Error::Unsupported { what, is_patch: self.method() == "PATCH" }
    }
}

/// Whether a text can be an idempotency key: 1 to 255 visible ASCII characters.
pub fn is_idempotency_key(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic()) && (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&text.len())
}

/// What the caller's issuer releases. Returns `None` if it can't be read.
fn released_claims(authorizer: &Authorizer) -> Option<Claims> {
    authorizer.released_claims.as_deref().map_or_else(|| Some(Claims::default()), Claims::parse)
}

/// The entity tags in a list such as `"1", "2"`. Returns `None` if it is not valid, or has a weak tag.
fn strong_tags(list: &str) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    let mut rest = list;
    loop {
        let (tag, after) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        tags.push(tag.to_owned());
        match after.trim_start() {
            "" => return Some(tags),
            more => rest = more.strip_prefix(',')?,
        }
    }
}
