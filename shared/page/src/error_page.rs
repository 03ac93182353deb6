//! Pages for what went wrong. Each says what happened and what to do next.

use maud::html;

use crate::{assets::Part, document::Document, language::Language, messages::Messages, words::Words};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Too many requests at once (429).
    Busy,
    /// A dependency is unavailable (503).
    Unavailable,
    /// There is no poll (404).
    NotFound,
    /// A form was sent by another site (403).
    Foreign,
    /// A vote was sent without the cookie that names the voter (403).
    NoCookies,
    /// The sign-in did not lead to an account that we can accept (502).
    SignInFailed,
    /// The person or the provider refused the sign-in (403).
    SignInDeclined,
    /// The provider's answer belongs to no sign-in that this browser has begun (400).
    SignInExpired,
    /// The provider does not answer (503).
    ProviderUnavailable,
    /// A vote was sent when its account was not signed in any more (403).
    SignedOut,
    /// A vote was sent from the page of another account than the one that has signed in (403).
    OtherAccount,
    /// The request can't be read (400).
    Unreadable,
    /// A fault on our side (500).
    Broken,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Busy,
        Self::Unavailable,
        Self::NotFound,
        Self::Foreign,
        Self::NoCookies,
        Self::SignInFailed,
        Self::SignInDeclined,
        Self::SignInExpired,
        Self::ProviderUnavailable,
        Self::SignedOut,
        Self::OtherAccount,
        Self::Unreadable,
        Self::Broken,
    ];

    /// The status of HTTP.
    pub fn status(self) -> u16 {
        match self {
            Self::Unreadable | Self::SignInExpired => 400,
            Self::Foreign | Self::NoCookies | Self::SignInDeclined | Self::SignedOut | Self::OtherAccount => 403,
            Self::NotFound => 404,
            Self::Busy => 429,
            Self::Broken => 500,
            Self::SignInFailed => 502,
            Self::Unavailable | Self::ProviderUnavailable => 503,
        }
    }

    /// After how many seconds a browser may ask again what was refused for now.
    pub(crate) fn retry_after_seconds(self) -> Option<u64> {
        matches!(self, Self::Busy | Self::Unavailable).then_some(1)
    }

    /// What happened, and what to do next.
    pub(crate) fn says(self, say: &Messages) -> (&'static str, &'static str) {
        match self {
            Self::Busy => (say.busy, say.safe_to_repeat),
            Self::Unavailable => (say.unavailable, say.safe_to_repeat),
            Self::NotFound => (say.not_found, say.check_address),
            Self::Foreign => (say.foreign, say.foreign_hint),
            Self::NoCookies => (say.no_cookies, say.no_cookies_hint),
            Self::SignInFailed => (say.sign_in_failed, say.sign_in_again),
            Self::SignInDeclined => (say.sign_in_declined, say.sign_in_again),
            Self::SignInExpired => (say.sign_in_expired, say.sign_in_again),
            Self::ProviderUnavailable => (say.provider_unavailable, say.try_later),
            Self::SignedOut => (say.signed_out, say.signed_out_hint),
            Self::OtherAccount => (say.other_account, say.not_counted),
            Self::Unreadable => (say.unreadable, say.try_later),
            Self::Broken => (say.broken, say.try_later),
        }
    }
}

/// A page for what went wrong.
pub struct ErrorPage<'a> {
    /// What it is.
    pub trouble: Trouble,
    /// The language of the page.
    pub language: Language,
    /// Where the poll is, relative to the request. `None` if a link to it would not help.
    pub poll: Option<&'a str>,
}

impl ErrorPage<'_> {
    /// Its HTML.
    pub fn render(&self) -> String {
        self.render_with(&Words::of(self.language))
    }

    pub(crate) fn render_with(&self, words: &Words) -> String {
        let say = words.say;
        let (what, next) = self.trouble.says(say);
        let main = html! {
            h1 { (what) }
            p { (next) }
            @if let Some(poll) = self.poll {
                a.button href={ (poll) "?lang=" (words.language.tag()) } { (say.open_poll) }
            }
        };
        let meta = html! { meta name="robots" content="noindex"; };
        let (part, cookie_note) = (Part::None, say.cookie_note);
        Document { words, title: what, meta, part, is_stage: false, query: "", cookie_note, main }.render()
    }
}
