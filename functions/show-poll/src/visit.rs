//! A request, read into what the page needs of it.

use landslide_domain::{ids::PollId, poll::Settings};
use landslide_edge::{BODY_BYTES_MAX, Request};
use landslide_page::{Entry, Language, Malformed, View, device_token, view_link};

/// How forms are sent.
const FORM: &str = "application/x-www-form-urlencoded";
/// The whole form that signs an account out.
const SIGN_OUT: &[u8] = b"do=sign-out";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The page.
    Page,
    /// That a form is taken.
    Vote,
    /// That the account is signed out.
    SignOut,
    /// Results, as the reader may see them.
    OwnResults,
    /// Results that anyone may see.
    Results,
}

/// One request.
pub struct Visit {
    /// The request itself.
    pub request: Request,
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
        let view = View::of_query(request.query("view"));
        let wanted = match (request.method(), request.last_segment()) {
            ("POST", _) if request.body().is_some_and(|body| *body == *SIGN_OUT) => Wanted::SignOut,
            ("POST", _) => Wanted::Vote,
            (_, "live") => Wanted::OwnResults,
            (_, "results") => Wanted::Results,
            _ => Wanted::Page,
        };
        // Results for anyone are kept by their address alone, which says the language or is of the first one.
        let accepted = request.header("accept-language").filter(|_| wanted != Wanted::Results);
        let language = Language::choose(request.query("lang"), accepted);
        Self { request, language, view, wanted }
    }

    /// The device's token, as it was sent.
    pub fn token(&self, settings: &Settings) -> Option<&str> {
        device_token(self.cookies(), settings.spec.devices, settings.poll_id.as_str())
    }

    /// All cookies.
    pub fn cookies(&self) -> &str {
        self.request.header("cookie").unwrap_or_default()
    }

    /// What the form holds.
    pub fn entry(&self) -> Result<Entry, Malformed> {
        let media_type = self.request.header("content-type").unwrap_or_default();
        let is_form = media_type.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case(FORM));
        let body = self.request.body().filter(|body| is_form && body.len() <= BODY_BYTES_MAX);
        Entry::of_form(&body.ok_or(Malformed)?)
    }

    /// A link to this poll's results, as it was sent.
    pub fn view_link(&self, poll_id: &PollId) -> Option<&str> {
        view_link(self.cookies(), poll_id.as_str())
    }

    /// Whether the page is for a frame (Fetch Metadata Request Headers, section 2.1). A browser keeps our cookies from
    /// frames in other sites' pages.
    pub fn is_framed(&self) -> bool {
        let dest = self.request.header("sec-fetch-dest");
        dest.is_some_and(|dest| ["iframe", "frame", "embed", "object"].contains(&dest))
    }

    /// Whether a browser would show what is answered, and keep its cookie.
    pub fn may_keep_cookies(&self) -> bool {
        self.request.method() != "HEAD" && !self.is_framed()
    }
}
