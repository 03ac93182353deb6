//! A request, read into what the page needs of it.

use std::time::{Duration, SystemTime};

use lambda_http::{Body, Request, RequestExt, http::header, request::RequestContext};
use landslide_domain::{error::Error, ids::PollId};
use landslide_edge::{BODY_BYTES_MAX, Event, Headers};
use landslide_page::{Entry, Language, Malformed, View, device_token};

/// Time kept back to send the answer before Lambda ends the process.
const ANSWER_TIME: Duration = Duration::from_millis(200);
/// How forms are sent.
const FORM: &str = "application/x-www-form-urlencoded";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The page.
    Page,
    /// That a form is taken.
    Vote,
    /// Results, as the reader may see them.
    OwnResults,
    /// Results that anyone may see.
    Results,
}

/// One request.
pub struct Visit {
    request: Request,
    /// The reader's language.
    pub language: Language,
    /// What to show.
    pub view: View,
    /// What is asked for.
    pub wanted: Wanted,
}

impl Visit {
    /// Reads a request.
    pub fn of(request: Request) -> Self {
        let view = View::of_query(query(&request, "view"));
        let wanted = match (request.method().as_str(), resource(&request)) {
            ("POST", _) => Wanted::Vote,
            (_, Some("/p/{poll_id}/live")) => Wanted::OwnResults,
            (_, Some("/p/{poll_id}/results")) => Wanted::Results,
            _ => Wanted::Page,
        };
        // Results for anyone are kept by their address alone, which says the language or is of the first one.
        let accepted = (wanted != Wanted::Results).then(|| text(&request, header::ACCEPT_LANGUAGE.as_str())).flatten();
        let language = Language::choose(query(&request, "lang"), accepted);
        Self { request, language, view, wanted }
    }

    /// The poll. An id that is none is not found.
    pub fn poll_id(&self) -> Result<PollId, Error> {
        let parameters = self.request.path_parameters_ref();
        let id = parameters.and_then(|parameters| parameters.first("poll_id"));
        id.and_then(PollId::parse).ok_or(Error::NoSuchPoll)
    }

    /// The device's token, as it was sent.
    pub fn token(&self) -> Option<&str> {
        text(&self.request, header::COOKIE.as_str()).and_then(device_token)
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        text(&self.request, name)
    }

    /// What the form holds.
    pub fn entry(&self) -> Result<Entry, Malformed> {
        let media_type = self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let is_form = media_type.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case(FORM));
        let body: &[u8] = match self.request.body() {
            Body::Text(text) => text.as_bytes(),
            Body::Binary(bytes) => bytes,
            _ => &[],
        };
        if is_form && body.len() <= BODY_BYTES_MAX { Entry::of_form(body) } else { Err(Malformed) }
    }

    /// The same request with its headers alone, as functions of voters have it.
    pub fn headers(&self) -> landslide_edge::Request {
        let event = Event {
            headers: Some(Headers::All(self.request.headers().clone())),
            query_string_parameters: None,
            path_parameters: None,
            request_context: Default::default(),
            body: None,
            is_base64_encoded: false,
        };
        landslide_edge::Request::new(event, self.request.lambda_context().deadline())
    }

    /// Whether a browser would show what is answered, and keep its cookie.
    pub fn is_seen(&self) -> bool {
        self.request.method() != "HEAD"
    }

    /// The id by which the log names the request.
    pub fn id(&self) -> String {
        self.request.lambda_context().request_id
    }

    /// How long answering may take.
    pub fn time_left(&self) -> Duration {
        let deadline = self.request.lambda_context().deadline();
        deadline.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(ANSWER_TIME)
    }
}

/// The path with the names of its parameters.
fn resource(request: &Request) -> Option<&str> {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.resource_path.as_deref(),
        _ => None,
    }
}

fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query_string_parameters_ref()?.first(name)
}

fn text<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    // A cookie of others may be in any characters, and must not hide ours.
    str::from_utf8(request.headers().get(name)?.as_bytes()).ok()
}
